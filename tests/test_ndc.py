import pytest
import torch

from pixelnerf.geometry.ndc import to_ndc
from pixelnerf.geometry.rays import image_rays
from pixelnerf.types import Cameras

SCALE = torch.tensor([1.8, 2.4], dtype=torch.float64)


def camera(position, tilt=0.0):
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, 3] = torch.tensor(position)
    cosine, sine = torch.cos(torch.tensor(tilt)), torch.sin(torch.tensor(tilt))
    pose[0, 0], pose[0, 2], pose[2, 0], pose[2, 2] = cosine, sine, -sine, cosine
    intrinsics = torch.tensor([[36.0, 0, 20], [0, 36, 15], [0, 0, 1]], dtype=torch.float64)
    return Cameras(pose, intrinsics, torch.tensor([40, 30]))


@pytest.mark.parametrize("depth", [1.0, 1.5, 7.0, 1e4])
def test_points_of_a_ray_stay_on_the_ray(depth):
    rays = image_rays(camera([0.3, -0.2, 0.1], tilt=0.2), 1.0, 100.0)
    t = (depth - rays.origins[:, 2]) / rays.directions[:, 2]
    x, y, z = (rays.origins + t[:, None] * rays.directions).unbind(-1)
    expected = torch.stack([SCALE[0] * x / z, SCALE[1] * y / z, 1 - 2 / z], dim=-1)
    ndc = to_ndc(rays, SCALE)
    torch.testing.assert_close(ndc.origins + (1 - 1 / depth) * ndc.directions, expected)


def test_the_mean_cameras_photo_fills_the_cube_and_infinity_is_its_far_side():
    rays = image_rays(camera([0.0, 0.0, 0.0]), 1.0, 100.0)
    ndc = to_ndc(rays, SCALE)
    assert ndc.origins[:, :2].abs().max() < 1
    assert ndc.origins[:, :2].abs().max() > 0.95
    torch.testing.assert_close(ndc.directions[:, :2], torch.zeros_like(ndc.directions[:, :2]))
    assert torch.equal((ndc.origins + ndc.directions)[:, 2], torch.ones(1200, dtype=torch.float64))
    assert (ndc.near == 0).all()
    assert (ndc.far == 1).all()


@pytest.mark.parametrize("position", [[0.0, 0.0, 0.0], [0.4, 0.1, -0.3]])
def test_cylinders_are_as_wide_as_pixels_at_depth_one(position):
    ndc = to_ndc(image_rays(camera(position), 1.0, 100.0), SCALE)
    grid = ndc.origins.reshape(30, 40, 3)
    across, down = (grid[:, 1:] - grid[:, :-1]).norm(dim=-1).mean(), (grid[1:] - grid[:-1]).norm(dim=-1).mean()
    torch.testing.assert_close(ndc.radii.mean(), (across + down) / 2 * 2 / 12**0.5)
