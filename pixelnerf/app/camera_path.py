"""Paths of cameras in nerfstudio's camera_path.json.

    camera_path     the frames: `camera_to_world` (16 numbers, row by row, OpenGL's axes: x right, y up, z backward),
                    `fov` (vertical, degrees) and `aspect`
    render_width, render_height, fps, seconds, camera_type
    keyframes       what nerfstudio's viewer loads; `ns-render camera-path` reads `camera_path` instead

Pixels are square and the principal point is the image's middle: the format has no other. Source of these facts:
docs.nerf.studio, `nerfstudio.cameras.camera_paths`.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from pixelnerf.errors import UserError
from pixelnerf.tools.files import refusal_in_a_line, write_atomically
from pixelnerf.types import Cameras, TensorRecord

# From OpenGL's camera axes to OpenCV's, and back.
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
# Files written by hand are rounded to some digits; a wrong convention or a scale is off by far more.
RIGID_TOLERANCE = 1e-3
# The longest side of an H.264 picture, and more than any render needs.
LONGEST_SIDE = 16384


@dataclass(frozen=True)
class CameraPath(TensorRecord):
    """The cameras of a video's frames, all of one size, and how many of them are shown a second."""

    cameras: Cameras
    fps: float


def write_camera_path(path: Path, camera_path: CameraPath) -> None:
    """Writes a file that nerfstudio renders and its viewer loads, whole or not at all.

    Raises:
        UserError: cameras that the format cannot hold, or a folder that cannot be written.
    """
    cameras, fps = camera_path.cameras, camera_path.fps
    width, height = cameras.sizes[0].tolist()
    _check_format(path, cameras)
    poses = cameras.poses.double().numpy() @ FLIP
    angles = np.rad2deg(2 * np.arctan(height / 2 / cameras.intrinsics[:, 1, 1].double().numpy()))
    frames = [
        {"matrix": pose.flatten().tolist(), "fov": angle, "aspect": width / height}
        for pose, angle in zip(poses, angles.tolist(), strict=True)
    ]
    transition = {"override_transition_enabled": False, "override_transition_sec": None}
    content = {
        "default_fov": frames[0]["fov"],
        "default_transition_sec": 1 / fps,
        "keyframes": [{**frame, **transition} for frame in frames],
        "camera_type": "perspective",
        "render_height": height,
        "render_width": width,
        "fps": fps,
        "seconds": len(frames) / fps,
        "is_cycle": False,
        "smoothness_value": 0.0,
        "camera_path": [
            {"camera_to_world": frame["matrix"], "fov": frame["fov"], "aspect": frame["aspect"]} for frame in frames
        ],
    }
    with refusal_in_a_line(f"'{path}'"):
        write_atomically(path, json.dumps(content, indent=1).encode())


def read_camera_path(path: Path) -> CameraPath:
    """The frames of a file that nerfstudio's viewer exported, or that `write_camera_path` wrote.

    What is not of the cameras is ignored: the key frames, a crop, times of a moving scene.

    Raises:
        UserError: a file that is missing or malformed.
    """
    content = _read_object(path)
    camera_type = content.get("camera_type", "perspective")
    if camera_type != "perspective":
        raise UserError(f"camera path '{path}' is of type {camera_type!r}: only 'perspective' can be rendered")
    frames = content.get("camera_path")
    if not isinstance(frames, list) or not frames:
        raise UserError(
            f"camera path '{path}' has no frames in 'camera_path': add key frames in the viewer, and export"
        )
    size = [_number(content, name, 1, LONGEST_SIDE, path) for name in ("render_width", "render_height")]
    if any(side != round(side) for side in size):
        raise UserError(f"camera path '{path}' is {size[0]:g} x {size[1]:g} pixels, not whole ones")
    width, height = map(round, size)
    if "fps" in content:
        fps = _number(content, "fps", 1e-3, 1e6, path)
    else:
        fps = len(frames) / _number(content, "seconds", 1e-6, 1e9, path)
    poses, focals = [], []
    for number, frame in enumerate(frames):
        where = f"frame {number} of camera path '{path}'"
        if not isinstance(frame, dict):
            raise UserError(f"{where} is not an object of 'camera_to_world' and 'fov'")
        poses.append(_pose(frame.get("camera_to_world"), where) @ FLIP)
        angle = _number(frame, "fov", 0.01, 179.99, where)
        focals.append(height / 2 / math.tan(math.radians(angle / 2)))
    intrinsics = np.tile(np.array([[0, 0, width / 2], [0, 0, height / 2], [0, 0, 1]]), (len(frames), 1, 1))
    intrinsics[:, [0, 1], [0, 1]] = np.array(focals)[:, None]
    cameras = Cameras(
        torch.from_numpy(np.stack(poses)).float(),
        torch.from_numpy(intrinsics).float(),
        torch.tensor([width, height]).expand(len(frames), 2),
    )
    return CameraPath(cameras, fps)


def _check_format(path: Path, cameras: Cameras) -> None:
    """Raises a UserError for cameras of several sizes, with oblong pixels, or with a principal point off the middle."""
    matrices = cameras.intrinsics.double()
    middle = (matrices[:, :2, 2] - cameras.sizes / 2).abs().amax(-1)
    faults = {
        "another size than the first": (cameras.sizes != cameras.sizes[0]).any(-1),
        "skewed or oblong pixels": (matrices[:, 0, 1].abs() + (matrices[:, 0, 0] - matrices[:, 1, 1]).abs())
        > 1e-5 * matrices[:, 1, 1],
        "its principal point off the image's middle": middle > 1e-5 * cameras.sizes.amax(-1),
    }
    for fault, found in faults.items():
        if found.any():
            frame = int(found.nonzero()[0])
            raise UserError(f"cannot write '{path}': frame {frame} has {fault}, which nerfstudio's format cannot hold")


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"cannot read camera path '{path}': {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"camera path '{path}' is not JSON in UTF-8: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"camera path '{path}' is not an object with 'camera_path', 'render_width' and 'render_height'")
    return content


def _number(values: dict[str, Any], name: str, lowest: float, highest: float, where: object) -> float:
    value = values.get(name)
    where = f"camera path '{where}'" if isinstance(where, Path) else where
    if value is None:
        raise UserError(f"{where} has no '{name}'")
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        raise UserError(f"'{name}' of {where} is {str(value)[:40]}, not a number from {lowest:g} to {highest:g}")
    return float(value)


def _pose(value: Any, where: str) -> Float[ndarray, "4 4"]:
    """The rigid matrix of a frame, in OpenGL's axes."""
    if value is None:
        raise UserError(f"{where} has no 'camera_to_world'")
    try:
        numbers = np.array(value)
    except ValueError:
        numbers = np.array(None)
    if numbers.dtype.kind not in "if" or numbers.shape not in ((16,), (4, 4)):
        raise UserError(f"'camera_to_world' of {where} is not a list of 16 numbers")
    pose = numbers.reshape(4, 4).astype(np.float64)
    if not np.isfinite(pose).all():
        raise UserError(f"'camera_to_world' of {where} has a value that is not a finite number")
    error = np.abs(pose[:3, :3] @ pose[:3, :3].T - np.eye(3)).max()
    if error > RIGID_TOLERANCE or np.abs(pose[3] - (0, 0, 0, 1)).max() > RIGID_TOLERANCE:
        raise UserError(f"'camera_to_world' of {where} is not rigid, or not written row by row")
    if np.linalg.det(pose[:3, :3]) < 0:
        raise UserError(f"'camera_to_world' of {where} is reflected (determinant -1): one axis has the wrong sign")
    return pose
