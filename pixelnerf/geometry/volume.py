"""Compositing of densities and colours along rays (NeRF, equation 3)."""

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.types import RenderOutput

# Stands for an infinite interval: it makes any density opaque, and times zero density it is still zero.
INFINITE_LENGTH = 1e10
# Beyond this optical depth light is not darkened further: exp(-40) is zero next to any colour, and smaller products
# become denormal, which are 100 times slower on a CPU.
LARGEST_OPTICAL_DEPTH = 40.0
# Opacity of imaginary matter at the far end, which gives empty rays a distance.
FAR_OPACITY = 1e-8


def compositing_weights(
    density: Float[Tensor, "*batch ray sample"], lengths: Float[Tensor, "*batch ray sample"]
) -> Float[Tensor, "*batch ray sample"]:
    """Each interval's share of a ray's light: transmittance up to it times its alpha.

    Value and gradient are finite for any density >= 0 and any length >= 0, including infinity. For example, two
    intervals of optical depth ln 2 weigh 1/2 and 1/4, and 1/4 passes through.

    Args:
        density: in inverse units of length; half precision is fine.
        lengths: of the intervals, in float32: differences of edges times the direction's norm.
    """
    depth = density * lengths.clamp_max(INFINITE_LENGTH)
    before = torch.cat([torch.zeros_like(depth[..., :1]), depth[..., :-1].cumsum(dim=-1)], dim=-1)
    return torch.exp(-before.clamp_max(LARGEST_OPTICAL_DEPTH)) * -torch.expm1(-depth)


def composite(
    colors: Float[Tensor, "*batch ray sample 3"],
    weights: Float[Tensor, "*batch ray sample"],
    edges: Float[Tensor, "*batch ray edge"],
    background: Float[Tensor, "*#batch #ray 3"],
) -> RenderOutput:
    """Rays composited over a background.

    Args:
        colors: of the intervals, in [0, 1].
        weights: from `compositing_weights`.
        edges: ends of the intervals. The last is the ray's far end, even where the last length was infinite.
        background: colour behind each batch element or ray, in [0, 1].

    Returns:
        The distance is the weighted mean of the intervals' middles. The median is where half of the light has been
        stopped, or far if less than half ever is, and carries no gradient. Both are far for an empty ray.
    """
    opacity = weights.sum(dim=-1)
    color = (weights[..., None] * colors).sum(dim=-2) + (1 - opacity[..., None]) * background
    first, far = edges[..., 0], edges[..., -1]
    middles = (edges[..., 1:] + edges[..., :-1]) / 2
    distance = ((weights * middles).sum(dim=-1) + FAR_OPACITY * far) / (opacity + FAR_OPACITY)
    return RenderOutput(
        color=color,
        opacity=opacity,
        distance=distance.clamp(first, far),
        median_distance=_median_distance(weights, edges),
        weights=weights,
        edges=edges,
    )


@torch.no_grad()
def _median_distance(
    weights: Float[Tensor, "*batch ray sample"], edges: Float[Tensor, "*batch ray edge"]
) -> Float[Tensor, "*batch ray"]:
    """Where the accumulated weight reaches 1/2, each weight spread evenly over its interval."""
    missing = 0.5 - (weights.cumsum(dim=-1) - weights)
    # An interval counts whole before the median, partly around it, and not at all behind it.
    share = (missing / weights.clamp_min(torch.finfo(weights.dtype).tiny)).clamp(0, 1)
    return (edges[..., 0] + (share * edges.diff(dim=-1)).sum(dim=-1)).minimum(edges[..., -1])
