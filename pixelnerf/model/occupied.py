"""Rendering with a known occupancy: one pass of few frusta, placed by the grid's density.

A ray marches through the grid in steps no longer than a cell, which costs next to nothing. If no step is occupied, the
ray shows the background without evaluating a network. Otherwise the grid's densities, composited along the ray, replace
the coarse pass: frusta are placed by the same blurred histogram (mip-NeRF, equation 18), but only in occupied steps.
Each of these keeps a share, so nothing is missed because the grid takes it to be hidden.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.profiler import record_function

from pixelnerf.errors import UserError
from pixelnerf.geometry.rays import within_cube
from pixelnerf.geometry.sampling import resample_edges, stratified_edges
from pixelnerf.geometry.volume import compositing_weights
from pixelnerf.model.baked import BakedVolume
from pixelnerf.model.baking import bake
from pixelnerf.model.cells import check_cells
from pixelnerf.model.net import Net, PhotoNet
from pixelnerf.model.occupancy import OccupancyGrid, build_occupancy
from pixelnerf.types import Cameras, Rays, RenderOutput, SceneFeatures, TensorRecord, View

Quality = Literal["exact", "high", "baked"]
"""`exact` evaluates every sample in two passes, as in training; `high` skips empty space; `baked` renders a volume,
which all views of a scene share, without the network."""

# `high`: cells along the box's longest side, the share of light an empty one may stop, and frusta per ray.
CELLS, EMPTY, SAMPLES = 48, 0.003, 16

# Added to every occupied step's weight in the histogram that places the frusta (mip-NeRF's padding).
PADDING = 0.01
# A ray that the grid finds thin shows its background except for a tint, for which a quarter of the frusta are enough;
# a faint one shows mostly background, and half of the frusta are enough.
THIN_OPACITY, FAINT_OPACITY = 0.05, 0.4


@dataclass(frozen=True)
class March(TensorRecord):
    """Equal steps along rays: their edges, their weights by the grid's density, and which are occupied."""

    edges: Float[Tensor, "batch ray edge"]
    weights: Float[Tensor, "batch ray step"]
    occupied: Bool[Tensor, "batch ray step"]


def shared_grid(
    net: Net, features: SceneFeatures, views: Sequence[View], quality: Quality
) -> OccupancyGrid | BakedVolume | None:
    """The grid or volume that all views of an encoded scene share; None for `exact` quality.

    Raises:
        UserError: the net or the scene needs `exact` quality.
    """
    if quality == "exact":
        return None
    check_quality(net, quality, in_ndc=any(view.ndc is not None for view in views))
    if quality == "baked":
        return bake(cast(PhotoNet, net), features, views)
    cameras = Cameras(*(torch.stack(parts) for parts in zip(*(_camera_parts(view) for view in views), strict=True)))
    near, far = min(view.near for view in views), max(view.far for view in views)
    return build_occupancy(net, features, cameras, near, far, CELLS, EMPTY)


def check_quality(net: Net, quality: Quality, in_ndc: bool = False) -> None:
    """Raises a UserError if a net, or a scene in normalised device coordinates, needs `exact` quality."""
    if quality != "exact":
        check_cells(net, quality)
        if in_ndc:
            raise UserError(f"quality={quality} does not support normalised device coordinates; set quality=exact")


def _camera_parts(view: View) -> tuple[Tensor, Tensor, Tensor]:
    return view.camera.poses, view.camera.intrinsics, view.camera.sizes


@record_function("sampling")
def march(net: Net, grid: OccupancyGrid, rays: Rays, half_sides: Float[Tensor, "batch"] | None = None) -> March:
    """Steps from near to far; none is occupied outside the cube that holds the scene, where there is one.

    No step is longer than a cell, so all its points are within half a cell of its middle, and the grid's dilation by a
    cell makes the occupancy at the middle valid for the whole step.
    """
    longest = ((rays.far - rays.near) * rays.directions.norm(dim=-1)).max()
    edges = stratified_edges(rays.near, rays.far, math.ceil(longest / grid.cell), None, "linear")
    middles = (edges[..., 1:] + edges[..., :-1]) / 2
    points = rays.origins[..., None, :] + middles[..., None] * rays.directions[..., None, :]
    density, occupied = grid.look_up(points)
    if half_sides is not None:
        inside = within_cube(rays, half_sides)
        occupied = occupied & (middles > inside.near[..., None]) & (middles < inside.far[..., None])
    weights = compositing_weights(density * occupied, net.renderer.interval_lengths(rays, edges))
    return March(edges, weights, occupied)


@record_function("sampling")
def place_occupied_edges(marched: March, samples: int) -> Float[Tensor, "batch ray edge"]:
    """Edges of `samples` frusta between each ray's first and last occupied step; every ray must have one."""
    edges = resample_edges(marched.edges, marched.weights, samples, PADDING * marched.occupied, None)
    # Outside, the histogram is zero except for rounding, which must not stretch a frustum to far.
    steps = marched.occupied.shape[-1]
    first = marched.occupied.to(torch.uint8).argmax(-1, keepdim=True)
    last = steps - marched.occupied.to(torch.uint8).flip(-1).argmax(-1, keepdim=True)
    return edges.clamp(marched.edges.gather(-1, first), marched.edges.gather(-1, last))


def render_occupied(
    net: Net,
    features: SceneFeatures,
    grid: OccupancyGrid,
    rays: Rays,
    background: Float[Tensor, "batch 3"],
    samples_per_chunk: int,
) -> Iterator[tuple[Int[Tensor, " chosen"], RenderOutput]]:
    """The rays (batch of 1) that meet an occupied cell, in groups: which rays, and their render."""
    rays = net.renderer.in_own_units(rays)
    marched = march(net, grid, rays, features.half_sides)
    hit = marched.occupied[0].any(-1)
    opacity = marched.weights[0].sum(-1)
    thin, faint = opacity < THIN_OPACITY, opacity < FAINT_OPACITY
    radiance = partial(net.radiance, features)
    groups = ((SAMPLES, hit & ~faint), (SAMPLES // 2, hit & faint & ~thin), (SAMPLES // 4, hit & thin))
    for samples, group in groups:
        for chosen in group.nonzero()[:, 0].split(max(samples_per_chunk // samples, 1)):
            if len(chosen) > 0:
                edges = place_occupied_edges(marched.map_tensors(lambda values, rows=chosen: values[:, rows]), samples)
                mine = rays.map_tensors(lambda values, rows=chosen: values[:, rows])
                yield chosen, net.renderer.render_pass(radiance, 1, mine, edges, background)
