"""Rendering whole images in chunks of rays, so that any size fits into memory."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pixelnerf.geometry.ndc import to_ndc
from pixelnerf.geometry.rays import image_rays, within_cube
from pixelnerf.model.baked import BakedVolume, render_baked
from pixelnerf.model.net import Net
from pixelnerf.model.occupancy import OccupancyGrid
from pixelnerf.model.occupied import Quality, render_occupied, shared_grid
from pixelnerf.model.placement import samples_per_ray
from pixelnerf.types import ImageOutput, Rays, RenderOutput, SceneFeatures, View

RENDERER_VERSION = 3
"""Raise it when the same weights render differently: stored evaluation results are then measured again."""

# Measured: on the CPU, larger chunks leave the cache, and the allocator returns their pages to the system every time.
SAMPLES_PER_CACHE = 1 << 13
# Enough to keep any GPU busy.
MOST_SAMPLES = 1 << 20
# A sample's temporaries per unit of the field's width: about ten float32 vectors, injected features included.
BYTES_PER_UNIT = 40
# Marching takes some forty small steps per ray and no network.
MARCHED_RAYS_PER_CHUNK = 1 << 12


@torch.no_grad()
def render_image(
    net: Net,
    features: SceneFeatures,
    view: View,
    rays_per_chunk: int | None = None,
    quality: Quality = "exact",
    grid: OccupancyGrid | BakedVolume | None = None,
) -> ImageOutput:
    """Renders a view of one encoded scene (batch of 1). Colours are clipped.

    Below `exact` quality, several views can share a `grid` built for all of them (see `shared_grid`); without one, the
    view builds its own.

    Raises:
        UserError: the net, or a scene in normalised device coordinates, needs `exact` quality.
    """
    if grid is None:
        grid = shared_grid(net, features, [view], quality)
    if isinstance(grid, BakedVolume):
        return render_baked(grid, view, net.config.renderer.normalize_directions)
    width, height = view.camera.sizes.tolist()
    rays = image_rays(view.camera, view.near, view.far)
    if view.ndc is not None:
        rays = to_ndc(rays, rays.origins.new_tensor(view.ndc))
    rays = rays.map_tensors(lambda tensor: tensor[None])
    count = width * height
    color = view.background.expand(count, 3).clamp(0.0, 1.0)
    opacity = torch.zeros(count, device=color.device)
    distance, median = (torch.full((count,), view.far, device=color.device) for _ in range(2))
    for chosen, output in _parts(net, features, rays, view.background, rays_per_chunk, quality, grid):
        color[chosen] = output.color[0].clamp(0.0, 1.0)
        opacity[chosen] = output.opacity[0]
        distance[chosen] = output.distance[0]
        median[chosen] = output.median_distance[0]
    return ImageOutput(
        color.view(height, width, 3), *(values.view(height, width) for values in (opacity, distance, median))
    )


def _parts(
    net: Net,
    features: SceneFeatures,
    rays: Rays,
    background: Float[Tensor, "3"],
    rays_per_chunk: int | None,
    quality: Quality,
    grid: OccupancyGrid | None,
) -> Iterator[tuple[Tensor, RenderOutput]]:
    """Chunks of rays that fit into memory: which rays, and their render."""
    if grid is None:
        chunk = rays_per_chunk or _rays_per_chunk(net, features)
        for part in _crossing_rays(net, features, rays).split(chunk):
            mine = rays.map_tensors(lambda values, chosen=part: values[:, chosen])
            yield part, net.render(features, mine, background[None])
        return
    samples = _samples_per_chunk(net, features)
    chunk = rays_per_chunk or MARCHED_RAYS_PER_CHUNK
    for first in range(0, rays.origins.shape[1], chunk):
        part = rays[slice(first, first + chunk)]
        for chosen, output in render_occupied(net, features, grid, part, background[None], samples):
            yield chosen + first, output


def _crossing_rays(net: Net, features: SceneFeatures, rays: Rays) -> Int[Tensor, " chosen"]:
    """The rays (batch of 1) that cross the scene's cube; all of them if it has none."""
    if features.half_sides is None:
        return torch.arange(rays.near.shape[1], device=rays.near.device)
    bounded = within_cube(net.renderer.in_own_units(rays), features.half_sides)
    return (bounded.near < bounded.far)[0].nonzero()[:, 0]


def _rays_per_chunk(net: Net, features: SceneFeatures) -> int:
    samples = samples_per_ray(net.config.renderer.coarse_samples, net.config.renderer.placement)
    return max(64, _samples_per_chunk(net, features) // samples)


def _samples_per_chunk(net: Net, features: SceneFeatures) -> int:
    """As many samples as suit the device's caches or free memory."""
    device, views = features.near.device, max(features.present.shape[1], 1)
    samples = SAMPLES_PER_CACHE
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        samples = max(samples, min(MOST_SAMPLES, free // (2 * BYTES_PER_UNIT * net.config.field.width)))
    return samples // views
