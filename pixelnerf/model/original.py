"""How the original pixelNeRF computes: what every shortcut is tested and timed against.

A sample's raw feature of all channels is interpolated from the latent map by `grid_sample`, and the injection layers
are applied to it, once per sample. `Net` applies them once per texel instead and gathers the result; the two agree up
to rounding. Only benchmarks and tests need it.
"""

from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.profiler import record_function

from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import project
from pixelnerf.model.activation import activate
from pixelnerf.model.field import ResidualField
from pixelnerf.model.inputs import encode_directions, encode_positions
from pixelnerf.model.lookup import to_view_frames
from pixelnerf.model.net import Net, PhotoNet
from pixelnerf.model.present import PresentPhotos
from pixelnerf.model.pyramid import build_scene_features
from pixelnerf.types import Gaussians, Photos, Rays, RenderOutput, SceneFeatures, TensorRecord


@dataclass(frozen=True)
class LatentMaps(TensorRecord):
    """Encoded photos as they leave the encoder; `geometry` holds their cameras and bounds."""

    maps: Float[Tensor, "image channel height width"]
    geometry: SceneFeatures


class OriginalRenderer:
    """Encodes and renders with a net's own weights, per sample.

    Raises:
        UserError: the net does not look up points in photos, or reads them at full resolution.
    """

    def __init__(self, net: Net) -> None:
        parts = net.config.photo_parts()
        if not isinstance(net, PhotoNet) or parts is None or parts.lookup.mode != "point":
            raise UserError(f"'{net.config.name}' cannot be computed the original's way: set lookup.mode=point")
        if net.config.position.frame == "view_upright":
            raise UserError(
                f"'{net.config.name}' cannot be computed the original's way: set position.frame=view_normalized"
            )
        if net.reads_full_resolution:
            raise UserError(
                f"'{net.config.name}' cannot be computed the original's way: set field.photo_colors=false and "
                "encoder.thin_channels=0"
            )
        self.net: PhotoNet = net
        self._direction = parts.direction

    @record_function("encoder")
    def encode(self, photos: Photos) -> LatentMaps:
        """The latent maps of photos, all present and of one size."""
        maps = self.net.encoder.pyramid(photos.images.flatten(0, 1))
        # Only the sizes of the maps and the cameras are read, so one channel is enough.
        geometry = build_scene_features(
            photos, [(torch.arange(len(maps), device=maps.device), (maps[..., :1].detach(),))], 1
        )
        return LatentMaps(maps.movedim(-1, 1).contiguous(), geometry)

    def render(
        self,
        latents: LatentMaps,
        rays: Rays,
        background: Float[Tensor, "batch 3"],
        generator: torch.Generator | None = None,
    ) -> RenderOutput:
        """As `Net.render`."""
        radiance = partial(self.radiance, latents, generator)
        half_sides = latents.geometry.half_sides
        return self.net.renderer.render(radiance, rays, background, generator, half_sides=half_sides)

    def radiance(
        self, latents: LatentMaps, generator: torch.Generator | None, pass_index: int, gaussians: Gaussians
    ) -> tuple[Float[Tensor, "batch ray sample"], Float[Tensor, "batch ray sample 3"]]:
        """As `Net.radiance`."""
        geometry, config = latents.geometry, self.net.config
        index = min(pass_index, len(self.net.fields) - 1)
        projection = self.net.projection(index)
        in_views = to_view_frames(gaussians, geometry.cameras)
        points = in_views.means.flatten(-3, -2)
        sizes = geometry.level_sizes[:, :, 0].to(points.dtype)
        texels = (project(geometry.cameras.intrinsics, points) - 0.5) * (sizes / geometry.cameras.sizes)[..., None, :]
        coordinates = texels / (sizes[..., None, :] - 1) * 2 - 1
        with record_function("look-up"):
            coordinates = coordinates.flatten(0, 1)[:, None]
            found = F.grid_sample(latents.maps, coordinates, padding_mode="border", align_corners=True)
        valid = points[..., 2] > 0
        features = found[:, :, 0].movedim(1, -1).unflatten(0, valid.shape[:2]) * valid[..., None]
        layers = projection.weight.chunk(len(projection.bias))
        with record_function("mlp"):
            injected = torch.stack([F.linear(features, weight) for weight in layers], dim=-2)
        samples = gaussians.means.shape[-3:-1]
        with record_function("encoding"):
            positions = encode_positions(in_views, geometry, config.position)
            directions = encode_directions(in_views.directions, self._direction)
        residual, photos = cast(ResidualField, self.net.fields[index]), PresentPhotos.of(geometry)
        with record_function("mlp"):
            views = residual.of_views(positions, directions, injected.unflatten(2, samples), projection.bias)
            pooled = residual.pooled(views, valid.unflatten(2, samples), photos)
            density, color = residual.heads(pooled, directions, photos)
        return activate(density, color, config.field, generator)
