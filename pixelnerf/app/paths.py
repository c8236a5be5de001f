"""Paths of cameras: an orbit, a spiral, a flight through given cameras, and any positions that look at a target.

A path is `Cameras` with one axis, the frames in order. Lengths are in units of the world, angles in degrees, sizes are
(width, height) in pixels. A field of view is that of the image's shorter side, so an object that fits a square picture
fits every other. Everything is computed in float64 and returned in float32.

All paths are equivariant: a rigid motion of what they are made of (cameras, centre, directions) moves the path by it.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.spatial.transform import Rotation, Slerp
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import look_at
from pixelnerf.types import Cameras

ORIGIN = torch.zeros(3)
UP = torch.tensor([0.0, 0.0, 1.0])
FRONT = torch.tensor([1.0, 0.0, 0.0])
"""The world of an object whose photo has no camera: where it stands, what is up, and where azimuth 0 is."""

# Of a spiral around its ellipse, while it swings forward and back once.
TURNS = 2
# Segments whose speeds differ by less are as fast as each other, so rounding does not decide which gets a frame first.
SAME_SPEED = 1e-4


def orbit(
    *,
    azimuth: tuple[float, float],
    elevation: float,
    distance: float,
    field_of_view: float,
    frames: int,
    size: tuple[int, int],
    center: Float[Tensor, "3"] = ORIGIN,
    up: Float[Tensor, "3"] = UP,
    front: Float[Tensor, "3"] = FRONT,
) -> Cameras:
    """Cameras on a circle around a centre that they look at, in equal steps and without roll.

    Seen from above, azimuth grows counterclockwise. At an elevation of 90 degrees the cameras look straight down, and
    the top of the picture points away from where they came. A whole number of turns leaves out its last camera, which
    would repeat the first; any other path has both its ends.

    Args:
        azimuth: of the first and of the last camera.
        elevation: above the plane through the centre.
        distance: from the centre.
        field_of_view: of the shorter side.
        frames: how many cameras.
        size: (width, height).
        center: what the cameras look at.
        up: the axis of the circle, of any length.
        front: where azimuth 0 is, of any length; what it has along `up` is ignored.

    Raises:
        UserError: a number out of its range.

    >>> from pixelnerf.app.paths import orbit
    >>> turntable = orbit(azimuth=(0, 360), elevation=30, distance=2.732, field_of_view=30, frames=4, size=(64, 64))
    >>> turntable.poses[1, :3, 3].double().numpy().round(3).tolist()
    [0.0, 2.366, 1.366]
    """
    if not (distance > 0 and math.isfinite(distance)):
        raise UserError(f"distance of an orbit must be positive, not {distance:g}")
    if not all(map(math.isfinite, (*azimuth, elevation))):
        raise UserError(f"angles of an orbit must be finite: azimuth {azimuth}, elevation {elevation}")
    _check_frames(frames)
    axis = up.double() / up.double().norm()
    ahead = front.double() - (front.double() @ axis) * axis
    if not ahead.norm() > 1e-6 * front.norm():
        raise UserError(
            f"azimuth 0 is along {front.tolist()}, which is the axis of the orbit: choose another direction"
        )
    ahead = ahead / ahead.norm()
    swept = azimuth[1] - azimuth[0]
    closed = swept != 0 and math.isclose(swept / 360, round(swept / 360), abs_tol=1e-9)
    steps = torch.arange(frames, dtype=torch.float64) / (frames if closed else max(frames - 1, 1))
    turn = torch.deg2rad(azimuth[0] + swept * steps)[:, None]
    rise = math.radians(elevation)
    outward = turn.cos() * ahead + turn.sin() * torch.linalg.cross(axis, ahead)
    directions = math.cos(rise) * outward + math.sin(rise) * axis
    # Square to the view, so that it exists at 90 degrees too.
    tops = math.cos(rise) * axis - math.sin(rise) * outward
    poses = look_at(center.double() + distance * directions, center.double(), tops)
    return _path(poses, _centered_pinhole(field_of_view, size), size)


def look_at_path(
    positions: Float[Tensor, "frame 3"],
    *,
    target: Float[Tensor, "3"],
    up: Float[Tensor, "3"] = UP,
    field_of_view: float,
    size: tuple[int, int],
) -> Cameras:
    """Cameras at positions, with the target in the middle of the picture and `up` upward.

    Raises:
        UserError: a position that is the target, or sees it along `up`; a number out of its range.
    """
    _check_frames(len(positions))
    try:
        poses = look_at(positions.double(), target.double(), up.double())
    except ValueError:
        raise UserError(f"a camera of the path stands at its target {target.tolist()}, or above or below it") from None
    return _path(poses, _centered_pinhole(field_of_view, size), size)


def spiral(cameras: Cameras, *, near: float, far: float, frames: int, size: tuple[int, int]) -> Cameras:
    """A closed spiral around the mean of cameras that face forward, as LLFF shows scenes (Mildenhall et al., 2019).

    Sideways it goes twice around the ellipse that has the given cameras' second moments, so it stays where photos were
    taken: an ellipse of radius r has the variance r^2 / 2 along it. Forward it swings once, as far as the cameras do
    but at most half the way to the nearest surface. All frames look at the point in front of the mean camera at the
    mean of the disparities 1 / near and 1 / far: there nothing moves, and what is near moves as fast as what is far.

    Args:
        cameras: at least two, not all in one place.
        near: depth of the nearest surface, from the mean camera.
        far: depth of the farthest; may be infinite.
        frames: how many cameras.
        size: (width, height).

    Raises:
        UserError: cameras that do not spread; a number out of its range.
    """
    if not 0 < near < far:
        raise UserError(f"a spiral needs depths 0 < near < far, not near {near:g} and far {far:g}")
    _check_frames(frames)
    poses = cameras.poses.double().numpy()
    center = poses[:, :3, 3].mean(0)
    mean = Rotation.from_matrix(poses[:, :3, :3]).mean().as_matrix()
    offsets = (poses[:, :3, 3] - center) @ mean
    variances, axes = np.linalg.eigh(offsets[:, :2].T @ offsets[:, :2] / len(offsets))
    if not variances[1] > (1e-6 * near) ** 2:
        raise UserError(f"a spiral around {len(poses)} camera(s) in one place would not move: choose an orbit instead")
    ellipse = axes * np.sqrt(2 * variances.clip(0)) @ axes.T
    depth = min(math.sqrt(2 * np.square(offsets[:, 2]).mean()), near / 2)

    phase = 2 * np.pi * np.arange(frames) / frames
    around = np.stack([np.cos(TURNS * phase), np.sin(TURNS * phase)], axis=1) @ ellipse
    local = np.concatenate([around, depth * np.sin(phase)[:, None]], axis=1)
    focus = np.array([0, 0, 2 / (1 / near + 1 / far)])
    positions, target = (torch.from_numpy(center + points @ mean.T) for points in (local, focus))
    log_focals, others = (values.mean(0) for values in _log_focals(_resized_intrinsics(cameras, size)))
    tops = torch.from_numpy(-mean[:, 1])
    return _path(look_at(positions, target, tops), _pinholes(log_focals, others), size)


def interpolate(cameras: Cameras, *, frames: int, size: tuple[int, int], closed: bool = False) -> Cameras:
    """A smooth flight through given cameras, each of which is one of its frames.

    Positions follow a cubic spline, rotations turn at even speed between two cameras (Slerp), focal lengths change
    by even factors. Each stretch gets frames in proportion to its length and angle, at least one.

    Args:
        cameras: two or more, in the order of the flight.
        frames: how many in all; with fewer than there are cameras some would be missed.
        size: (width, height). A camera of another shape keeps everything that it sees.
        closed: return to the first camera, which is not repeated.

    Raises:
        UserError: fewer than two cameras, or fewer frames than cameras.
    """
    count = len(cameras.poses)
    if count < 2:
        raise UserError(f"a flight goes through at least two cameras, not {count}")
    if frames < count:
        raise UserError(f"a flight through {count} cameras has at least {count} frames, not {frames}")
    order = [*range(count), 0] if closed else list(range(count))
    poses = cameras.poses.double().numpy()[order]
    rotations = Rotation.from_matrix(poses[:, :3, :3])
    lengths = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    angles = (rotations[:-1].inv() * rotations[1:]).magnitude()
    steps = _steps_of_segments(_relative(lengths) + _relative(angles), frames if closed else frames - 1)

    times, wanted = np.concatenate([[0], steps.cumsum()]), np.arange(frames)
    spline = CubicSpline(times, poses[:, :3, 3], bc_type="periodic" if closed else "natural")
    between = np.tile(np.eye(4), (frames, 1, 1))
    between[:, :3, :3] = Slerp(times, rotations)(wanted).as_matrix()
    between[:, :3, 3] = spline(wanted)
    log_focals, others = (
        PchipInterpolator(times, values[order])(wanted) for values in _log_focals(_resized_intrinsics(cameras, size))
    )
    return _path(torch.from_numpy(between), _pinholes(log_focals, others), size)


def _path(poses: Float[Tensor, "frame 4 4"], intrinsics: Float[Tensor, "*frame 3 3"], size: tuple[int, int]) -> Cameras:
    frames = len(poses)
    return Cameras(poses.float(), intrinsics.float().expand(frames, 3, 3), torch.tensor(size).expand(frames, 2))


def _check_frames(frames: int) -> None:
    if frames < 1:
        raise UserError(f"a path has at least one frame, not {frames}")


def _centered_pinhole(field_of_view: float, size: tuple[int, int]) -> Float[Tensor, "3 3"]:
    if not 0 < field_of_view < 180:
        raise UserError(f"field of view must lie between 0 and 180 degrees, not {field_of_view:g}")
    focal = min(size) / 2 / math.tan(math.radians(field_of_view / 2))
    return torch.tensor([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]], dtype=torch.float64)


def _resized_intrinsics(cameras: Cameras, size: tuple[int, int]) -> Float[ndarray, "view 3 3"]:
    """Intrinsics of the cameras for images of one size, which show all that the cameras see."""
    old, new = cameras.sizes.numpy(), np.array(size)
    matrices = cameras.intrinsics.double().numpy().copy()
    factor = (new / old).min(axis=1)
    matrices[:, :2, 2] -= old / 2
    matrices[:, :2] *= factor[:, None, None]
    matrices[:, :2, 2] += new / 2
    return matrices


def _log_focals(matrices: Float[ndarray, "view 3 3"]) -> tuple[Float[ndarray, "view 2"], Float[ndarray, "view 3"]]:
    """Logarithms of the focal lengths, and beside them skew and principal point."""
    return np.log(matrices[:, [0, 1], [0, 1]]), matrices[:, [0, 0, 1], [1, 2, 2]]


def _pinholes(
    log_focals: Float[ndarray, "*frame 2"], others: Float[ndarray, "*frame 3"]
) -> Float[Tensor, "*frame 3 3"]:
    """The inverse of `_log_focals`."""
    matrices = np.zeros((*log_focals.shape[:-1], 3, 3))
    matrices[..., [0, 1], [0, 1]] = np.exp(log_focals)
    matrices[..., [0, 0, 1], [1, 2, 2]] = others
    matrices[..., 2, 2] = 1
    return torch.from_numpy(matrices)


def _relative(lengths: Float[ndarray, "segment"]) -> Float[ndarray, "segment"]:
    """Lengths in units of their mean."""
    return lengths / lengths.mean() if lengths.any() else lengths


def _steps_of_segments(lengths: Float[ndarray, "segment"], total: int) -> Int[ndarray, "segment"]:
    """Whole steps of each segment, at least one and `total` in all, that make the fastest step as slow as can be."""
    steps = np.ones(len(lengths), dtype=np.int64)
    for _ in range(total - len(lengths)):
        speeds = lengths / steps
        steps[np.argmax(speeds >= (1 - SAME_SPEED) * speeds.max())] += 1
    return steps
