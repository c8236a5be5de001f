"""Volume rendering: place frusta, evaluate the field, composite; then again where the first pass found matter."""

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
from pixelnerf.geometry.sampling import stratified_edges, stratified_points
from pixelnerf.geometry.volume import INFINITE_LENGTH, composite, compositing_weights
from pixelnerf.model.placement import PlacementConfig, Spacing, UnionPlacement, place_fine_edges
from pixelnerf.types import Gaussians, Rays, RenderOutput

RadianceFunction = Callable[
    [int, Gaussians], tuple[Float[Tensor, "batch ray sample"], Float[Tensor, "batch ray sample 3"]]
]
"""The pass (0 or 1) and Gaussians in the world to density and colour."""

FRUSTUMS = {"cone": conical_frustums, "cylinder": cylindrical_frustums, "point": point_samples}


class RendererConfig(Config):
    """How rays are sampled and composited.

    `placement: null` renders in one pass; with `separate_fields` the second pass has an MLP of its own. `density_unit`
    is the unit of a density's reciprocal: half the target view's depth range (independent of the world's scale) or the
    world's unit. `infinite_last_interval` makes any density at a ray's last sample opaque (NeRF's code); otherwise the
    last interval ends at far. With `normalize_directions` t is the distance from the camera (pixelNeRF's convention for
    near and far), otherwise the depth along its axis (mip-NeRF's).
    """

    frustum: Literal["cone", "cylinder", "point"]
    coarse_samples: int = Field(ge=1)
    spacing: Spacing
    placement: PlacementConfig | None
    separate_fields: bool
    density_unit: Literal["half_depth", "world"]
    infinite_last_interval: bool
    normalize_directions: bool

    @property
    def fields(self) -> int:
        """Number of MLPs."""
        return 2 if self.separate_fields else 1

    @model_validator(mode="after")
    def _check(self) -> "RendererConfig":
        if isinstance(self.placement, UnionPlacement) and self.frustum != "point":
            raise ValueError(
                f"placement.name=union mixes both passes' samples, and frustum={self.frustum} would make them overlap; "
                "set frustum=point"
            )
        if self.separate_fields and self.placement is None:
            raise ValueError("separate_fields=true needs a second pass, but placement is null")
        return self


def with_unit_directions(rays: Rays) -> Rays:
    """The same cones with t as metric distance; near and far keep their numbers, now read as distances."""
    norms = rays.directions.norm(dim=-1)
    return replace(rays, directions=rays.directions / norms[..., None], radii=rays.radii / norms)


class Renderer:
    """Renders rays through a radiance function; its configuration is its only state."""

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
        """Renders rays ("batch ray") over a background. A generator jitters the edges; None does not.

        Without `train_coarse` the first of two passes gets no gradient. With `half_sides`, rays are sampled only within
        those cubes around the world's origin, and an empty ray's distance is where it leaves its cube.
        """
        rays = self.in_own_units(rays)
        # Only edges are clipped: the unit of density stays half of the whole range.
        inside = rays if half_sides is None else within_cube(rays, half_sides)
        with torch.set_grad_enabled(torch.is_grad_enabled() and (train_coarse or self.config.placement is None)):
            coarse = self.render_pass(radiance, 0, rays, self._coarse_edges(inside, generator), background)
        if self.config.placement is None:
            return coarse
        with record_function("sampling"):
            edges = place_fine_edges(inside, coarse, self.config.placement, self.config.spacing, generator)
        return replace(self.render_pass(radiance, 1, rays, edges, background), coarse=coarse)

    def in_own_units(self, rays: Rays) -> Rays:
        """The rays with t in the configured unit: depth, or metric distance."""
        return with_unit_directions(rays) if self.config.normalize_directions else rays

    def _coarse_edges(self, rays: Rays, generator: torch.Generator | None) -> Float[Tensor, "batch ray edge"]:
        count, spacing = self.config.coarse_samples, self.config.spacing
        if self.config.frustum != "point":
            return stratified_edges(rays.near, rays.far, count, generator, spacing)
        points = stratified_points(rays.near, rays.far, count, generator, spacing)
        return torch.cat([points, rays.far[..., None]], dim=-1)

    def render_pass(
        self,
        radiance: RadianceFunction,
        pass_index: int,
        rays: Rays,
        edges: Float[Tensor, "batch ray edge"],
        background: Float[Tensor, "batch 3"],
    ) -> RenderOutput:
        """One pass over given intervals; directions must already follow `normalize_directions`."""
        with record_function("sampling"):
            gaussians = FRUSTUMS[self.config.frustum](rays, edges)
        density, color = radiance(pass_index, gaussians)
        with record_function("compositing"):
            weights = compositing_weights(density, self.interval_lengths(rays, edges))
            return composite(color, weights, edges, background[:, None])

    def interval_lengths(self, rays: Rays, edges: Float[Tensor, "batch ray edge"]) -> Float[Tensor, "batch ray sample"]:
        """Interval lengths in the unit of density."""
        lengths = edges.diff(dim=-1) * rays.directions.norm(dim=-1, keepdim=True)
        if self.config.density_unit == "half_depth":
            lengths = lengths / ((rays.far - rays.near) / 2)[..., None]
        if self.config.infinite_last_interval:
            lengths = F.pad(lengths[..., :-1], (0, 1), value=INFINITE_LENGTH)
        return lengths
