"""Volume rendering in two passes: place frusta, ask the field, composite; again where the first found matter."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor
from torch.profiler import record_function

from pixelnerf.config import Config
from pixelnerf.geometry.frustum import conical_frustums, cylindrical_frustums, point_samples
from pixelnerf.geometry.rays import within_cube
from pixelnerf.geometry.sampling import stratified_fences, stratified_points
from pixelnerf.geometry.volume import INFINITE_LENGTH, composite, compositing_weights
from pixelnerf.model.placement import PlacementConfig, Spacing, UnionPlacement, place_fine_fences
from pixelnerf.types import Gaussians, Rays, RenderOutput

RadianceFunction = Callable[
    [int, Gaussians], tuple[Float[Tensor, "batch ray sample"], Float[Tensor, "batch ray sample 3"]]
]
"""Level and Gaussians in the world to density and colour."""

FRUSTUMS = {"cone": conical_frustums, "cylinder": cylindrical_frustums, "point": point_samples}


class RendererConfig(Config):
    """How rays are sampled and composited.

    `placement: null` renders in one pass; with `separate_fields` the second pass has an MLP of its own. `density_unit`
    is what a density's reciprocal is measured in: half the target view's depth range (free of the world's scale) or the
    world's unit. `infinite_last_interval` makes any density at a ray's last sample opaque (NeRF's code); else the last
    interval ends at far. With `normalize_directions` t is the distance from the camera (pixelNeRF's convention for near
    and far), else the depth along its axis (mip-NeRF's).
    """

    frustum: Literal["cone", "cylinder", "point"]
    coarse_samples: int = Field(ge=1)
    spacing: Spacing
    placement: PlacementConfig | None
    separate_fields: bool
    density_unit: Literal["half_depth", "world"]
    infinite_last_interval: bool
    normalize_directions: bool

    @model_validator(mode="after")
    def _check(self) -> "RendererConfig":
        if isinstance(self.placement, UnionPlacement) and self.frustum != "point":
            raise ValueError(
                f"placement.name=union mixes points of both passes, so frustum={self.frustum} has no sense"
            )
        if self.separate_fields and self.placement is None:
            raise ValueError("separate_fields=true needs a second pass, but placement is null")
        return self


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
        train_coarse: bool = True,
        half_sides: Float[Tensor, "batch"] | None = None,
    ) -> RenderOutput:
        """Renders rays ("batch ray") in front of a background. A generator jitters the fences; None does not.

        Without `train_coarse` no gradient goes through the first of two passes. With `half_sides` rays look only where
        they cross those cubes around the world's origin, and an empty ray's distance is where it leaves its cube.
        """
        rays = self.in_own_units(rays)
        # Only fences are drawn in: the unit of density stays half of the whole range.
        inside = rays if half_sides is None else within_cube(rays, half_sides)
        with torch.set_grad_enabled(torch.is_grad_enabled() and (train_coarse or self.config.placement is None)):
            coarse = self.render_level(radiance, 0, rays, self._coarse_fences(inside, generator), background)
        if self.config.placement is None:
            return coarse
        with record_function("sampling"):
            fences = place_fine_fences(inside, coarse, self.config.placement, self.config.spacing, generator)
        return replace(self.render_level(radiance, 1, rays, fences, background), coarse=coarse)

    def in_own_units(self, rays: Rays) -> Rays:
        """The rays with t as the configuration wants it: depth, or metric distance."""
        return with_unit_directions(rays) if self.config.normalize_directions else rays

    def _coarse_fences(self, rays: Rays, generator: torch.Generator | None) -> Float[Tensor, "batch ray fence"]:
        count, spacing = self.config.coarse_samples, self.config.spacing
        if self.config.frustum != "point":
            return stratified_fences(rays.near, rays.far, count, generator, spacing)
        points = stratified_points(rays.near, rays.far, count, generator, spacing)
        return torch.cat([points, rays.far[..., None]], dim=-1)

    def render_level(
        self,
        radiance: RadianceFunction,
        level: int,
        rays: Rays,
        fences: Float[Tensor, "batch ray fence"],
        background: Float[Tensor, "batch 3"],
    ) -> RenderOutput:
        """One pass over intervals that are placed already; directions are as the configuration wants them."""
        with record_function("sampling"):
            gaussians = FRUSTUMS[self.config.frustum](rays, fences)
        density, color = radiance(level, gaussians)
        with record_function("compositing"):
            weights = compositing_weights(density, self.interval_lengths(rays, fences))
            return composite(color, weights, fences, background[:, None])

    def interval_lengths(
        self, rays: Rays, fences: Float[Tensor, "batch ray fence"]
    ) -> Float[Tensor, "batch ray sample"]:
        """Lengths in the unit that density counts in."""
        lengths = fences.diff(dim=-1) * rays.directions.norm(dim=-1, keepdim=True)
        if self.config.density_unit == "half_depth":
            lengths = lengths / ((rays.far - rays.near) / 2)[..., None]
        if self.config.infinite_last_interval:
            lengths = F.pad(lengths[..., :-1], (0, 1), value=INFINITE_LENGTH)
        return lengths
