"""Volume rendering in two levels: place frusta, ask the field, composite; again where the first found matter."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from pixelnerf.config import Config
from pixelnerf.geometry.frustum import conical_frustums, cylindrical_frustums, point_samples
from pixelnerf.geometry.sampling import resample_fences, stratified_fences
from pixelnerf.geometry.volume import composite, compositing_weights
from pixelnerf.types import Gaussians, Rays, RenderOutput

RadianceFunction = Callable[
    [int, Gaussians], tuple[Float[Tensor, "batch ray sample"], Float[Tensor, "batch ray sample 3"]]
]
"""Level and Gaussians in the world to density and colour."""

FRUSTUMS = {"cone": conical_frustums, "cylinder": cylindrical_frustums, "point": point_samples}


class RendererConfig(Config):
    """How rays are sampled and composited.

    `fine_samples: 0` renders in one level. `density_unit` is what a density's reciprocal is measured in:
    half the target view's depth range (free of the world's scale) or the world's unit. With `normalize_directions` t is
    the distance from the camera (pixelNeRF's convention for near and far), else the depth along its axis (mip-NeRF's).
    """

    frustum: Literal["cone", "cylinder", "point"]
    coarse_samples: int = Field(ge=1)
    fine_samples: int = Field(ge=0)
    spacing: Literal["linear", "disparity"]
    resample_padding: float = Field(gt=0.0)
    separate_fields: bool
    density_unit: Literal["half_depth", "world"]
    normalize_directions: bool


def with_unit_directions(rays: Rays) -> Rays:
    """The same cones with t as metric distance; near and far keep their numbers, now read as distances."""
    norms = rays.directions.norm(dim=-1)
    return replace(rays, directions=rays.directions / norms[..., None], radii=rays.radii / norms)


class Renderer:
    """Renders rays through a radiance function; holds no state but its configuration."""

    def __init__(self, config: RendererConfig) -> None:
        self.config = config

    def render(
        self,
        radiance: RadianceFunction,
        rays: Rays,
        background: Float[Tensor, "batch 3"],
        generator: torch.Generator | None,
    ) -> RenderOutput:
        """Renders rays ("batch ray") in front of a background. A generator jitters the fences; None does not."""
        if self.config.normalize_directions:
            rays = with_unit_directions(rays)
        fences = stratified_fences(rays.near, rays.far, self.config.coarse_samples, generator, self.config.spacing)
        coarse = self._render_level(radiance, 0, rays, fences, background)
        if self.config.fine_samples == 0:
            return coarse
        fences = resample_fences(
            coarse.fences,
            # A NaN shall reach the loss, where training reports it, and not become a texel's index.
            torch.nan_to_num(coarse.weights),
            self.config.fine_samples,
            self.config.resample_padding,
            generator,
        )
        return replace(self._render_level(radiance, 1, rays, fences, background), coarse=coarse)

    def _render_level(
        self,
        radiance: RadianceFunction,
        level: int,
        rays: Rays,
        fences: Float[Tensor, "batch ray fence"],
        background: Float[Tensor, "batch 3"],
    ) -> RenderOutput:
        density, color = radiance(level, FRUSTUMS[self.config.frustum](rays, fences))
        lengths = fences.diff(dim=-1) * rays.directions.norm(dim=-1, keepdim=True)
        if self.config.density_unit == "half_depth":
            lengths = lengths / ((rays.far - rays.near) / 2)[..., None]
        return composite(color, compositing_weights(density, lengths), fences, background[:, None])
