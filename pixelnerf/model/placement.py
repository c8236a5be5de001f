"""Placing the second pass's samples, given the first pass's weights.

`histogram` is mip-NeRF's: new intervals only, from the blurred histogram of weights. `union` is NeRF's and pixelNeRF's:
the first pass's points and new ones. It is for points only, since frusta would overlap.
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from pixelnerf.config import Config
from pixelnerf.geometry.sampling import resample_edges, sample_points_from_histogram, stratified_edges
from pixelnerf.types import Rays, RenderOutput

Spacing = Literal["linear", "disparity"]


class HistogramPlacement(Config):
    """`samples` intervals where the weights are; `padding` is the share that empty space keeps (mip-NeRF, eq. 18)."""

    name: Literal["histogram"]
    samples: int = Field(ge=1)
    padding: float = Field(gt=0.0)


class UnionPlacement(Config):
    """The coarse points, `histogram_samples` points drawn from their weights, and `depth_samples` around the depth.

    The latter are pixelNeRF's (appendix B.1): normal around the expected t, with `depth_deviation` in units of t.
    """

    name: Literal["union"]
    histogram_samples: int = Field(ge=0)
    depth_samples: int = Field(ge=0)
    depth_deviation: float = Field(ge=0.0)

    @model_validator(mode="after")
    def _check(self) -> "UnionPlacement":
        if self.histogram_samples + self.depth_samples == 0:
            raise ValueError("histogram_samples and depth_samples are both 0; set placement to null for one pass")
        return self


PlacementConfig = Annotated[HistogramPlacement | UnionPlacement, Field(discriminator="name")]


def samples_per_ray(coarse_samples: int, placement: PlacementConfig | None) -> int:
    """Samples per ray of the larger pass, which determines the memory that rendering takes."""
    if placement is None:
        return coarse_samples
    if isinstance(placement, HistogramPlacement):
        return max(coarse_samples, placement.samples)
    return coarse_samples + placement.histogram_samples + placement.depth_samples


@torch.no_grad()
def place_fine_edges(
    rays: Rays,
    coarse: RenderOutput,
    placement: PlacementConfig,
    spacing: Spacing,
    generator: torch.Generator | None,
) -> Float[Tensor, "*batch ray edge"]:
    """The second pass's edges, ascending; no gradient flows. Without a generator, quantiles are even."""
    # A NaN must reach the loss, where training reports it, and not become a texel index.
    weights = torch.nan_to_num(coarse.weights)
    if isinstance(placement, HistogramPlacement):
        return resample_edges(coarse.edges, weights, placement.samples, placement.padding, generator)
    points = coarse.edges[..., :-1]
    # A weight belongs to the stratum its point was drawn from, not to the interval behind the point.
    strata = stratified_edges(rays.near, rays.far, points.shape[-1], None, spacing)
    placed = [points]
    if placement.histogram_samples > 0:
        placed.append(sample_points_from_histogram(strata, weights, placement.histogram_samples, generator))
    if placement.depth_samples > 0:
        placed.append(_around_depth((weights * points).sum(dim=-1), placement, generator))
    near, far = rays.near[..., None], rays.far[..., None]
    return torch.cat([torch.cat(placed, dim=-1).sort(dim=-1).values.clamp(near, far), far], dim=-1)


def _around_depth(
    depth: Float[Tensor, "*batch ray"], placement: UnionPlacement, generator: torch.Generator | None
) -> Float[Tensor, "*batch ray point"]:
    """Points around a depth that, as in the original, is not divided by opacity: for empty rays, at near."""
    count = placement.depth_samples
    if generator is None:
        quantiles = (torch.arange(count, dtype=depth.dtype, device=depth.device) + 0.5) / count
        normal = torch.special.ndtri(quantiles)
    else:
        shape = (*depth.shape, count)
        normal = torch.randn(shape, generator=generator, device=generator.device, dtype=depth.dtype).to(depth.device)
    return depth[..., None] + placement.depth_deviation * normal
