"""What photos say about each cell of a baked volume: whether any of them sees it, and whether they agree on its colour.

A photo sees a cell by the share of light that passes from the cell to the photo's camera, through the volume itself.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pixelnerf.geometry.cameras import project, rotate, world_to_camera
from pixelnerf.model.baked import BakedVolume
from pixelnerf.types import Cameras, TensorRecord

# Light on its way to a photo is sampled once in so many cells.
STRIDE = 1.5


@dataclass(frozen=True)
class Evidence(TensorRecord):
    """Of each cell of a volume, in [0, 1]; 0 in empty cells.

    `unseen` is the share of light that reaches none of the photos: the product over photos of 1 - v, with v the
    transmittance from the cell to the photo's camera, and 0 outside its frame. `disagreement` is the mean absolute
    difference between the photos' colours of the cell and its own as seen from their cameras, each photo weighted by v,
    and 0 where none sees it.
    """

    unseen: Float[Tensor, "width height depth"]
    disagreement: Float[Tensor, "width height depth"]


@torch.no_grad()
def gather_evidence(volume: BakedVolume, cameras: Cameras, images: Float[Tensor, "view 3 height width"]) -> Evidence:
    """What photos say about each cell.

    Args:
        volume: the baked object.
        cameras: of the photos (batch = view), in the volume's world.
        images: RGB in [0, 1], all of one size.
    """
    occupied = volume.density > 0
    points = volume.centers(occupied)
    unseen = torch.ones(len(points), device=points.device)
    weights, differences = torch.zeros_like(unseen), torch.zeros_like(unseen)
    for view in range(len(images)):
        camera = cameras[view]
        framed = world_to_camera(camera.poses, points)
        pixels = project(camera.intrinsics, framed)
        inside = (framed[:, 2] > 0) & (pixels >= 0).all(-1) & (pixels <= camera.sizes).all(-1)
        visible = inside * _transmittance(volume, points, camera.poses[:3, 3])
        found = F.grid_sample(
            images[view][None], (pixels / camera.sizes * 2 - 1)[None, None], padding_mode="border", align_corners=False
        )[0, :, 0].T
        unseen = unseen * (1 - visible)
        weights = weights + visible
        differences = differences + visible * (found - volume.colors_from(camera.poses[:3, 3], occupied)).abs().mean(-1)
    parts = []
    for values in (unseen, differences / weights.clamp_min(1)):
        cells = torch.zeros_like(volume.density)
        cells[occupied] = values
        parts.append(cells)
    return Evidence(*parts)


def _transmittance(
    volume: BakedVolume, points: Float[Tensor, "cell 3"], position: Float[Tensor, "3"]
) -> Float[Tensor, "cell"]:
    """The share of light that passes from cells, from one cell beyond their centres, to a position in the world."""
    sides = points.new_tensor(volume.density.shape)
    local = rotate(volume.axes.mT, points - volume.corner) / volume.cell
    toward = rotate(volume.axes.mT, (position - volume.corner)[None])[0] / volume.cell - local
    lengths = toward.norm(dim=-1, keepdim=True)
    toward = toward / lengths
    table = volume.density.permute(2, 1, 0)[None, None]
    # Not the root, as in pictures: samples so far apart would miss its sharper edges.
    stopped = torch.zeros_like(points[:, 0])
    # All cells in step, and only those whose way still is inside the box and lit.
    left = torch.arange(len(points), device=points.device)
    at = 1 + STRIDE / 2
    while len(left):
        places = local[left] + at * toward[left]
        going = ((places > -0.5) & (places < sides + 0.5)).all(-1) & (at < lengths[left, 0]) & (stopped[left] < 7)
        left, places = left[going], places[going]
        found = F.grid_sample(table, (places / sides * 2 - 1)[None, None, None], align_corners=False).flatten()
        stopped[left] += STRIDE * volume.cell * found
        at += STRIDE
    return torch.exp(-stopped)
