"""Rendering rays of an object whose occupancy is known: one pass of few frusta, placed by the grid's density.

A ray marches through the grid in steps no longer than a cell, which costs next to nothing. If no step is occupied the
ray shows the background and no network is asked. Else the grid's densities along the ray, composited, say where its
light is stopped, and take the part of the coarse pass: frusta are placed by the same blurred histogram (mip-NeRF,
equation 18), but only in occupied steps. Each of these keeps a share, so nothing is left out because the grid believes
it to be hidden.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.profiler import record_function

from pixelnerf.geometry.sampling import resample_fences, stratified_fences
from pixelnerf.geometry.volume import compositing_weights
from pixelnerf.model.net import Net
from pixelnerf.model.occupancy import OccupancyGrid, build_occupancy
from pixelnerf.types import Cameras, Rays, RenderOutput, SceneFeatures, TensorRecord

Quality = Literal["exact", "high", "fast"]
"""`exact` evaluates every sample in two passes, as in training; the others skip empty space."""

# What every occupied step gets of the histogram that places the frusta, besides its weight (mip-NeRF's padding).
PADDING = 0.01
# A ray that the grid calls thinner than this shows its background, but for a tint that a quarter of the frusta find;
# one that is less than faint shows mostly its background, and half of the frusta do.
THIN_OPACITY, FAINT_OPACITY = 0.05, 0.4


@dataclass(frozen=True)
class SparseSettings:
    """`cells` along the box's longest side, the share of light that an `empty` cell may stop, and frusta a ray."""

    cells: int
    empty: float
    samples: int


SETTINGS: dict[Quality, SparseSettings] = {
    "high": SparseSettings(cells=48, empty=0.003, samples=16),
    "fast": SparseSettings(cells=32, empty=0.01, samples=8),
}


@dataclass(frozen=True)
class March(TensorRecord):
    """Equal steps along rays: their fences, what each weighs by the grid's density, and which are occupied."""

    fences: Float[Tensor, "batch ray fence"]
    weights: Float[Tensor, "batch ray step"]
    occupied: Bool[Tensor, "batch ray step"]


def shared_grid(
    net: Net, features: SceneFeatures, cameras: Cameras, near: float, far: float, quality: Quality
) -> OccupancyGrid | None:
    """What all views of an encoded scene share, for the quality they are rendered in; None where that is nothing.

    Raises:
        UserError: the net's density depends on the direction, so only `exact` can render it.
    """
    if quality == "exact":
        return None
    settings = SETTINGS[quality]
    return build_occupancy(net, features, cameras, near, far, settings.cells, settings.empty)


@record_function("sampling")
def march(net: Net, grid: OccupancyGrid, rays: Rays) -> March:
    """Steps from near to far.

    None is longer than a cell, so its middle is within half a cell of all its points, and the grid's dilation by a cell
    makes the occupancy at the middle that of the whole step.
    """
    longest = ((rays.far - rays.near) * rays.directions.norm(dim=-1)).max()
    fences = stratified_fences(rays.near, rays.far, math.ceil(longest / grid.cell), None, "linear")
    middles = (fences[..., 1:] + fences[..., :-1]) / 2
    points = rays.origins[..., None, :] + middles[..., None] * rays.directions[..., None, :]
    density, occupied = grid.look_up(points)
    weights = compositing_weights(density * occupied, net.renderer.interval_lengths(rays, fences))
    return March(fences, weights, occupied)


@record_function("sampling")
def place_occupied_fences(marched: March, samples: int) -> Float[Tensor, "batch ray fence"]:
    """Fences of `samples` frusta between the first and the last occupied step of rays that have such."""
    fences = resample_fences(marched.fences, marched.weights, samples, PADDING * marched.occupied, None)
    # The histogram is zero outside, but for rounding, and that must not draw a frustum out to far.
    steps = marched.occupied.shape[-1]
    first = marched.occupied.to(torch.uint8).argmax(-1, keepdim=True)
    last = steps - marched.occupied.to(torch.uint8).flip(-1).argmax(-1, keepdim=True)
    return fences.clamp(marched.fences.gather(-1, first), marched.fences.gather(-1, last))


def render_occupied(
    net: Net,
    features: SceneFeatures,
    grid: OccupancyGrid,
    rays: Rays,
    background: Float[Tensor, "batch 3"],
    quality: Quality,
    samples_per_chunk: int,
) -> Iterator[tuple[Int[Tensor, " chosen"], RenderOutput]]:
    """The rays (batch of 1) that meet an occupied cell, in groups: which rays, and their render."""
    rays = net.renderer.in_own_units(rays)
    marched = march(net, grid, rays)
    hit = marched.occupied[0].any(-1)
    opacity = marched.weights[0].sum(-1)
    thin, faint = opacity < THIN_OPACITY, opacity < FAINT_OPACITY
    radiance = partial(net.radiance, features)
    most = SETTINGS[quality].samples
    for samples, group in ((most, hit & ~faint), (most // 2, hit & faint & ~thin), (most // 4, hit & thin)):
        for chosen in group.nonzero()[:, 0].split(max(samples_per_chunk // samples, 1)):
            if len(chosen) > 0:
                fences = place_occupied_fences(
                    marched.map_tensors(lambda values, rows=chosen: values[:, rows]), samples
                )
                mine = rays.map_tensors(lambda values, rows=chosen: values[:, rows])
                yield chosen, net.renderer.render_level(radiance, 1, mine, fences, background)
