"""Random rotations, cameras and cones for the tests of the geometry."""

import torch
from jaxtyping import Float
from torch import Tensor

from pixelnerf.geometry.cameras import rotate
from pixelnerf.types import Cameras, Gaussians, Rays


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_rotations(count: int, seed: int = 0) -> Tensor:
    """Rotation matrices (count, 3, 3) in float32."""
    matrices, _ = torch.linalg.qr(torch.randn(count, 3, 3, generator=seeded(seed), dtype=torch.float64))
    return (matrices * matrices.det()[:, None, None]).float()


def random_cameras(count: int, seed: int = 0) -> Cameras:
    """Cameras anywhere, with skew and pixels that are not square, for images of 40 x 30."""
    poses = torch.eye(4).repeat(count, 1, 1)
    poses[:, :3, :3] = random_rotations(count, seed)
    poses[:, :3, 3] = torch.randn(count, 3, generator=seeded(seed + 1))
    matrix = torch.tensor([[50.0, 1.5, 21.0], [0.0, 44.0, 14.0], [0.0, 0.0, 1.0]])
    return Cameras(poses, matrix.repeat(count, 1, 1), torch.tensor([40, 30]).repeat(count, 1))


def points_in_front(cameras: Cameras, count: int, seed: int = 0) -> Tensor:
    """World points (camera, count, 3) at depths from 1 to 4."""
    generator = seeded(seed)
    depth = 1 + 3 * torch.rand(len(cameras.poses), count, 1, generator=generator)
    sideways = (torch.rand(len(cameras.poses), count, 2, generator=generator) - 0.5) * depth
    points = torch.cat([sideways, depth], dim=-1)
    return points @ cameras.poses[:, :3, :3].mT + cameras.poses[:, None, :3, 3]


def random_rays(count: int, seed: int = 0) -> Rays:
    """Cones (count,) whose directions are not unit vectors."""
    generator = seeded(seed)
    return Rays(
        origins=torch.randn(count, 3, generator=generator),
        directions=torch.randn(count, 3, generator=generator) + torch.tensor([0.0, 0.0, 2.0]),
        radii=0.01 + 0.1 * torch.rand(count, generator=generator),
        near=torch.full((count,), 0.5),
        far=torch.full((count,), 6.0),
    )


def random_edges(rays: Rays, samples: int, seed: int = 0) -> Tensor:
    """Ascending edges (ray, samples + 1) within the rays' ranges."""
    shares = torch.rand(len(rays.near), samples + 1, generator=seeded(seed)).sort(dim=-1).values
    return rays.near[:, None] + shares * (rays.far - rays.near)[:, None]


def transform_cameras(
    cameras: Cameras, rotation: Float[Tensor, "3 3"], translation: Float[Tensor, "3"], scale: float
) -> Cameras:
    """The cameras after the world moved by x -> scale * rotation x + translation.

    They see the moved world as they saw the old one, at `scale` times the depth: near and far must be scaled along.
    """
    poses = cameras.poses.clone()
    poses[..., :3, :] = rotate(rotation, cameras.poses[..., :3, :].mT).mT
    poses[..., :3, 3] = scale * poses[..., :3, 3] + translation
    return Cameras(poses, cameras.intrinsics, cameras.sizes)


def full_covariance(gaussians: Gaussians) -> Float[Tensor, "*batch ray sample 3 3"]:
    """Covariance matrices (mip-NeRF, equation 8)."""
    directions = gaussians.directions[..., None, :]
    outer = directions[..., :, None] * directions[..., None, :]
    identity = torch.eye(3, dtype=outer.dtype, device=outer.device)
    return gaussians.axial[..., None, None] * outer + gaussians.radial[..., None, None] * identity
