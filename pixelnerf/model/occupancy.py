"""The density of an encoded scene on a coarse grid, so that rendering can skip empty space.

Density that is independent of direction depends on the encoded photos alone. It is evaluated once. A cell is
*occupied* if it stops more than the threshold of the light that crosses it straight, or if one of its 26 neighbours
does. Two levels save most of the work: the fine one is evaluated only within occupied cells of the coarse one (cells
twice as wide).

The grid's box encloses the frusta [near, far] of all cameras it is built for, so it contains all of their rays. Cells
that none of them sees, and everything outside, are not evaluated and count as occupied.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from pixelnerf.geometry.cameras import rotate
from pixelnerf.model.cells import dilate, frusta_grid, seen_cells
from pixelnerf.model.net import Net
from pixelnerf.types import Cameras, SceneFeatures, TensorRecord


@dataclass(frozen=True)
class OccupancyGrid(TensorRecord):
    """Density of cubic cells, and which of them are occupied.

    Local coordinates are `axes^T (x - corner) / cell`: cell (i, j, k) spans [i, i + 1] x [j, j + 1] x [k, k + 1].
    Densities are in inverse units of the field's length, and zero where not evaluated.
    """

    corner: Float[Tensor, "3"]
    axes: Float[Tensor, "3 3"]
    cell: Float[Tensor, ""]
    density: Float[Tensor, "width height depth"]
    occupied: Bool[Tensor, "width height depth"]

    def look_up(
        self, points: Float[Tensor, "*batch point 3"]
    ) -> tuple[Float[Tensor, "*batch point"], Bool[Tensor, "*batch point"]]:
        """Density (linear between the cells' centres) and occupancy at points in the world."""
        local = rotate(self.axes.mT, points - self.corner) / self.cell
        sizes = points.new_tensor(self.density.shape)
        # grid_sample counts axes from the last.
        coordinates = (local / sizes * 2 - 1).flip(-1).reshape(1, 1, 1, -1, 3)
        density = F.grid_sample(self.density[None, None], coordinates, padding_mode="border", align_corners=False)
        index = local.floor().long()
        inside = ((index >= 0) & (index < sizes.long())).all(-1)
        i, j, k = index.clamp_min(0).minimum(sizes.long() - 1).unbind(-1)
        return density.view(points.shape[:-1]), self.occupied[i, j, k] | ~inside


@torch.no_grad()
def build_occupancy(
    net: Net, features: SceneFeatures, cameras: Cameras, near: float, far: float, cells: int, threshold: float
) -> OccupancyGrid:
    """The grid of one encoded scene (batch of 1), for views of the given cameras.

    Args:
        net: one whose density is independent of direction (see `check_cells`).
        features: the encoded photos.
        cameras: of the views to render, one batch axis.
        near: start of their rays, in units of t.
        far: end of their rays.
        cells: along the longest side of the box; even.
        threshold: the largest share of light that an empty cell may stop.
    """
    half = (far - near) / 2
    if net.config.renderer.normalize_directions:
        # Near is a distance then, which at the image's corners is a smaller depth.
        near = 0.0
    unit = half if net.config.renderer.density_unit == "half_depth" else 1.0
    coarse = frusta_grid(cameras, near, far, cells // 2)
    fine = replace(coarse, cell=coarse.cell / 2, sizes=tuple(2 * size for size in coarse.sizes))
    largest_empty = threshold * unit / fine.cell
    seen = seen_cells(coarse, cameras, near, far)
    # One full cell of the eight in a coarse cell gives it an eighth of its density.
    candidates = dilate(coarse.densities(net, features, seen) > largest_empty / 8)
    density = fine.densities(net, features, _split(candidates))
    occupied = dilate(density > largest_empty) | ~_split(seen)
    return OccupancyGrid(fine.corner, fine.axes, fine.cell, density, occupied)


def _split(cells: Bool[Tensor, "width height depth"]) -> Bool[Tensor, "fine_width fine_height fine_depth"]:
    """Each cell as eight of half the width."""
    for axis in range(3):
        cells = cells.repeat_interleave(2, dim=axis)
    return cells
