"""Encoded photos to a volume that renders without a network.

A coarse grid over the scene's cube, or over the frusta of the views to be rendered, finds the box that holds matter.
Its cells are evaluated once more, finer. Their colours are taken from several directions at once: all but the last two
small layers are independent of the direction. A plane in the direction is fitted to them, for each cell by itself, by
least squares that count most the directions from which the cell can be seen: those against the density's gradient.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from torch.profiler import record_function

from pixelnerf.geometry.cameras import rotate
from pixelnerf.model.activation import activate
from pixelnerf.model.baked import BakedVolume
from pixelnerf.model.cells import CellGrid, box_grid, dilate, frusta_grid, seen_cells
from pixelnerf.model.net import PhotoNet
from pixelnerf.types import Cameras, SceneFeatures, View

# Along the longest side of the grid that finds the object's box, and the share of light that an empty cell may stop.
FIRST_CELLS, FIRST_EMPTY = 24, 0.01
# How many cells of the fine grid are evaluated, unless the caller says how fine it is: they cost less than two exact
# views of 64x64. A thin object, which needs it most, gets a finer grid than a bulky one, up to so many along its side.
EVALUATIONS, MOST_CELLS = 110_000, 96
# A cell of the fine grid that stops less is left empty.
EMPTY = 0.003
DIRECTIONS = 16
# Weight of directions from which a cell is hidden by what is behind its surface, and that of the prior of no slope.
HIDDEN_WEIGHT, FLATNESS = 0.05, 1e-3


@torch.no_grad()
@record_function("baking")
def bake(net: PhotoNet, features: SceneFeatures, views: Sequence[View], cells: int | None = None) -> BakedVolume:
    """The volume of one encoded scene (batch of 1).

    Args:
        net: one whose density is independent of direction (see `check_cells`).
        features: the encoded photos.
        views: to be rendered; all with the same far - near, the unit of densities.
        cells: along the longest side of the object's own box; None for as many as `EVALUATIONS` and `MOST_CELLS` allow.
    """
    unit = (views[0].far - views[0].near) / 2 if net.config.renderer.density_unit == "half_depth" else 1.0
    coarse, seen = _whole_scene(features, views)
    density = coarse.densities(net, features, seen)
    full = dilate(density * coarse.cell > FIRST_EMPTY * unit) & seen
    if not full.any():
        nothing = torch.zeros(1, 1, 1, device=coarse.cell.device)
        return BakedVolume(coarse.corner, coarse.axes, coarse.cell, nothing, nothing.new_zeros(1, 1, 1, 4, 3))
    low, high = (ends(full.nonzero(), dim=0) for ends in (torch.amin, torch.amax))
    corner = coarse.centers(low[None] - 0.5)[0]
    sides = high + 1 - low
    if cells is None:
        cells = min(MOST_CELLS, int(sides.max() * (EVALUATIONS / full.sum()) ** (1 / 3)))
    fine = box_grid(corner, coarse.axes, sides * coarse.cell, cells)
    grids = (torch.arange(size, device=corner.device) for size in fine.sizes)
    i, j, k = (
        start + ((grid + 0.5) * (fine.cell / coarse.cell)).long() for start, grid in zip(low, grids, strict=True)
    )
    last = [size - 1 for size in coarse.sizes]
    chosen = full[i.clamp_max(last[0])[:, None, None], j.clamp_max(last[1])[:, None], k.clamp_max(last[2])]
    toward = _sphere(DIRECTIONS, corner.device)
    density, seen_colors = _radiance(net, features, fine, chosen, rotate(fine.axes, toward))
    density = torch.where(density * fine.cell > EMPTY * unit, density / unit, 0)
    kept = density > 0
    colors = torch.zeros(*fine.sizes, 4, 3, device=corner.device)
    colors[kept] = _fitted(_inward(density)[kept], seen_colors[kept[chosen]], toward)
    return BakedVolume(fine.corner, fine.axes, fine.cell, density, colors)


def _whole_scene(features: SceneFeatures, views: Sequence[View]) -> tuple[CellGrid, Bool[Tensor, "x y z"]]:
    """A coarse grid of all that can be seen, and which of its cells can."""
    device = features.near.device
    if features.half_sides is not None and math.isfinite(half := float(features.half_sides[0])):
        sides = torch.full((3,), 2 * half, device=device)
        grid = box_grid(-sides / 2, torch.eye(3, device=device), sides, FIRST_CELLS)
        return grid, torch.ones(grid.sizes, dtype=torch.bool, device=device)
    parts = zip(*((view.camera.poses, view.camera.intrinsics, view.camera.sizes) for view in views), strict=True)
    cameras = Cameras(*(torch.stack(part) for part in parts))
    near, far = min(view.near for view in views), max(view.far for view in views)
    grid = frusta_grid(cameras, near, far, 2 * FIRST_CELLS)
    return grid, seen_cells(grid, cameras, near, far)


def _radiance(
    net: PhotoNet,
    features: SceneFeatures,
    grid: CellGrid,
    chosen: Bool[Tensor, "width height depth"],
    toward: Float[Tensor, "direction 3"],
) -> tuple[Float[Tensor, "width height depth"], Float[Tensor, "cell direction 3"]]:
    """Densities of the chosen cells in inverse units of the field's length, and their colours along directions."""
    density = torch.zeros(grid.sizes, device=toward.device)
    densities, colors = [], []
    for gaussians in grid.gaussians(chosen):
        raw = net.query(features, len(net.fields) - 1, gaussians, toward[None])
        values, color = activate(raw.density, raw.color, net.config.field, None)
        color = color if raw.photos is None else raw.photos.mixed_with(color)
        densities.append(values[0, 0])
        colors.append(color[0].movedim(0, 1))
    density[chosen] = torch.cat(densities)
    return density, torch.cat(colors)


def _fitted(
    inward: Float[Tensor, "cell 3"], colors: Float[Tensor, "cell direction 3"], toward: Float[Tensor, "direction 3"]
) -> Float[Tensor, "cell 4 3"]:
    """Coefficients (1, x, y, z) of colours seen along directions, by weighted least squares."""
    basis = torch.cat([torch.ones_like(toward[:, :1]), toward], dim=-1)
    # Autocast would round the products, whose differences matter.
    with torch.autocast(toward.device.type, enabled=False):
        weights = (inward @ toward.mT).clamp_min(0) + HIDDEN_WEIGHT
        products = (basis[:, :, None] * basis[:, None, :]).flatten(1)
        normal = (weights @ products).view(-1, 4, 4) + FLATNESS * torch.diag(basis.new_tensor([0, 1, 1, 1]))
        return torch.linalg.solve(normal, (weights[..., None] * basis).mT @ colors.float())


def _inward(density: Float[Tensor, "width height depth"]) -> Float[Tensor, "width height depth 3"]:
    """Unit gradients of the density; it is zero outside the grid."""
    padded = F.pad(density, (1,) * 6)
    differences = torch.stack([padded.roll(-1, axis) - padded.roll(1, axis) for axis in range(3)], dim=-1)
    return F.normalize(differences[1:-1, 1:-1, 1:-1], dim=-1)


def _sphere(count: int, device: torch.device) -> Float[Tensor, "direction 3"]:
    """Unit vectors spread evenly over the sphere (a spiral by the golden angle)."""
    index = torch.arange(count, device=device) + 0.5
    height = 1 - 2 * index / count
    turn = math.pi * (1 + math.sqrt(5)) * index
    return torch.stack([turn.cos() * (1 - height**2).sqrt(), turn.sin() * (1 - height**2).sqrt(), height], dim=-1)
