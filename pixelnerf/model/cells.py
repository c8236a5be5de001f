"""Grids of cubic cells over an encoded scene, and the field's density in their cells.

A cell is evaluated with a Gaussian of its own size, so it holds its average density, and thin structures are not
stepped over.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import rotate, world_to_camera
from pixelnerf.geometry.rays import rays_through_pixels
from pixelnerf.model.field import ResidualFieldConfig
from pixelnerf.model.net import Net
from pixelnerf.types import Cameras, Gaussians, SceneFeatures, TensorRecord

# Large enough for whole matrix products, small enough to stay in a CPU's cache.
CELLS_PER_CHUNK = 4096


@dataclass(frozen=True)
class CellGrid(TensorRecord):
    """Cubic cells in a box: local coordinates are `axes^T (x - corner) / cell`, in which a cell's side is 1."""

    corner: Float[Tensor, "3"]
    axes: Float[Tensor, "3 3"]
    cell: Float[Tensor, ""]
    sizes: tuple[int, int, int]

    def centers(self, indices: Int[Tensor, "cell 3"] | Float[Tensor, "cell 3"]) -> Float[Tensor, "cell 3"]:
        """The cells' centres in the world."""
        return self.corner + rotate(self.axes, (indices + 0.5) * self.cell)

    def gaussians(self, chosen: Bool[Tensor, "width height depth"]) -> Iterator[Gaussians]:
        """The chosen cells' Gaussians in parts ("batch=1 ray=1 sample"), with a cube's variance."""
        for part in chosen.nonzero().split(CELLS_PER_CHUNK):
            nothing = torch.zeros(1, 1, len(part), device=self.cell.device)
            along = self.axes[:, 2].expand(1, 1, 3)
            yield Gaussians(self.centers(part)[None, None], along, nothing, nothing + self.cell.square() / 12)

    def densities(
        self, net: Net, features: SceneFeatures, chosen: Bool[Tensor, "width height depth"]
    ) -> Float[Tensor, "width height depth"]:
        """The chosen cells' densities in inverse units of the field's length; zero elsewhere."""
        density = torch.zeros(chosen.shape, device=self.cell.device)
        values = [net.radiance(features, 1, part)[0][0, 0] for part in self.gaussians(chosen)]
        if values:
            density[chosen] = torch.cat(values)
        return density


def check_cells(net: Net, quality: str) -> None:
    """Checks that a net's density is independent of direction and can be evaluated for whole cells.

    Raises:
        UserError: it is not, or cannot.
    """
    field, renderer, position = net.config.field, net.config.renderer, net.config.position
    shared = isinstance(field, ResidualFieldConfig) and field.direction == "after_density"
    if not (shared and renderer.frustum == "cone" and position.integrated):
        raise UserError(
            f"quality={quality} needs field.direction=after_density, renderer.frustum=cone and "
            f"position.integrated=true, but '{net.config.name}' differs; set quality=exact"
        )


def frusta_grid(cameras: Cameras, near: float, far: float, cells: int) -> CellGrid:
    """The cells of the box around the cameras' frusta [near, far], `cells` along its longest side.

    It takes the first camera's axes, which makes it independent of the world's rotation.
    """
    axes = cameras.poses[0, :3, :3]
    shares = list(itertools.product((0.0, 1.0), repeat=2))
    pixels = cameras.sizes[:, None].to(axes.dtype) * torch.tensor(shares, dtype=axes.dtype, device=axes.device)
    bounds = axes.new_tensor([near, far]).expand(len(cameras.sizes), 2)
    rays = rays_through_pixels(cameras, pixels, bounds[:, 0], bounds[:, 1])
    ends = [rays.origins + t[..., None] * rays.directions for t in (rays.near, rays.far)]
    local = rotate(axes.mT, torch.cat(ends, dim=-2).reshape(-1, 3))
    low, high = local.amin(0), local.amax(0)
    return box_grid(rotate(axes, low[None])[0], axes, high - low, cells)


def box_grid(
    corner: Float[Tensor, "3"], axes: Float[Tensor, "3 3"], lengths: Float[Tensor, "3"], cells: int
) -> CellGrid:
    """The cells of a box with sides of these lengths, `cells` along the longest."""
    cell = lengths.max() / cells
    # Rounding must not add a layer of cells beyond the longest side.
    width, height, depth = (lengths / cell - 1e-4).ceil().long().clamp_min(1).tolist()
    return CellGrid(corner, axes, cell, (width, height, depth))


def seen_cells(grid: CellGrid, cameras: Cameras, near: float, far: float) -> Bool[Tensor, "width height depth"]:
    """Whether the cells' balls reach into any camera's frustum [near, far]; conservative."""
    centers = grid.centers(torch.ones(grid.sizes, dtype=torch.bool, device=grid.cell.device).nonzero())
    radius = math.sqrt(3) / 2 * grid.cell.item()
    seen = torch.zeros(len(centers), dtype=torch.bool, device=centers.device)
    for camera in range(len(cameras.sizes)):
        points = world_to_camera(cameras.poses[camera], centers)
        across, down, ahead = cameras.intrinsics[camera].unbind(0)
        width, height = cameras.sizes[camera].to(points.dtype).unbind(0)
        # Homogeneous pixel coordinates are linear in the point, so each border of the image is a plane.
        sides = F.normalize(torch.stack([across, width * ahead - across, down, height * ahead - down]), dim=-1)
        inside = (torch.einsum("ci,si->cs", points, sides) >= -radius).all(-1)
        seen |= inside & (points[:, 2] >= near - radius) & (points[:, 2] <= far + radius)
    return seen.view(grid.sizes)


def dilate(cells: Bool[Tensor, "width height depth"]) -> Bool[Tensor, "width height depth"]:
    """The cells and their 26 neighbours."""
    return F.max_pool3d(cells[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0
