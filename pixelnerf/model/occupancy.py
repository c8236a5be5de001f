"""The density of an encoded scene on a coarse grid, so that rendering can skip empty space.

Density that is independent of direction depends on the encoded photos alone. It is evaluated once, with Gaussians of
the cells' size: a cell holds its average density, and thin structures are not stepped over. A cell is *occupied* if it
stops more than the threshold of the light that crosses it straight, or if one of its 26 neighbours does. Two levels
save most of the work: the fine one is evaluated only within occupied cells of the coarse one (cells twice as wide).

The grid's box encloses the frusta [near, far] of all cameras it is built for, so it contains all of their rays. Cells
that none of them sees, and everything outside, are not evaluated and count as occupied. The box takes the first
camera's axes, which makes the grid independent of the world's rotation.
"""

import itertools
import math
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


def check_can_skip(net: Net) -> None:
    """Checks that a net's density is independent of direction and can be evaluated for whole cells.

    Raises:
        UserError: it is not, or cannot.
    """
    field, renderer, position = net.config.field, net.config.renderer, net.config.position
    shared = isinstance(field, ResidualFieldConfig) and field.direction == "after_density"
    if not (shared and renderer.frustum == "cone" and position.integrated):
        raise UserError(
            f"quality=high and quality=fast need field.direction=after_density, renderer.frustum=cone and "
            f"position.integrated=true, but '{net.config.name}' differs; set quality=exact"
        )


@torch.no_grad()
def build_occupancy(
    net: Net, features: SceneFeatures, cameras: Cameras, near: float, far: float, cells: int, threshold: float
) -> OccupancyGrid:
    """The grid of one encoded scene (batch of 1), for views of the given cameras.

    Args:
        net: one whose density is independent of direction (see `check_can_skip`).
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
    corner, axes, lengths = _box(cameras, near, far)
    cell = lengths.max() / cells
    unit = half if net.config.renderer.density_unit == "half_depth" else 1.0
    largest_empty = threshold * unit / cell
    sizes = (lengths / (2 * cell)).ceil().long().clamp_min(1).tolist()
    everywhere = torch.ones(sizes, dtype=torch.bool, device=corner.device)
    radius = math.sqrt(3) * cell.item()
    seen = _seen(cameras, near, far, _centers(everywhere.nonzero(), corner, axes, 2 * cell), radius).view(sizes)
    density = _evaluate(net, features, seen, corner, axes, 2 * cell)
    # One full cell of the eight in a coarse cell gives it an eighth of its density.
    candidates = _dilate(density > largest_empty / 8)
    density = _evaluate(net, features, _split(candidates), corner, axes, cell)
    return OccupancyGrid(corner, axes, cell, density, _dilate(density > largest_empty) | ~_split(seen))


def _box(
    cameras: Cameras, near: float, far: float
) -> tuple[Float[Tensor, "3"], Float[Tensor, "3 3"], Float[Tensor, "3"]]:
    """Corner, axes and side lengths of the box around the cameras' frusta."""
    axes = cameras.poses[0, :3, :3]
    shares = list(itertools.product((0.0, 1.0), repeat=2))
    pixels = cameras.sizes[:, None].to(axes.dtype) * torch.tensor(shares, dtype=axes.dtype, device=axes.device)
    bounds = axes.new_tensor([near, far]).expand(len(cameras.sizes), 2)
    rays = rays_through_pixels(cameras, pixels, bounds[:, 0], bounds[:, 1])
    ends = [rays.origins + t[..., None] * rays.directions for t in (rays.near, rays.far)]
    local = rotate(axes.mT, torch.cat(ends, dim=-2).reshape(-1, 3))
    low, high = local.amin(0), local.amax(0)
    return rotate(axes, low[None])[0], axes, high - low


def _seen(
    cameras: Cameras, near: float, far: float, centers: Float[Tensor, "cell 3"], radius: float
) -> Bool[Tensor, "cell"]:
    """Whether balls around the centres reach into any camera's frustum [near, far]; conservative."""
    seen = torch.zeros(len(centers), dtype=torch.bool, device=centers.device)
    for camera in range(len(cameras.sizes)):
        points = world_to_camera(cameras.poses[camera], centers)
        across, down, ahead = cameras.intrinsics[camera].unbind(0)
        width, height = cameras.sizes[camera].to(points.dtype).unbind(0)
        # Homogeneous pixel coordinates are linear in the point, so each border of the image is a plane.
        sides = F.normalize(torch.stack([across, width * ahead - across, down, height * ahead - down]), dim=-1)
        inside = (torch.einsum("ci,si->cs", points, sides) >= -radius).all(-1)
        seen |= inside & (points[:, 2] >= near - radius) & (points[:, 2] <= far + radius)
    return seen


def _evaluate(
    net: Net,
    features: SceneFeatures,
    chosen: Bool[Tensor, "width height depth"],
    corner: Float[Tensor, "3"],
    axes: Float[Tensor, "3 3"],
    cell: Float[Tensor, ""],
) -> Float[Tensor, "width height depth"]:
    """Densities of the chosen cells, with a cube's variance; zero elsewhere."""
    density = torch.zeros(chosen.shape, device=corner.device)
    indices = chosen.nonzero()
    values = []
    for part in indices.split(CELLS_PER_CHUNK):
        means = _centers(part, corner, axes, cell)
        nothing = torch.zeros(1, len(part), 1, device=corner.device)
        along = axes[:, 2].expand(1, len(part), 3)
        cubes = Gaussians(means[None, :, None], along, nothing, nothing + cell.square() / 12)
        values.append(net.radiance(features, 1, cubes)[0][0, :, 0])
    if values:
        density[tuple(indices.T)] = torch.cat(values)
    return density


def _centers(
    indices: Int[Tensor, "cell 3"], corner: Float[Tensor, "3"], axes: Float[Tensor, "3 3"], cell: Float[Tensor, ""]
) -> Float[Tensor, "cell 3"]:
    return corner + rotate(axes, (indices + 0.5) * cell)


def _split(cells: Bool[Tensor, "width height depth"]) -> Bool[Tensor, "fine_width fine_height fine_depth"]:
    """Each cell as eight of half the width."""
    for axis in range(3):
        cells = cells.repeat_interleave(2, dim=axis)
    return cells


def _dilate(cells: Bool[Tensor, "width height depth"]) -> Bool[Tensor, "width height depth"]:
    """The cells and their 26 neighbours."""
    return F.max_pool3d(cells[None, None].float(), 3, stride=1, padding=1)[0, 0] > 0
