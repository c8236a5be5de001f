"""Positional encodings of points and of Gaussians.

Features are ordered sine block, cosine block; within a block by frequency, then by coordinate. The frequencies are
scale * 2^k for min_degree <= k < max_degree: NeRF has scale 1 and 10 degrees, pixelNeRF scale 1.5 and 6 degrees.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def positional_encoding(
    points: Float[Tensor, "*batch coordinate"], min_degree: int, max_degree: int, scale: float = 1.0
) -> Float[Tensor, "*batch feature"]:
    """Sines and cosines of the coordinates at each frequency (NeRF, equation 4)."""
    phases = _at_frequencies(points, min_degree, max_degree, scale)
    return torch.cat([phases.sin(), phases.cos()], dim=-1)


def integrated_positional_encoding(
    means: Float[Tensor, "*batch coordinate"],
    variances: Float[Tensor, "*batch coordinate"],
    min_degree: int,
    max_degree: int,
    scale: float = 1.0,
) -> Float[Tensor, "*batch feature"]:
    """Expected positional encoding of a Gaussian: exp(-variance / 2) sin(mean) (mip-NeRF, equation 14).

    Only the marginal variances along the coordinates matter, because each feature depends on one coordinate.
    """
    phases = _at_frequencies(means, min_degree, max_degree, scale)
    damping = torch.exp(-0.5 * _at_frequencies(variances, 2 * min_degree, 2 * max_degree, scale**2, step=2))
    return torch.cat([damping * phases.sin(), damping * phases.cos()], dim=-1)


def _at_frequencies(
    values: Float[Tensor, "*batch coordinate"], min_degree: int, max_degree: int, scale: float, step: int = 1
) -> Float[Tensor, "*batch feature"]:
    degrees = range(min_degree, max_degree, step)
    frequencies = torch.tensor([scale * 2.0**degree for degree in degrees], dtype=values.dtype, device=values.device)
    return (values[..., None, :] * frequencies[:, None]).flatten(-2)
