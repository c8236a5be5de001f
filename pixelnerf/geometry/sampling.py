"""Placing intervals and points along rays.

Randomness comes from the caller's generator, on any device; None means the deterministic variant.
"""

from functools import reduce
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

# Keeps an all-zero histogram from dividing by zero (mip-NeRF, NeRF).
SMALLEST_WEIGHT = 1e-5


def stratified_edges(
    near: Float[Tensor, "*batch ray"],
    far: Float[Tensor, "*batch ray"],
    count: int,
    generator: torch.Generator | None,
    spacing: Literal["linear", "disparity"],
) -> Float[Tensor, "*batch ray edge"]:
    """Ends of `count` intervals from near to far: count + 1 edges, ascending.

    With a generator, each edge is uniform in its stratum: the range closer to it than to its neighbours.

    Args:
        near: start of the range, positive for "disparity".
        far: end of the range.
        count: number of intervals.
        generator: source of the jitter; None spaces the edges evenly from near to far.
        spacing: even in t, or in 1 / t.
    """
    share = torch.linspace(0, 1, count + 1, dtype=near.dtype, device=near.device)
    edges = _spaced(near[..., None], far[..., None], share, spacing)
    if generator is None:
        return edges
    middles = (edges[..., 1:] + edges[..., :-1]) / 2
    lower = torch.cat([edges[..., :1], middles], dim=-1)
    upper = torch.cat([middles, edges[..., -1:]], dim=-1)
    return lower + (upper - lower) * _uniform(edges, count + 1, generator)


def stratified_points(
    near: Float[Tensor, "*batch ray"],
    far: Float[Tensor, "*batch ray"],
    count: int,
    generator: torch.Generator | None,
    spacing: Literal["linear", "disparity"],
) -> Float[Tensor, "*batch ray point"]:
    """One value of t in each of `count` intervals from near to far, ascending (NeRF, equation 2).

    With a generator, uniform in its interval; without, the interval's middle. Even in t, or in 1 / t.
    """
    strata = torch.arange(count, dtype=near.dtype, device=near.device)
    offset = 0.5 if generator is None else _uniform(near[..., None], count, generator)
    return _spaced(near[..., None], far[..., None], (strata + offset) / count, spacing)


@torch.no_grad()
def resample_edges(
    edges: Float[Tensor, "*batch ray edge"],
    weights: Float[Tensor, "*batch ray sample"],
    count: int,
    padding: float | Tensor,
    generator: torch.Generator | None,
) -> Float[Tensor, "*batch ray new_edge"]:
    """Ends of `count` new intervals where the weights are, ascending and inside the old range; no gradient flows.

    The histogram is widened by a maximum over neighbours, blurred by their average, and raised by `padding` to leave
    empty space some samples (mip-NeRF, equation 18, with padding = 0.01).
    """
    padded = torch.cat([weights[..., :1], weights, weights[..., -1:]], dim=-1)
    widened = torch.maximum(padded[..., :-1], padded[..., 1:])
    blurred = (widened[..., :-1] + widened[..., 1:]) / 2
    return _invert_histogram(edges, blurred + padding, _stratified_quantiles(edges, count + 1, generator))


@torch.no_grad()
def sample_points_from_histogram(
    edges: Float[Tensor, "*batch ray edge"],
    weights: Float[Tensor, "*batch ray sample"],
    count: int,
    generator: torch.Generator | None,
) -> Float[Tensor, "*batch ray point"]:
    """`count` values of t distributed like the weights, ascending; no gradient flows (NeRF, section 5.2).

    With a generator, independent draws; without, evenly spaced quantiles from the first to the last.
    """
    if generator is None:
        quantiles = _stratified_quantiles(edges, count, None)
    else:
        quantiles = _uniform(edges, count, generator).sort(dim=-1).values
    return _invert_histogram(edges, weights + SMALLEST_WEIGHT, quantiles)


def _spaced(
    near: Float[Tensor, "*batch ray 1"],
    far: Float[Tensor, "*batch ray 1"],
    share: Float[Tensor, "... point"],
    spacing: Literal["linear", "disparity"],
) -> Float[Tensor, "*batch ray point"]:
    """Values of t at fractions in [0, 1] of the way from near to far."""
    if spacing == "disparity":
        # 1 / t is even in `share`; expressed as a share of the range in t, it meets near and far to the last bit.
        share = share * near / (far * (1 - share) + near * share)
    return near * (1 - share) + far * share


def _stratified_quantiles(
    edges: Float[Tensor, "*batch ray edge"], count: int, generator: torch.Generator | None
) -> Float[Tensor, "*batch ray quantile"]:
    """Ascending quantiles in [0, 1): one in each of `count` equal strata, or evenly from 0 to just below 1."""
    last = 1 - torch.finfo(edges.dtype).eps
    if generator is None:
        even = torch.linspace(0, last, count, dtype=edges.dtype, device=edges.device)
        return even.expand(*edges.shape[:-1], count)
    strata = torch.arange(count, dtype=edges.dtype, device=edges.device)
    return ((strata + _uniform(edges, count, generator)) / count).clamp_max(last)


def _invert_histogram(
    edges: Float[Tensor, "*batch ray edge"],
    weights: Float[Tensor, "*batch ray sample"],
    quantiles: Float[Tensor, "*batch ray quantile"],
) -> Float[Tensor, "*batch ray quantile"]:
    """Values of t at ascending quantiles in [0, 1) of a distribution uniform inside each interval."""
    total = _ordered_sum(weights)
    missing = (SMALLEST_WEIGHT - total).clamp_min(0)
    density = (weights + missing / weights.shape[-1]) / (total + missing)
    zero = torch.zeros_like(total)
    cumulative = torch.cat([zero, density[..., :-1].cumsum(dim=-1), zero + 1], dim=-1)
    right = torch.searchsorted(cumulative, quantiles.contiguous(), right=True)
    left = right - 1
    low, high = cumulative.gather(-1, left), cumulative.gather(-1, right)
    start, end = edges.gather(-1, left), edges.gather(-1, right)
    return start + (quantiles - low) / (high - low) * (end - start)


def _ordered_sum(weights: Float[Tensor, "*batch ray sample"]) -> Float[Tensor, "*batch ray 1"]:
    """The sum from first to last, as in mip-NeRF.

    Another order rounds differently, which moves an edge by up to 3e-5 where weights are small.
    """
    return reduce(torch.add, weights.split(1, dim=-1))


def _uniform(
    edges: Float[Tensor, "*batch ray edge"], count: int, generator: torch.Generator
) -> Float[Tensor, "*batch ray draw"]:
    shape = (*edges.shape[:-1], count)
    return torch.rand(shape, generator=generator, device=generator.device, dtype=edges.dtype).to(edges.device)
