"""Intervals of cones, cylinders and lines as Gaussians (mip-NeRF, section 3.1 and its supplement).

Covariances stay factored, axial * d d^T + radial * I (see `Gaussians`): moving to another frame rotates d alone.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.types import Gaussians, Rays


def conical_frustums(rays: Rays, edges: Float[Tensor, "*batch ray edge"]) -> Gaussians:
    """Gaussians with the moments of uniformly filled conical frustums.

    With the interval's centre m, half width h and q = h^2 / (3 m^2 + h^2), mip-NeRF's equation 7 reads
        mean of t       = m + 2 m q
        variance of t   = h^2 / 3 - 4/15 q^2 (12 m^2 - h^2)
        radial variance = r^2 (m^2 / 4 + h^2 (5/12 - 4/15 q)),
    which, unlike differences of fifth powers of t, loses no digits for short or distant intervals. The covariance is
    equation 8.

    Args:
        rays: cones.
        edges: ends of the intervals, 0 <= t, ascending.
    """
    left, right = edges[..., :-1], edges[..., 1:]
    middle = (left + right) / 2
    half_squared = ((right - left) / 2).square()
    middle_squared = middle.square()
    denominator = 3 * middle_squared + half_squared
    # The denominator is zero only for an empty interval at the apex, where h = 0 too.
    ratio = half_squared / denominator.clamp_min(torch.finfo(edges.dtype).tiny)
    distance = middle * (1 + 2 * ratio)
    distance_variance = half_squared / 3 - (4 / 15) * ratio.square() * (12 * middle_squared - half_squared)
    spread = middle_squared / 4 + half_squared * (5 / 12 - (4 / 15) * ratio)
    return _gaussians(rays, distance, distance_variance, rays.radii[..., None].square() * spread)


def cylindrical_frustums(rays: Rays, edges: Float[Tensor, "*batch ray edge"]) -> Gaussians:
    """Gaussians with the moments of uniformly filled cylinders of the rays' radii, for parallel (NDC) rays."""
    left, right = edges[..., :-1], edges[..., 1:]
    radial = (rays.radii[..., None].square() / 4).expand_as(left)
    return _gaussians(rays, (left + right) / 2, (right - left).square() / 12, radial)


def point_samples(rays: Rays, edges: Float[Tensor, "*batch ray edge"]) -> Gaussians:
    """Points at the intervals' left edges (the original NeRF)."""
    distance = edges[..., :-1]
    nothing = torch.zeros_like(distance)
    return Gaussians(_points(rays, distance), rays.directions, nothing, nothing)


def covariance_diagonal(gaussians: Gaussians) -> Float[Tensor, "*batch ray sample 3"]:
    """Variances along the axes of the frame, never negative (mip-NeRF, equation 16)."""
    squares = gaussians.directions[..., None, :].square()
    # Rounding can leave a flat Gaussian's variance just below zero, which high frequencies would amplify.
    return (gaussians.axial[..., None] * squares + gaussians.radial[..., None]).clamp_min(0)


def _gaussians(
    rays: Rays,
    distance: Float[Tensor, "*batch ray sample"],
    distance_variance: Float[Tensor, "*batch ray sample"],
    radial: Float[Tensor, "*batch ray sample"],
) -> Gaussians:
    squared_length = rays.directions.square().sum(dim=-1)[..., None]
    return Gaussians(_points(rays, distance), rays.directions, distance_variance - radial / squared_length, radial)


def _points(rays: Rays, distance: Float[Tensor, "*batch ray sample"]) -> Float[Tensor, "*batch ray sample 3"]:
    return rays.origins[..., None, :] + distance[..., None] * rays.directions[..., None, :]
