"""Normalised device coordinates for forward-facing scenes (NeRF, appendix C; mip-NeRF, section 5 on LLFF).

The world frame must be the mean camera's (OpenCV axes), with the whole scene beyond depth 1. A point (x, y, z) becomes
(s_x x / z, s_y y / z, 1 - 2 / z): depth 1 becomes -1, infinity +1, and lines stay lines.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.types import Rays


def to_ndc(rays: Rays, scale: Float[Tensor, "*#batch 2"]) -> Rays:
    """Rays in normalised device coordinates, with near = 0 (depth 1) and far = 1 (infinity).

    A point's new t is 1 - 1 / depth. Cones become cylinders, since a pixel has the same width at all depths: the radius
    is that of a pixel on the plane at depth 1, for cameras that look along the mean camera's axis.

    Args:
        rays: in the mean camera's frame, with directions of unit z in their own camera's frame.
        scale: (s_x, s_y) = (2 f / width, 2 f / height), which maps the mean camera's image to [-1, 1].
    """
    origin, direction = rays.origins, rays.directions
    slopes = direction[..., :2] / direction[..., 2:]
    # Where the ray crosses depth 1.
    start = origin[..., :2] + (1 - origin[..., 2:]) * slopes
    depth_shift = torch.full_like(origin[..., 2:], 2.0)
    return Rays(
        origins=torch.cat([scale * start, torch.full_like(depth_shift, -1.0)], dim=-1),
        directions=torch.cat([scale * (slopes - start), depth_shift], dim=-1),
        radii=scale.mean(dim=-1) * (1 - origin[..., 2]).abs() * rays.radii,
        near=torch.zeros_like(rays.near),
        far=torch.ones_like(rays.far),
    )


def from_ndc(points: Float[Tensor, "*batch 3"], scale: Float[Tensor, "2"]) -> Float[Tensor, "*batch 3"]:
    """Points in normalised device coordinates back in the mean camera's frame; depths are capped at a million."""
    depth = 2 / (1 - points[..., 2:]).clamp_min(2e-6)
    return torch.cat([points[..., :2] * depth / scale, depth], dim=-1)
