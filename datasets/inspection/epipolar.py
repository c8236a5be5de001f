"""Two-view geometry: epipolar lines, triangulation and reprojection errors, in pixels."""

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.geometry.cameras import project, rotate, world_to_camera
from pixelnerf.types import Cameras


def fundamental(cameras: Cameras) -> Float[Tensor, "3 3"]:
    """The matrix F of two cameras (batch = 2) with x2^T F x1 = 0 for pixels x of the same point."""
    first, second = cameras.poses.double()
    rotation = second[:3, :3].T @ first[:3, :3]
    x, y, z = second[:3, :3].T @ (first[:3, 3] - second[:3, 3])
    cross = torch.stack([z * 0, -z, y, z, z * 0, -x, -y, x, z * 0]).reshape(3, 3)
    inverses = torch.linalg.inv(cameras.intrinsics.double())
    return inverses[1].T @ cross @ rotation @ inverses[0]


def epipolar_distances(cameras: Cameras, pixels: Float[Tensor, "view=2 match 2"]) -> Float[Tensor, "match"]:
    """Mean distance of each match's two pixels from the other's epipolar line."""
    matrix = fundamental(cameras)
    first, second = torch.nn.functional.pad(pixels, (0, 1), value=1.0)
    lines = second @ matrix, first @ matrix.T
    residual = (first * lines[0]).sum(dim=-1).abs()
    normals = [line[:, :2].norm(dim=-1).clamp_min(1e-12) for line in lines]
    return residual * (1 / normals[0] + 1 / normals[1]) / 2


def triangulate(cameras: Cameras, pixels: Float[Tensor, "view=2 match 2"]) -> Float[Tensor, "match 3"]:
    """The points nearest to both rays of each match."""
    directions, origins = pixel_directions(cameras, pixels)
    across = torch.eye(3, dtype=torch.float64) - directions[..., :, None] * directions[..., None, :]
    right = (across @ origins[:, None, :, None]).sum(dim=0)
    # Parallel rays meet nowhere; a little weight on the first camera keeps the system regular.
    matrix = across.sum(dim=0) + 1e-12 * torch.eye(3, dtype=torch.float64)
    return torch.linalg.solve(matrix, right)[..., 0]


def reprojection_errors(
    cameras: Cameras, points: Float[Tensor, "match 3"], pixels: Float[Tensor, "view match 2"]
) -> Float[Tensor, "view match"]:
    """How far points project from where each view saw them."""
    seen = project(cameras.intrinsics.double(), world_to_camera(cameras.poses.double(), points))
    return (seen - pixels).norm(dim=-1)


def depths(cameras: Cameras, points: Float[Tensor, "point 3"]) -> Float[Tensor, "view point"]:
    """Depth along each camera's axis."""
    return world_to_camera(cameras.poses.double(), points.double())[..., 2]


def pixel_directions(
    cameras: Cameras, pixels: Float[Tensor, "view match 2"]
) -> tuple[Float[Tensor, "view match 3"], Float[Tensor, "view 3"]]:
    """Unit directions of the pixels' rays in the world, and where they start."""
    straight = torch.nn.functional.pad(pixels, (0, 1), value=1.0)
    poses = cameras.poses.double()
    directions = rotate(poses[:, :3, :3] @ torch.linalg.inv(cameras.intrinsics.double()), straight)
    return directions / directions.norm(dim=-1, keepdim=True), poses[:, :3, 3]


def common_center(cameras: Cameras) -> Float[Tensor, "3"]:
    """The point nearest to all optical axes; far away, but finite, where they are parallel."""
    axes = cameras.poses[:, :3, 2].double()
    across = torch.eye(3, dtype=torch.float64) - axes[:, :, None] * axes[:, None, :]
    matrix = across.sum(dim=0) + 1e-9 * len(axes) * torch.eye(3, dtype=torch.float64)
    return torch.linalg.solve(matrix, (across @ cameras.poses[:, :3, 3:].double()).sum(dim=0))[:, 0]
