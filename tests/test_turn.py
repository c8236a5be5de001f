"""What cameras stand around, and a camera's turn about it."""

import math

import pytest
import torch
from scipy.spatial.transform import Rotation

from pixelnerf.geometry.cameras import look_at
from pixelnerf.geometry.turn import pivot, turned

CENTER = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def cameras(azimuths, elevations, distance=3.0):
    turn, climb = torch.deg2rad(torch.tensor([azimuths, elevations], dtype=torch.float64))
    outward = torch.stack([climb.cos() * turn.cos(), climb.cos() * turn.sin(), climb.sin()], dim=-1)
    return look_at(CENTER + distance * outward, CENTER, UP)


RING = cameras(list(range(0, 360, 15)), [30.0] * 24)
# Neither evenly spread nor all above.
SPHERE = cameras([0.0, 10, 20, 100, 190, 230, 300], [80.0, -10, 30, 5, 60, 20, 45])


@pytest.mark.parametrize("poses", [RING, SPHERE], ids=["ring", "sphere"])
def test_cameras_stand_around_their_middle_and_the_vertical(poses):
    center, up = pivot(poses.float())
    assert torch.allclose(center, CENTER, atol=1e-5)
    assert torch.allclose(up, UP, atol=1e-5)


def test_the_pivot_moves_with_the_world():
    motion = torch.eye(4, dtype=torch.float64)
    motion[:3, :3] = torch.from_numpy(Rotation.from_euler("xyz", [0.4, 1.1, -2.0]).as_matrix())
    motion[:3, 3] = torch.tensor([3.0, 4.0, 5.0])
    center, up = pivot(motion @ SPHERE)
    assert torch.allclose(center, motion[:3, :3] @ CENTER + motion[:3, 3], atol=1e-8)
    assert torch.allclose(up, motion[:3, :3] @ UP, atol=1e-8)


@pytest.mark.parametrize("azimuths", [[0.0], [0.0, 20.0, 40.0], [0.0, 0.0, 0.0], list(range(0, 150, 10))])
def test_cameras_on_one_side_stand_around_nothing(azimuths):
    assert pivot(cameras(list(map(float, azimuths)), [20.0] * len(azimuths))) is None


def test_a_turn_visits_the_ring_and_begins_at_the_camera():
    poses = turned(RING[2].float(), CENTER, UP, 24)
    assert torch.equal(poses[0], RING[2].float())
    assert torch.allclose(poses.double(), RING.roll(-2, 0), atol=1e-5)


def test_a_turn_keeps_distance_and_direction_to_the_axis():
    pose = cameras([33.0], [50.0])[0]
    poses = turned(pose, CENTER, UP, 7)
    offsets = poses[:, :3, 3] - CENTER
    assert torch.allclose(offsets.norm(dim=-1), torch.full((7,), 3.0, dtype=torch.float64))
    assert torch.allclose(offsets[:, 2], torch.full((7,), 3 * math.sin(math.radians(50)), dtype=torch.float64))
    assert torch.allclose(poses[:, :3, :3] @ poses[:, :3, :3].mT, torch.eye(3, dtype=torch.float64), atol=1e-9)
