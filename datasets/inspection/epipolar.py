"""Geometry of several views, in pixels and world units.

Cameras are in float64, since the rays of a match are nearly parallel.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize, pad

from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.geometry.rays import rays_through_pixels
from pixelnerf.types import Cameras, Rays


def projected(
    cameras: Cameras, points: Float[Tensor, "*#batch point 3"]
) -> tuple[Float[Tensor, "*batch point 2"], Float[Tensor, "*batch point"]]:
    """Pixels of world points, and their depths; pixels mean nothing where the depth is not positive."""
    local = world_to_camera(cameras.poses, points)
    return project(cameras.intrinsics, local), local[..., 2]


def pixel_rays(cameras: Cameras, pixels: Float[Tensor, "view ray 2"]) -> Rays:
    """Rays through pixels, with unit directions and no bounds."""
    unused = cameras.poses.new_zeros(len(cameras.poses))
    return rays_through_pixels(cameras, pixels, unused, unused, normalize_directions=True)


def fundamental(cameras: Cameras) -> Float[Tensor, "3 3"]:
    """The matrix F of two cameras (batch = 2) with x2^T F x1 = 0 for pixels x of the same point."""
    first, second = cameras.poses
    to_second = second[:3, :3].T @ (first - second)[:3, 3:]
    essential = torch.linalg.cross(to_second, second[:3, :3].T @ first[:3, :3], dim=0)
    inverses = torch.linalg.inv(cameras.intrinsics)
    return inverses[1].T @ essential @ inverses[0]


def epipolar_distances(cameras: Cameras, pixels: Float[Tensor, "view=2 match 2"]) -> Float[Tensor, "match"]:
    """Mean distance of each match's two pixels from the other's epipolar line."""
    matrix = fundamental(cameras)
    first, second = pad(pixels, (0, 1), value=1.0)
    lines = torch.stack([second @ matrix, first @ matrix.T])
    residual = (first * lines[0]).sum(dim=-1).abs()
    return (residual / lines[..., :2].norm(dim=-1).clamp_min(1e-12)).mean(dim=0)


def triangulate(cameras: Cameras, pixels: Float[Tensor, "view match 2"]) -> Float[Tensor, "match 3"]:
    """The points nearest to the rays of each match."""
    rays = pixel_rays(cameras, pixels)
    return _nearest_points(rays.origins, rays.directions)


def common_center(cameras: Cameras) -> Float[Tensor, "3"]:
    """The point nearest to all optical axes; finite even if they are parallel."""
    return _nearest_points(cameras.poses[:, :3, 3], normalize(cameras.poses[:, :3, 2], dim=-1))


def _nearest_points(
    origins: Float[Tensor, "line *batch 3"], directions: Float[Tensor, "line *batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """The points with the smallest squared distances to lines; directions are unit vectors."""
    identity = torch.eye(3, dtype=origins.dtype)
    across = identity - directions[..., :, None] * directions[..., None, :]
    # Parallel lines have no nearest point: a little weight on the world's origin chooses one.
    matrix = across.sum(dim=0) + 1e-12 * identity
    return torch.linalg.solve(matrix, (across @ origins[..., None]).sum(dim=0))[..., 0]
