"""Rendering whole images in chunks of rays, so that an image of any size fits into memory."""

from collections import defaultdict
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.geometry.ndc import to_ndc
from pixelnerf.geometry.rays import image_rays
from pixelnerf.model.net import Net
from pixelnerf.model.placement import samples_per_ray
from pixelnerf.types import Cameras, SceneFeatures, TensorRecord

# Measured: on the CPU larger chunks leave the cache, and the allocator hands their pages back to the system every time.
SAMPLES_PER_CHUNK = defaultdict(lambda: 1 << 20, cpu=1 << 13)


@dataclass(frozen=True)
class ImageOutput(TensorRecord):
    """A rendered view: colour in [0, 1], opacity in [0, 1], distances in units of t (z-depth by default)."""

    color: Float[Tensor, "height width 3"]
    opacity: Float[Tensor, "height width"]
    distance: Float[Tensor, "height width"]
    median_distance: Float[Tensor, "height width"]


@torch.no_grad()
def render_image(
    net: Net,
    features: SceneFeatures,
    camera: Cameras,
    near: float,
    far: float,
    background: Float[Tensor, "3"],
    rays_per_chunk: int | None = None,
    ndc: tuple[float, float] | None = None,
) -> ImageOutput:
    """Renders the view of one camera (no batch axis) of one encoded scene (batch of 1). Colours are clipped.

    A scene in normalised device coordinates gives its scale (see `pixelnerf.geometry.ndc`); t is theirs then.
    """
    if rays_per_chunk is None:
        samples = samples_per_ray(net.config.renderer.coarse_samples, net.config.renderer.placement)
        views = max(features.present.shape[1], 1)
        rays_per_chunk = max(64, SAMPLES_PER_CHUNK[features.texels.device.type] // (samples * views))
    width, height = camera.sizes.tolist()
    rays = image_rays(camera, near, far)
    if ndc is not None:
        rays = to_ndc(rays, rays.origins.new_tensor(ndc))
    rays = rays.map_tensors(lambda tensor: tensor[None])
    count = width * height
    device = rays.origins.device
    color = torch.empty(count, 3, device=device)
    opacity, distance, median = (torch.empty(count, device=device) for _ in range(3))
    for first in range(0, count, rays_per_chunk):
        chunk = slice(first, first + rays_per_chunk)
        output = net.render(features, rays[chunk], background[None])
        color[chunk] = output.color[0].clamp(0.0, 1.0)
        opacity[chunk] = output.opacity[0]
        distance[chunk] = output.distance[0]
        median[chunk] = output.median_distance[0]
    return ImageOutput(
        color.view(height, width, 3), *(values.view(height, width) for values in (opacity, distance, median))
    )
