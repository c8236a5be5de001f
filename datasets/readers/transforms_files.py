"""`transforms*.json` files: frames with camera-to-world matrices in Blender's axes, which are turned into OpenCV's."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.image_files import reading
from datasets.readers.camera_files import OPENGL_TO_OPENCV, pinhole, square_pose
from pixelnerf.errors import UserError


def read_transforms(path: Path) -> tuple[dict[str, Any], Float[np.ndarray, "frame 4 4"]]:
    """The content of a transforms file, and the camera-to-world poses of its frames, of which it has some."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("frames"), list) or not content["frames"]:
        raise UserError(f"'{path}' has no 'frames'")
    poses = []
    for number, frame in enumerate(content["frames"]):
        where = f"frame {number} in '{path}'"
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
            raise UserError(f"{where} has no 'file_path'")
        try:
            matrix = np.array(frame["transform_matrix"], dtype=np.float64)
        except (KeyError, ValueError, TypeError):
            raise UserError(f"{where} has no 'transform_matrix' of 4x4 numbers") from None
        poses.append(square_pose(matrix, where) @ OPENGL_TO_OPENCV)
    return content, np.stack(poses)


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    with reading("file", path):
        return json.loads(path.read_text(encoding="utf-8"))


def angle_intrinsics(content: dict[str, Any], size: tuple[int, int], path: Path) -> Float[np.ndarray, "3 3"]:
    """The intrinsics of photos of a size (width, height), from the horizontal field of view in radians."""
    angle = content.get("camera_angle_x")
    if not isinstance(angle, int | float) or not 0 < angle < math.pi:
        raise UserError(f"'camera_angle_x' in '{path}' is {angle!r}, not an angle in radians between 0 and pi")
    focal = 0.5 * size[0] / math.tan(0.5 * angle)
    return pinhole(focal, focal, size[0] / 2, size[1] / 2)
