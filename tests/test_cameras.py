"""Camera frames, projection, its Jacobian, placement, and similarities of the world."""

import pytest
import torch
from geometry_builders import points_in_front, random_cameras, random_rotations, seeded, transform_cameras

from pixelnerf.geometry.cameras import look_at, project, projection_jacobian, world_to_camera


def test_world_to_camera_inverts_the_pose():
    poses = random_cameras(5).poses
    points = torch.randn(5, 7, 3, generator=seeded())
    homogeneous = torch.cat([points, torch.ones(5, 7, 1)], dim=-1).double()
    expected = (homogeneous @ torch.linalg.inv(poses.double()).mT)[..., :3]
    torch.testing.assert_close(world_to_camera(poses, points).double(), expected, atol=1e-6, rtol=0)


def test_world_to_camera_broadcasts_points_over_views():
    poses = random_cameras(6).poses.unflatten(0, (2, 3))
    points = torch.randn(2, 1, 7, 3, generator=seeded())
    expected = world_to_camera(poses, points.expand(2, 3, 7, 3))
    assert torch.equal(world_to_camera(poses, points), expected)


def test_projection_is_the_matrix_product_and_division():
    cameras = random_cameras(4)
    points = world_to_camera(cameras.poses, points_in_front(cameras, 9))
    homogeneous = points @ cameras.intrinsics.mT
    expected = homogeneous[..., :2] / homogeneous[..., 2:]
    torch.testing.assert_close(project(cameras.intrinsics, points), expected, atol=1e-4, rtol=0)


def test_optical_axis_projects_to_the_principal_point():
    intrinsics = random_cameras(1).intrinsics[0]
    assert project(intrinsics, torch.tensor([[0.0, 0.0, 2.5]])).tolist() == [[21.0, 14.0]]


def test_jacobian_is_the_derivative_of_the_projection():
    cameras = random_cameras(3)
    points = world_to_camera(cameras.poses, points_in_front(cameras, 5)).double()
    for intrinsics, camera_points in zip(cameras.intrinsics.double(), points, strict=True):
        derivative = torch.autograd.functional.jacobian(lambda p, k=intrinsics: project(k, p).sum(0), camera_points)
        jacobian = projection_jacobian(intrinsics, camera_points)
        torch.testing.assert_close(jacobian, derivative.transpose(0, 1), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    "point",
    [[0.0, 0.0, 0.0], [1.0, -2.0, 0.0], [1.0, 1.0, -3.0], [0.0, 0.0, -1.0], [1e-20, 0.0, 1e-20], [1e6, 0.0, 1e-6]],
)
def test_projection_and_jacobian_are_finite_at_and_behind_the_camera(point):
    intrinsics = random_cameras(1).intrinsics[0]
    points = torch.tensor([point], requires_grad=True)
    pixels, jacobian = project(intrinsics, points), projection_jacobian(intrinsics, points)
    (gradient,) = torch.autograd.grad(pixels.sum() + jacobian.sum() * 1e-12, points)
    for values in (pixels, jacobian, gradient):
        assert values.isfinite().all()


def test_points_behind_the_camera_do_not_land_in_the_image():
    intrinsics = random_cameras(1).intrinsics[0]
    pixels = project(intrinsics, torch.tensor([[0.5, 0.5, -1.0], [-0.1, 0.02, -4.0]]))
    assert (pixels[0] > 400).all()
    assert pixels[1, 0] < -400


def test_projection_does_not_change_with_the_unit_of_length():
    intrinsics = random_cameras(1).intrinsics[0]
    points = torch.randn(100, 3, generator=seeded())
    for unit in (2.0**-20, 2.0**20):
        assert torch.equal(project(intrinsics, unit * points), project(intrinsics, points))


def test_autocast_does_not_round_positions():
    cameras = random_cameras(3)
    points = points_in_front(cameras, 6)

    def pixels():
        camera_points = world_to_camera(cameras.poses, points)
        jacobian = projection_jacobian(cameras.intrinsics, camera_points)
        return project(cameras.intrinsics, camera_points), jacobian

    with torch.autocast("cpu", torch.bfloat16):
        rounded = pixels()
    for exact, other in zip(pixels(), rounded, strict=True):
        assert torch.equal(exact, other)


def test_look_at_puts_the_target_in_the_centre_and_up_upward():
    positions = torch.randn(8, 3, generator=seeded()) * 3
    targets = torch.randn(8, 3, generator=seeded(1))
    up = torch.tensor([0.0, 0.0, 1.0])
    poses = look_at(positions, targets, up)
    rotations = poses[:, :3, :3]
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand(8, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(rotations.det(), torch.ones(8))
    target_in_camera = world_to_camera(poses, targets[:, None])[:, 0]
    distance = (targets - positions).norm(dim=-1)
    expected = torch.stack([torch.zeros(8), torch.zeros(8), distance], dim=-1)
    torch.testing.assert_close(target_in_camera, expected, atol=1e-5, rtol=0)
    above = world_to_camera(poses, (targets + 0.1 * up)[:, None])[:, 0]
    assert (above[:, 1] < -1e-3).all()
    torch.testing.assert_close(above[:, 0], torch.zeros(8), atol=1e-5, rtol=0)


def test_look_at_worked_example():
    pose = look_at(torch.tensor([0.0, -2.0, 0.0]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))
    expected = torch.tensor([[1.0, 0, 0, 0], [0, 0, 1, -2], [0, -1, 0, 0], [0, 0, 0, 1]])
    assert torch.equal(pose, expected)


@pytest.mark.parametrize("target", [[1.0, 1.0, 1.0], [1.0, 1.0, 5.0], [1.000001, 1.0, 5.0]])
def test_look_at_refuses_an_undefined_view(target):
    with pytest.raises(ValueError, match="upward"):
        look_at(torch.ones(3), torch.tensor(target), torch.tensor([0.0, 0.0, 1.0]))


def test_similarity_of_the_world_leaves_pixels_and_scales_depth():
    cameras = random_cameras(4)
    points = points_in_front(cameras, 6)
    rotation, translation, scale = random_rotations(1, seed=9)[0], torch.tensor([3.0, -1.0, 2.0]), 2.7
    moved = transform_cameras(cameras, rotation, translation, scale)
    moved_points = scale * points @ rotation.T + translation
    before = world_to_camera(cameras.poses, points)
    after = world_to_camera(moved.poses, moved_points)
    torch.testing.assert_close(after, scale * before, atol=2e-5, rtol=0)
    pixels = project(cameras.intrinsics, before)
    torch.testing.assert_close(project(moved.intrinsics, after), pixels, atol=1e-3, rtol=0)
    rotations = moved.poses[:, :3, :3]
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand(4, 3, 3), atol=1e-6, rtol=0)


def test_transform_does_not_change_the_original():
    cameras = random_cameras(2)
    poses = cameras.poses.clone()
    transform_cameras(cameras, random_rotations(1)[0], torch.ones(3), 2.0)
    assert torch.equal(cameras.poses, poses)
