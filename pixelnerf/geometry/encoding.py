"""Positional encodings of points and of Gaussians.

Features are ordered sine block, cosine block; within a block by coordinate, then by frequency. The frequencies are
scale * 2^k for min_degree <= k < max_degree: NeRF has scale 1 and 10 degrees, pixelNeRF scale 1.5 and 6 degrees.

These are the largest tensors outside the networks, and allocating them costs more than the arithmetic: hence the
in-place operations, on temporaries whose values no gradient needs.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

# Phases are folded to less than fifty turns, because sines of large numbers are slow. The fold is mip-NeRF's: its
# rounding moves the sine by up to 3e-5, and any other fold would differ from the original's features by that much.
FOLD = 100 * math.pi
# exp(-40) is zero next to any other feature; smaller products become denormal, which are 100 times slower on a CPU.
SMALLEST_EXPONENT = -40.0


def positional_encoding(
    points: Float[Tensor, "*batch coordinate"], min_degree: int, max_degree: int, scale: float = 1.0
) -> Float[Tensor, "*batch feature"]:
    """Sines and cosines of the coordinates at each frequency (NeRF, equation 4).

    For example, the point (0.5,) at degrees 0 to 2 becomes (sin 0.5, sin 1, cos 0.5, cos 1).
    """
    phases = _phases(points, min_degree, max_degree, scale)
    return torch.cat([phases.sin(), phases.cos()], dim=-1)


def integrated_positional_encoding(
    means: Float[Tensor, "*batch coordinate"],
    variances: Float[Tensor, "*batch coordinate"],
    min_degree: int,
    max_degree: int,
    scale: float = 1.0,
) -> Float[Tensor, "*batch feature"]:
    """Expected positional encoding of a Gaussian: exp(-variance / 2) sin(mean) (mip-NeRF, equation 14).

    Only the variances along the coordinates matter, because each feature depends on one coordinate.
    """
    frequencies = _frequencies(variances, min_degree, max_degree, scale)
    exponents = variances[..., None] * (-0.5 * frequencies.square())
    damping = exponents.clamp_min_(SMALLEST_EXPONENT).exp_().flatten(-2)
    phases = _phases(means, min_degree, max_degree, scale)
    return torch.cat([phases.sin().mul_(damping), phases.cos().mul_(damping)], dim=-1)


def _phases(
    points: Float[Tensor, "*batch coordinate"], min_degree: int, max_degree: int, scale: float
) -> Float[Tensor, "*batch phase"]:
    return (points[..., None] * _frequencies(points, min_degree, max_degree, scale)).fmod_(FOLD).flatten(-2)


def _frequencies(like: Tensor, min_degree: int, max_degree: int, scale: float) -> Float[Tensor, "degree"]:
    return scale * torch.exp2(torch.arange(min_degree, max_degree, dtype=like.dtype, device=like.device))
