"""The visual hull of object masks, and how well it explains them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from datasets.inspection.epipolar import common_center
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.scenes.scene import Scene
from pixelnerf.types import Cameras

GRID = 56


@dataclass(frozen=True)
class Hull:
    """Points that lie in all masks, and the share of the masks' pixels that they cover (1 where cameras are right)."""

    points: Float[Tensor, "point 3"]
    coverage: float


def carve(scene: Scene, cameras: Cameras, views: Sequence[int]) -> Hull | None:
    """The hull from some views' masks, with `cameras` in place of the scene's own; None without masks.

    The grid stands around the point nearest to the optical axes and is as large as the largest mask makes the object
    there.
    """
    masks = [scene.masks([view]) for view in views]
    present = [mask[0] for mask in masks if mask is not None and mask.any()]
    if len(present) < len(views):
        return None
    chosen = cameras[torch.tensor(list(views))]
    center = common_center(chosen)
    radius = max(_reach(chosen[index], mask, center) for index, mask in enumerate(present))
    axis = torch.linspace(-1, 1, GRID, dtype=torch.float64)
    points = center + radius * torch.cartesian_prod(axis, axis, axis)
    for index, mask in enumerate(present):
        points = points[_inside(chosen[index], mask, points)]
    spacing = 2 * radius / (GRID - 1)
    covered = [_covered(chosen[index], mask, points, spacing) for index, mask in enumerate(present)]
    return Hull(points, sum(covered) / len(covered))


def _reach(camera: Cameras, mask: Tensor, center: Float[Tensor, "3"]) -> float:
    rows, columns = torch.nonzero(mask, as_tuple=True)
    pixels = torch.stack([columns, rows], dim=-1) + 0.5
    reach = (pixels - camera.intrinsics[:2, 2]).norm(dim=-1).max() / camera.intrinsics[0, 0]
    return float(reach * (camera.poses[:3, 3].double() - center).norm())


def _inside(camera: Cameras, mask: Tensor, points: Float[Tensor, "point 3"]) -> Tensor:
    local = world_to_camera(camera.poses.double(), points)
    pixels = project(camera.intrinsics.double(), local).floor().long()
    height, width = mask.shape
    seen = (local[:, 2] > 0) & (pixels >= 0).all(dim=-1) & (pixels < torch.tensor([width, height])).all(dim=-1)
    kept = pixels.clamp_min(0).minimum(torch.tensor([width - 1, height - 1]))
    return seen & mask[kept[:, 1], kept[:, 0]]


def _covered(camera: Cameras, mask: Tensor, points: Float[Tensor, "point 3"], spacing: float) -> float:
    """Share of a mask that the points cover, each as a square of the grid's spacing."""
    if not len(points):
        return 0.0
    local = world_to_camera(camera.poses.double(), points)
    step = max(1, round(float(camera.intrinsics[0, 0] * spacing / local[:, 2].median())))
    cells = (project(camera.intrinsics.double(), local) / step).floor().long()
    height, width = (-(-side // step) for side in mask.shape)
    splat = torch.zeros(1, 1, height, width)
    splat[0, 0, cells[:, 1].clamp(0, height - 1), cells[:, 0].clamp(0, width - 1)] = 1.0
    # Points of a regular grid may leave every other cell free.
    grown = torch.nn.functional.max_pool2d(splat, 3, 1, 1)[0, 0]
    rows, columns = torch.nonzero(mask, as_tuple=True)
    return float(grown[rows // step, columns // step].mean())
