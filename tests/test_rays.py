"""Pixel centres, cones through pixels and their radii."""

import pytest
import torch
from geometry_builders import random_cameras, random_rotations, seeded, transform_cameras

from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.geometry.rays import image_rays, pixel_centers, rays_through_pixels
from pixelnerf.types import Cameras


def square_camera(focal: float = 50.0, size: int = 32) -> Cameras:
    matrix = torch.tensor([[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]])
    return Cameras(torch.eye(4), matrix, torch.tensor([size, size]))


def random_pixels(cameras: Cameras, count: int) -> torch.Tensor:
    return torch.rand(len(cameras.poses), count, 2, generator=seeded(3)) * cameras.sizes[:, None]


def bounds(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((count,), 1.2), torch.full((count,), 4.0)


def test_pixel_centers_run_row_by_row():
    expected = [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5], [0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]
    assert pixel_centers(width=3, height=2).tolist() == expected


@pytest.mark.parametrize("normalize", [False, True])
def test_ray_through_a_pixel_projects_back_on_it(normalize):
    cameras = random_cameras(4)
    pixels = random_pixels(cameras, 11)
    rays = rays_through_pixels(cameras, pixels, *bounds(4), normalize_directions=normalize)
    for t in (0.3, 1.0, 20.0):
        points = world_to_camera(cameras.poses, rays.origins + t * rays.directions)
        torch.testing.assert_close(project(cameras.intrinsics, points), pixels, atol=1e-3, rtol=0)


def test_t_is_depth_or_distance():
    cameras = random_cameras(4)
    pixels = random_pixels(cameras, 11)
    rays = rays_through_pixels(cameras, pixels, *bounds(4))
    depth = world_to_camera(cameras.poses, rays.origins + 2.5 * rays.directions)[..., 2]
    torch.testing.assert_close(depth, torch.full_like(depth, 2.5), atol=1e-5, rtol=0)
    unit = rays_through_pixels(cameras, pixels, *bounds(4), normalize_directions=True)
    torch.testing.assert_close(unit.directions.norm(dim=-1), torch.ones(4, 11))


def test_normalizing_leaves_the_cone_in_place():
    cameras = random_cameras(2)
    pixels = random_pixels(cameras, 5)
    rays = rays_through_pixels(cameras, pixels, *bounds(2))
    unit = rays_through_pixels(cameras, pixels, *bounds(2), normalize_directions=True)
    distance = 2.5 * rays.directions.norm(dim=-1)
    torch.testing.assert_close(2.5 * rays.directions, distance[..., None] * unit.directions, atol=1e-5, rtol=0)
    torch.testing.assert_close(2.5 * rays.radii, distance * unit.radii)


def test_disc_has_the_variance_of_the_pixel():
    camera = square_camera(focal=50.0)
    t = 3.0
    inside = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    footprint = t * (inside + 20 - 16) / 50
    disc_variance = (image_rays(camera, 1.0, 4.0).radii[0].double() * t).square() / 4
    torch.testing.assert_close(disc_variance, footprint.var(correction=0), rtol=1e-5, atol=0)


def test_pixels_that_are_not_square_keep_their_mean_variance():
    camera = random_cameras(1)[0]
    expected = ((1 / 50**2 + 1 / 44**2) / 2 / 12 * 4) ** 0.5
    radii = image_rays(camera, 1.0, 4.0).radii
    torch.testing.assert_close(radii, torch.full_like(radii, expected))


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0])
def test_scaled_camera_gives_scaled_cones_over_the_same_view(factor):
    camera = square_camera()
    rays, scaled = image_rays(camera, 1.0, 4.0), image_rays(camera.scaled(factor), 1.0, 4.0)
    torch.testing.assert_close(scaled.radii[0], rays.radii[0] / factor)
    size, scaled_size = 32, round(32 * factor)
    pooled, pooled_scaled = (
        torch.nn.functional.adaptive_avg_pool2d(directions.T.unflatten(1, (width, width)), 16)
        for directions, width in ((rays.directions, size), (scaled.directions, scaled_size))
    )
    torch.testing.assert_close(pooled, pooled_scaled, atol=1e-6, rtol=0)


def test_similarity_moves_the_rays_along():
    cameras = random_cameras(3)
    pixels = random_pixels(cameras, 5)
    rotation, translation, scale = random_rotations(1, seed=7)[0], torch.tensor([1.0, 2.0, 3.0]), 0.4
    rays = rays_through_pixels(cameras, pixels, *bounds(3))
    moved = rays_through_pixels(transform_cameras(cameras, rotation, translation, scale), pixels, *bounds(3))
    torch.testing.assert_close(moved.directions, rays.directions @ rotation.T, atol=1e-6, rtol=0)
    torch.testing.assert_close(moved.origins, scale * rays.origins @ rotation.T + translation, atol=1e-5, rtol=0)
    assert torch.equal(moved.radii, rays.radii)


def test_image_rays_are_rays_through_pixel_centers():
    camera = random_cameras(1)[0]
    rays = image_rays(camera, 1.2, 4.0)
    expected = rays_through_pixels(camera, pixel_centers(40, 30), torch.tensor(1.2), torch.tensor(4.0))
    assert rays.radii.shape == (30 * 40,)
    assert torch.equal(rays.directions, expected.directions)
    assert rays.near.unique().tolist() == pytest.approx([1.2])
    assert rays.far.unique().tolist() == pytest.approx([4.0])
    assert rays[slice(40, 80)].directions.shape == (40, 3)


def test_autocast_does_not_round_directions():
    camera = random_cameras(1)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = image_rays(camera, 1.0, 4.0)
    assert torch.equal(rounded.directions, image_rays(camera, 1.0, 4.0).directions)
