"""Orbits, spirals, flights through cameras, look-at paths: geometry, both ends, and rigid motions of the world."""

import math

import pytest
import torch
from geometry_builders import random_cameras, random_rotations, seeded, transform_cameras

from pixelnerf.app.paths import interpolate, look_at_path, orbit, spiral
from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.types import Cameras

SIZE = (96, 64)
MIDDLE = torch.tensor([[48.0, 32.0]])
TURN = dict(azimuth=(0.0, 360.0), elevation=30.0, distance=2.732, field_of_view=30.0, frames=12, size=SIZE)
TILTED = dict(
    center=torch.tensor([0.3, -0.2, 5.0]), up=torch.tensor([0.0, 3.0, 4.0]), front=torch.tensor([1.0, 1.0, -2.0])
)


def pixels_of(cameras, point):
    points = world_to_camera(cameras.poses, point.expand(len(cameras.poses), 1, 3))
    assert (points[..., 2] > 0).all()
    return project(cameras.intrinsics, points)[:, 0]


def rotation_angles(cameras):
    """Angles between one camera and the next, in radians."""
    rotations = cameras.poses[:, :3, :3].double()
    cosine = (torch.einsum("nij,nij->n", rotations[:-1], rotations[1:]) - 1) / 2
    return torch.acos(cosine.clamp(-1, 1))


def forward_facing(count=12, seed=3):
    """Cameras that look along +z, give or take, from a patch of the plane z = 0."""
    generator = seeded(seed)
    positions = torch.randn(count, 3, generator=generator) * torch.tensor([0.5, 0.2, 0.05])
    targets = torch.tensor([0.0, 0.0, 6.0]) + 0.3 * torch.randn(count, 3, generator=generator)
    up = torch.tensor([0.0, -1.0, 0.0])
    paths = [
        look_at_path(position[None], target=target, up=up, field_of_view=50.0, size=(40, 30))
        for position, target in zip(positions, targets, strict=True)
    ]
    return Cameras(*(torch.cat([getattr(p, name) for p in paths]) for name in ("poses", "intrinsics", "sizes")))


def moved(cameras):
    """A rigid motion of the world, and the cameras after it."""
    rotation, shift = random_rotations(1, seed=7)[0], torch.tensor([0.5, -1.0, 2.0])
    return rotation, shift, transform_cameras(cameras, rotation, shift, 1.0)


@pytest.mark.parametrize("world", [{}, TILTED])
@pytest.mark.parametrize("elevation", [-60.0, 0.0, 30.0, 90.0])
def test_every_camera_of_an_orbit_sees_the_centre_in_the_middle(world, elevation):
    cameras = orbit(**{**TURN, "elevation": elevation}, **world)
    center = world.get("center", torch.zeros(3))
    torch.testing.assert_close(
        pixels_of(cameras, center), torch.tensor([[48.0, 32.0]]).expand(12, 2), atol=1e-4, rtol=0
    )
    distances = (cameras.poses[:, :3, 3] - center).norm(dim=-1)
    torch.testing.assert_close(distances, torch.full((12,), 2.732), atol=1e-5, rtol=0)


@pytest.mark.parametrize("world", [{}, TILTED])
def test_an_orbit_has_no_roll_and_up_is_up(world):
    cameras = orbit(**TURN, **world)
    up = world.get("up", torch.tensor([0.0, 0.0, 1.0]))
    up = up / up.norm()
    right, down = cameras.poses[:, :3, 0], cameras.poses[:, :3, 1]
    torch.testing.assert_close(right @ up, torch.zeros(12), atol=1e-6, rtol=0)
    torch.testing.assert_close(down @ up, torch.full((12,), -math.cos(math.radians(30))), atol=1e-6, rtol=0)
    heights = (cameras.poses[:, :3, 3] - world.get("center", torch.zeros(3))) @ up
    torch.testing.assert_close(heights, torch.full((12,), 2.732 / 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("azimuth", "frames", "expected"),
    [
        ((0.0, 360.0), 4, [0, 90, 180, 270]),
        ((10.0, -350.0), 4, [10, -80, -170, -260]),
        ((0.0, 720.0), 4, [0, 180, 360, 540]),
        ((-30.0, 30.0), 3, [-30, 0, 30]),
        ((25.0, 25.0), 2, [25, 25]),
        ((25.0, 80.0), 1, [25]),
    ],
)
def test_an_orbit_goes_in_equal_steps_and_a_closed_one_does_not_repeat_its_first_frame(azimuth, frames, expected):
    cameras = orbit(**{**TURN, "azimuth": azimuth, "frames": frames, "elevation": 0.0})
    angles = torch.deg2rad(torch.tensor(expected, dtype=torch.float64))
    positions = 2.732 * torch.stack([angles.cos(), angles.sin(), 0 * angles], dim=-1)
    torch.testing.assert_close(cameras.poses[:, :3, 3].double(), positions, atol=1e-5, rtol=0)


def test_the_field_of_view_is_that_of_the_shorter_side():
    """A point that is seen 15 degrees above or beside the axis lies on the edge of the picture."""
    offset = 2.732 * math.tan(math.radians(15))
    for size, edge in (((96, 64), [48, 0]), ((64, 96), [0, 48])):
        cameras = orbit(**{**TURN, "size": size, "elevation": 0.0})[:1]
        direction = -cameras.poses[0, :3, 1] if size == (96, 64) else -cameras.poses[0, :3, 0]
        pixel = pixels_of(cameras, offset * direction)[0]
        torch.testing.assert_close(pixel, torch.tensor(edge, dtype=torch.float32), atol=1e-3, rtol=0)
        assert cameras.sizes.tolist() == [list(size)]


def test_a_rigid_motion_of_the_world_moves_an_orbit():
    plain = orbit(**TURN, **TILTED)
    rotation, shift, expected = moved(plain)
    world = {"center": rotation @ TILTED["center"] + shift, **{k: rotation @ TILTED[k] for k in ("up", "front")}}
    torch.testing.assert_close(orbit(**TURN, **world).poses, expected.poses, atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"distance": 0.0}, "distance"),
        ({"distance": math.inf}, "distance"),
        ({"elevation": math.nan}, "elevation"),
        ({"frames": 0}, "at least one frame"),
        ({"field_of_view": 180.0}, "field of view"),
        ({"front": torch.tensor([0.0, 0.0, 2.0])}, "axis of the orbit"),
    ],
)
def test_an_impossible_orbit_is_refused_in_a_line(wrong, message):
    with pytest.raises(UserError, match=message) as refusal:
        orbit(**{**TURN, **wrong})
    assert "\n" not in str(refusal.value)


def test_a_look_at_path_stands_where_it_is_told_and_sees_the_target_in_the_middle():
    positions = torch.randn(9, 3, generator=seeded()) + torch.tensor([4.0, 0.0, 1.0])
    target, up = torch.tensor([-1.0, 0.5, 0.2]), torch.tensor([0.1, 0.0, 1.0])
    path = look_at_path(positions, target=target, up=up, field_of_view=40.0, size=SIZE)
    assert torch.equal(path.poses[:, :3, 3], positions)
    torch.testing.assert_close(pixels_of(path, target), MIDDLE.expand(9, 2), atol=1e-4, rtol=0)
    rotation, shift, expected = moved(path)
    again = look_at_path(
        positions @ rotation.T + shift,
        target=rotation @ target + shift,
        up=rotation @ up,
        field_of_view=40.0,
        size=SIZE,
    )
    torch.testing.assert_close(again.poses, expected.poses, atol=2e-6, rtol=0)


@pytest.mark.parametrize("position", [[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
def test_a_camera_at_its_target_or_above_it_is_refused(position):
    with pytest.raises(UserError, match="target"):
        look_at_path(torch.tensor([position]), target=torch.zeros(3), field_of_view=40.0, size=SIZE)


def test_a_spiral_spreads_sideways_as_the_cameras_do():
    """In the mean camera's plane, positions have the cameras' mean and covariance."""
    cameras = forward_facing()
    path = spiral(cameras, near=3.0, far=12.0, frames=60, size=SIZE)
    given, ours = (positions[:, :3, 3].double() for positions in (cameras.poses, path.poses))
    torch.testing.assert_close(ours.mean(0), given.mean(0), atol=1e-6, rtol=0)
    mean = torch.linalg.svd(cameras.poses[:, :3, :3].double().mean(0))
    plane = (mean.U @ mean.Vh)[:, :2]
    torch.testing.assert_close((ours @ plane).T.cov(), (given @ plane).T.cov() * 11 / 12 * 60 / 59, atol=1e-4, rtol=0)


def test_a_spiral_looks_at_the_mean_disparity_and_closes():
    cameras = forward_facing()
    path = spiral(cameras, near=3.0, far=12.0, frames=60, size=SIZE)
    # The only point that all of them see in the middle, by least squares of its distances to the axes.
    axes, positions = path.poses[:, :3, 2].double(), path.poses[:, :3, 3].double()
    off_axis = torch.eye(3, dtype=torch.float64) - axes[:, :, None] * axes[:, None, :]
    focus = torch.linalg.solve(off_axis.sum(0), (off_axis @ positions[:, :, None]).sum(0))[:, 0]
    middle = path.intrinsics[:, :2, 2]
    torch.testing.assert_close(pixels_of(path, focus.float()), middle, atol=1e-3, rtol=0)
    assert (focus - positions.mean(0)).norm().item() == pytest.approx(2 / (1 / 3 + 1 / 12), rel=1e-5)
    steps = (positions.roll(-1, 0) - positions).norm(dim=-1)
    assert steps[-1] < 1.5 * steps[:-1].max()
    assert steps[-1] > 0


def test_a_spiral_stays_clear_of_the_nearest_surface():
    cameras = forward_facing()
    cameras.poses[:, 2, 3] *= 200
    path = spiral(cameras, near=1.0, far=math.inf, frames=40, size=SIZE)
    forward = torch.linalg.svd(cameras.poses[:, :3, :3].mean(0))
    depth = (path.poses[:, :3, 3] - cameras.poses[:, :3, 3].mean(0)) @ (forward.U @ forward.Vh)[:, 2]
    assert depth.abs().max().item() == pytest.approx(0.5, abs=1e-3)


def test_a_rigid_motion_of_the_cameras_moves_a_spiral():
    cameras = forward_facing()
    path = spiral(cameras, near=3.0, far=12.0, frames=20, size=SIZE)
    _, _, expected = moved(path)
    again = spiral(moved(cameras)[2], near=3.0, far=12.0, frames=20, size=SIZE)
    torch.testing.assert_close(again.poses, expected.poses, atol=5e-6, rtol=0)


def test_a_spiral_that_would_not_move_is_refused():
    with pytest.raises(UserError, match="would not move"):
        spiral(forward_facing()[:1], near=1.0, far=3.0, frames=9, size=SIZE)
    with pytest.raises(UserError, match="near"):
        spiral(forward_facing(), near=3.0, far=3.0, frames=9, size=SIZE)


@pytest.mark.parametrize(("closed", "frames"), [(False, 5), (False, 40), (True, 5), (True, 43)])
def test_a_flight_passes_through_the_cameras_in_order(closed, frames):
    cameras = random_cameras(5)
    path = interpolate(cameras, frames=frames, size=(40, 30), closed=closed)
    assert path.poses.shape == (frames, 4, 4)
    distances = (path.poses[None] - cameras.poses[:, None]).abs().amax((-1, -2))
    found = distances.argmin(dim=1)
    torch.testing.assert_close(path.poses[found], cameras.poses, atol=2e-6, rtol=0)
    torch.testing.assert_close(path.intrinsics[found], cameras.intrinsics, atol=1e-4, rtol=0)
    assert found.tolist() == sorted(set(found.tolist()))
    assert found[0] == 0
    assert (frames - 1 in found) == (not closed or frames == 5)


@pytest.mark.parametrize("closed", [False, True])
def test_rotation_is_even_between_two_cameras(closed):
    cameras = random_cameras(4)
    path = interpolate(cameras, frames=61, size=(40, 30), closed=closed)
    keys = (path.poses[None] - cameras.poses[:, None]).abs().amax((-1, -2)).argmin(dim=1).tolist()
    angles = rotation_angles(path)
    for start, end in zip(keys, [*keys[1:], len(angles)], strict=True):
        if end > start:
            turned = angles[start:end]
            torch.testing.assert_close(turned, turned.mean().expand_as(turned), atol=1e-3, rtol=0)


def test_even_cameras_on_a_line_give_even_steps_on_the_line():
    cameras = random_cameras(1)[[0, 0, 0, 0]]
    cameras.poses[:, :3, 3] = torch.tensor([1.0, 2.0, -1.0]) * torch.arange(4)[:, None]
    path = interpolate(cameras, frames=13, size=(40, 30))
    expected = torch.tensor([1.0, 2.0, -1.0]) * torch.arange(13)[:, None] / 4
    torch.testing.assert_close(path.poses[:, :3, 3], expected, atol=1e-6, rtol=0)


def test_stretches_get_frames_by_their_length():
    cameras = random_cameras(1)[[0, 0, 0]]
    cameras.poses[:, :3, 3] = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [5.0, 0.0, 0.0]])
    path = interpolate(cameras, frames=51, size=(40, 30))
    torch.testing.assert_close(path.poses[10, :3, 3], cameras.poses[1, :3, 3], atol=1e-6, rtol=0)


def test_a_flight_through_an_orbit_stays_near_it():
    """A cubic spline of the circle's 12 positions leaves it by far less than the chords, which leave it by 3 %."""
    ring = orbit(**TURN)
    path = interpolate(ring, frames=120, size=SIZE, closed=True)
    distances = path.poses[:, :3, 3].norm(dim=-1)
    torch.testing.assert_close(distances, torch.full((120,), 2.732), atol=0.002, rtol=0)


def test_zooming_is_even_in_factors():
    cameras = random_cameras(1)[[0, 0]]
    matrices = cameras.intrinsics.clone()
    matrices[1, [0, 1], [0, 1]] *= 4
    path = interpolate(Cameras(cameras.poses, matrices, cameras.sizes), frames=3, size=(40, 30))
    torch.testing.assert_close(path.intrinsics[1, [0, 1], [0, 1]], 2 * matrices[0, [0, 1], [0, 1]], atol=1e-4, rtol=0)


def test_cameras_of_other_sizes_keep_what_they_see():
    cameras = random_cameras(2)
    mixed = Cameras(cameras.poses, cameras.intrinsics.clone(), cameras.sizes.clone())
    mixed.intrinsics[1, :2] *= 2
    mixed.sizes[1] *= 2
    path = interpolate(mixed, frames=2, size=(80, 60))
    expected = cameras.scaled(2.0)
    torch.testing.assert_close(path.intrinsics, expected.intrinsics, atol=1e-4, rtol=0)
    assert path.sizes.tolist() == [[80, 60], [80, 60]]
    # In a square picture, the corners of the old one lie inside.
    square = interpolate(mixed, frames=2, size=(80, 80))
    rays = torch.linalg.inv(cameras.intrinsics[0]) @ torch.tensor([[0.0, 40.0], [0.0, 30.0], [1.0, 1.0]])
    corners = project(square.intrinsics[0], rays.T)
    torch.testing.assert_close(corners, torch.tensor([[0.0, 10.0], [80.0, 70.0]]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("closed", [False, True])
def test_a_rigid_motion_of_the_cameras_moves_a_flight(closed):
    cameras = forward_facing(6)
    path = interpolate(cameras, frames=50, size=SIZE, closed=closed)
    again = interpolate(moved(cameras)[2], frames=50, size=SIZE, closed=closed)
    torch.testing.assert_close(again.poses, moved(path)[2].poses, atol=5e-6, rtol=0)


def test_one_camera_twice_rests():
    camera = random_cameras(1)[[0, 0]]
    path = interpolate(camera, frames=4, size=(40, 30))
    torch.testing.assert_close(path.poses, camera.poses[:1].expand(4, 4, 4), atol=1e-6, rtol=0)


def test_a_flight_needs_two_cameras_and_a_frame_for_each():
    with pytest.raises(UserError, match="at least two"):
        interpolate(random_cameras(1), frames=9, size=SIZE)
    with pytest.raises(UserError, match="at least 5 frames"):
        interpolate(random_cameras(5), frames=4, size=SIZE)
