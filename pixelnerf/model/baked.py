"""An encoded object as a volume: density and colour of cubic cells, rendered without a network.

Density that is independent of the direction makes a scene a volume, which `pixelnerf.model.baking` evaluates once. A
frame then costs a march through it. Everything that can be done per cell is: colours, which depend on the direction,
are evaluated once a frame and cell, along the line from the camera to the cell, and weighted by matter, so that
interpolation between a full and an empty cell does not darken edges.

What is interpolated between cells is the square root of the density. A cell's density is its mean, so it has spread
matter over the cell already; a straight line to the empty neighbour would spread it as far again, and since a little of
what is opaque stops most light, outlines would swell. Of the powers 1, 1/2, 2/5 and 1/3 the root gives the pictures
that are, in the mean, nearest to those of the network (docs/results/speed.md).

A pixel wider than a cell is the mean of several rays, at most about a cell apart: no aliasing at any size, at a cost
that depends on the cells alone. Halved volumes (a mip chain), looked up at the cone's footprint, are cheaper still but
blur the object along the ray, which makes thin matter thinner: at a quarter of the photos' size they lost 2 to 4 dB.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property, partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from torch import Tensor
from torch.profiler import record_function

from pixelnerf.geometry.cameras import project, rotate, world_to_camera
from pixelnerf.geometry.volume import composite, compositing_weights
from pixelnerf.model.baked_march import STEP, find_gaps, march_on_cpu
from pixelnerf.types import Cameras, ImageOutput, TensorRecord, View

RAYS_PER_CHUNK = 1 << 16
# A direction parallel to a pair of the box's faces.
PARALLEL = 1e-9


@dataclass(frozen=True)
class BakedVolume(TensorRecord):
    """Density and colour of cubic cells; empty outside.

    Local coordinates are `axes^T (x - corner) / cell`: cell (i, j, k) spans [i, i + 1] x [j, j + 1] x [k, k + 1] and
    its values stand at its centre. Between centres the density's square root is linear in each coordinate, and colours
    are means weighted by that root. Light that passes a length l at density s is exp(-s l), in units of the world. A
    colour is c0 + c1 d_x + c2 d_y + c3 d_z, with d the ray's unit direction in the grid's axes, clipped to [0, 1].
    """

    corner: Float[Tensor, "3"]
    axes: Float[Tensor, "3 3"]
    cell: Float[Tensor, ""]
    density: Float[Tensor, "width height depth"]
    colors: Float[Tensor, "width height depth 4 3"]

    def centers(self, chosen: Bool[Tensor, "width height depth"]) -> Float[Tensor, "cell 3"]:
        """The chosen cells' centres in the world."""
        return self.corner + rotate(self.axes, (chosen.nonzero() + 0.5) * self.cell)

    def colors_from(
        self, position: Float[Tensor, "3"], chosen: Bool[Tensor, "width height depth"]
    ) -> Float[Tensor, "cell 3"]:
        """The chosen cells' colours in [0, 1], seen from a position in the world."""
        return _seen_from(self.local(position), chosen.nonzero() + 0.5, self.colors[chosen])

    def local(self, position: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
        """A position of the world in local coordinates."""
        return rotate(self.axes.mT, (position - self.corner)[None])[0] / self.cell

    @cached_property
    def full(self) -> "FullCells":
        """What frames share."""
        chosen = self.density > 0
        gaps = find_gaps(self.density) if self.density.device.type == "cpu" else None
        return FullCells(
            rows=F.pad(chosen, (1,) * 6).flatten().nonzero()[:, 0],
            centers=chosen.nonzero() + 0.5,
            roots=self.density[chosen][:, None].sqrt(),
            parts=self.colors[chosen],
            gaps=gaps,
        )


@dataclass(frozen=True)
class FullCells:
    """The cells of a volume that are not empty, and for the CPU, how far it is to them.

    `rows` are theirs among all cells and a layer of empty ones around, flattened; `roots` are of their densities.
    """

    rows: Int[Tensor, "cell"]
    centers: Float[Tensor, "cell 3"]
    roots: Float[Tensor, "cell 1"]
    parts: Float[Tensor, "cell 4 3"]
    gaps: UInt8[ndarray, "_ _ _"] | None


def _seen_from(
    position: Float[Tensor, "3"], centers: Float[Tensor, "cell 3"], parts: Float[Tensor, "cell 4 3"]
) -> Float[Tensor, "cell 3"]:
    """Colours in [0, 1]; all in local coordinates."""
    x, y, z = (centers - position).split(1, dim=-1)
    scale = (x * x + y * y + z * z).clamp_min(torch.finfo(x.dtype).tiny).rsqrt()
    slopes = (x * parts[:, 1]).addcmul_(y, parts[:, 2]).addcmul_(z, parts[:, 3])
    return torch.addcmul(parts[:, 0], scale, slopes).clamp_(0, 1)


@torch.no_grad()
@record_function("baked view")
def render_baked(volume: BakedVolume, view: View, normalize_directions: bool = False) -> ImageOutput:
    """Renders a view of a volume. With `normalize_directions` t is metric distance, else depth."""
    width, height = view.camera.sizes.tolist()
    values = torch.zeros(height, width, 6, device=volume.cell.device)
    values[..., :3], values[..., 4:] = view.background, view.far
    left, top, right, bottom = _rectangle(volume, view.camera)
    if right > left and bottom > top:
        rays = _samples_per_pixel(volume, view.camera)
        # There is no network here, and autocast would round the products that place the rays.
        with torch.autocast(volume.cell.device.type, enabled=False):
            found = _render_rectangle(volume, view, (left, top, right, bottom), rays, normalize_directions)
        means = F.avg_pool2d(found.movedim(-1, 0), rays).movedim(0, -1) if rays > 1 else found
        values[top:bottom, left:right, :4] = means[..., :4]
        # Distances are not averaged over edges: a single ray's is some surface's.
        values[top:bottom, left:right, 4] = found[rays // 2 :: rays, rays // 2 :: rays, 4]
        values[top:bottom, left:right, 5] = _median_of_rays(found[..., 3], found[..., 5], rays).nan_to_num(view.far)
    return ImageOutput(values[..., :3], *values[..., 3:].unbind(-1))


def _median_of_rays(
    opacity: Float[Tensor, "rows columns"], distance: Float[Tensor, "rows columns"], samples: int
) -> Float[Tensor, "height width"]:
    """For each pixel, the median distance of those of its rays that something stops; NaN if nothing does."""
    stopped = torch.where(opacity >= 0.5, distance, torch.nan)
    if samples == 1:
        return stopped
    rows, columns = stopped.shape
    blocks = stopped.view(rows // samples, samples, columns // samples, samples)
    return blocks.transpose(1, 2).flatten(2).nanmedian(-1).values


def _render_rectangle(
    volume: BakedVolume, view: View, rectangle: tuple[int, int, int, int], samples: int, normalize_directions: bool
) -> Float[Tensor, "rows columns 6"]:
    """Colour, opacity, mean and median distance of samples x samples rays a pixel of a part of the image."""
    left, top, right, bottom = rectangle
    camera = view.camera
    origin = volume.local(camera.poses[:3, 3])
    # The direction of unit depth through point (x, y) of the rectangle, counted in rays, is linear in x and y.
    matrix = volume.axes.mT @ camera.poses[:3, :3] @ torch.linalg.inv(camera.intrinsics)
    matrix = matrix @ matrix.new_tensor([[1 / samples, 0, left], [0, 1 / samples, top], [0, 0, 1]])
    full = volume.full
    values = torch.zeros(*(size + 2 for size in volume.density.shape), 4, device=origin.device)
    colors = _seen_from(origin, full.centers, full.parts)
    values.view(-1, 4)[full.rows] = torch.cat([colors * full.roots, full.roots], dim=-1)
    return (march if full.gaps is None else partial(march_on_cpu, full.gaps))(
        values,
        origin,
        matrix,
        float(volume.cell),
        (view.near, view.far, normalize_directions),
        view.background,
        (samples * (right - left), samples * (bottom - top)),
    )


def march(
    values: Float[Tensor, "_ _ _ 4"],
    origin: Float[Tensor, "3"],
    matrix: Float[Tensor, "3 3"],
    cell: float,
    ranges: tuple[float, float, bool],
    background: Float[Tensor, "3"],
    size: tuple[int, int],
) -> Float[Tensor, "rows columns 6"]:
    """Colour over the background, opacity, mean and median distance of all rays of an image.

    Rays are sampled at lengths of (n + 1/2) `STEP` cells from the camera, for whole n, where they are within half a
    cell of the box; each sample stands for so many cells of length.

    Args:
        values: colours times the densities' square roots, and these roots, of all cells and of a layer of empty ones
            around them.
        origin: the camera's centre in local coordinates.
        matrix: of columns a, b, c: the ray through (x, y) has the local direction a x + b y + c, in units of the world
            for unit depth.
        cell: side of a cell.
        ranges: near and far in units of t, and whether t is metric distance, or else depth.
        background: colour in [0, 1].
        size: columns and rows; the image's first ray passes through (1/2, 1/2).
    """
    columns, rows = size
    near, far, metric = ranges
    cells = values[1:-1, 1:-1, 1:-1]
    sizes = values.new_tensor(cells.shape[:3])
    # Axes as grid_sample counts them; it pads with zeros itself.
    table = cells.permute(3, 2, 1, 0)[None]
    parts = []
    for ray in torch.arange(rows * columns, device=values.device).split(RAYS_PER_CHUNK):
        x, y = (ray % columns + 0.5)[:, None], (ray // columns + 0.5)[:, None]
        directions = matrix[:, 0] * x + matrix[:, 1] * y + matrix[:, 2]
        lengths = directions.norm(dim=-1, keepdim=True)
        per_t = torch.full_like(lengths, 1 / cell) if metric else lengths / cell
        units = directions / lengths
        units = torch.where(units.abs() < PARALLEL, PARALLEL, units)
        walls = torch.stack([(-0.5 - origin) / units, (sizes + 0.5 - origin) / units])
        start = walls.amin(0).amax(-1, keepdim=True).maximum(near * per_t).clamp_min(0)
        end = walls.amax(0).amin(-1, keepdim=True).minimum(far * per_t)
        first = (start / STEP).floor()
        steps = max(int((end / STEP - first).max().ceil()), 1)
        at = STEP * (first + torch.arange(steps, device=values.device) + 0.5)
        points = (origin + at[..., None] * units[:, None]) * (2 / sizes) - 1
        found = F.grid_sample(table, points[None, None], align_corners=False)[0, :, 0]
        density = found[3].square() * ((at >= start) & (at < end))
        weights = compositing_weights(density, torch.full_like(density, STEP * cell))
        colors = (found[:3] / found[3].clamp_min(1e-12)).movedim(0, -1)
        edges = torch.cat([at - STEP / 2, at[:, -1:] + STEP / 2], dim=-1) / per_t
        output = composite(colors, weights, edges, background[None])
        # An empty ray's distances are far, which may lie beyond its last sample.
        rest = [torch.where(output.opacity > 1e-6, output.distance, far)]
        rest.append(torch.where(output.opacity >= 0.5, output.median_distance, far))
        parts.append(torch.cat([output.color, torch.stack([output.opacity, *rest], dim=-1)], dim=-1))
    return torch.cat(parts).view(rows, columns, 6)


def _rectangle(volume: BakedVolume, camera: Cameras) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the pixels that can see the volume's box; the whole image from inside it."""
    width, height = camera.sizes.tolist()
    corners = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3)), device=volume.cell.device)
    sides = volume.cell * corners.new_tensor(volume.density.shape)
    points = world_to_camera(camera.poses, volume.corner + rotate(volume.axes, corners * sides))
    if bool((points[:, 2] < 0.1 * sides.max()).any()):
        return (0, 0, 0, 0) if bool((points[:, 2] < 0).all()) else (0, 0, width, height)
    pixels = project(camera.intrinsics, points)
    (left, top), (right, bottom) = pixels.amin(0).floor().tolist(), pixels.amax(0).ceil().tolist()
    return max(int(left), 0), max(int(top), 0), min(int(right), width), min(int(bottom), height)


def _samples_per_pixel(volume: BakedVolume, camera: Cameras) -> int:
    """Rays across a pixel, so that they are about a cell apart at the box's middle."""
    sides = volume.cell * volume.cell.new_tensor(volume.density.shape)
    middle = volume.corner + rotate(volume.axes, sides[None] / 2)[0]
    distance = (middle - camera.poses[:3, 3]).norm()
    pixel = distance * (camera.intrinsics.diagonal()[:2] ** -2).mean().sqrt()
    return max(1, round(float(pixel / volume.cell)))
