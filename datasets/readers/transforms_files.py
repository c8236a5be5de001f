"""`transforms*.json` files: frames with camera-to-world matrices in Blender's axes (x right, y up, z backward)."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.readers.camera_files import OPENGL_TO_OPENCV, square_pose
from pixelnerf.errors import UserError


def read_transforms(path: Path) -> dict[str, Any]:
    """The content of a transforms file with at least one frame.

    Raises:
        UserError: missing, not JSON, or without frames.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("frames"), list) or not content["frames"]:
        raise UserError(f"'{path}' has no 'frames'")
    for number, frame in enumerate(content["frames"]):
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
            raise UserError(f"frame {number} in '{path}' has no 'file_path'")
    return content


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"missing file '{path}'") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read '{path}': {error}") from None


def frame_poses(content: dict[str, Any], path: Path) -> Float[np.ndarray, "frame 4 4"]:
    """Camera-to-world poses of all frames, in OpenCV axes.

    Raises:
        UserError: a frame has no matrix, or one of another shape.
    """
    poses = []
    for number, frame in enumerate(content["frames"]):
        where = f"frame {number} in '{path}'"
        try:
            matrix = np.array(frame["transform_matrix"], dtype=np.float64)
        except (KeyError, ValueError, TypeError):
            raise UserError(f"{where} has no 'transform_matrix' of 4x4 numbers") from None
        poses.append(square_pose(matrix, where) @ OPENGL_TO_OPENCV)
    return np.stack(poses)


def focal_from_angle(content: dict[str, Any], width: int, path: Path) -> float:
    """Focal length in pixels from the horizontal field of view in radians.

    Raises:
        UserError: there is none, or it is not an angle below 180 degrees.
    """
    angle = content.get("camera_angle_x")
    if not isinstance(angle, int | float) or not 0 < angle < math.pi:
        raise UserError(f"'camera_angle_x' in '{path}' is {angle!r}, not an angle in radians between 0 and pi")
    return 0.5 * width / math.tan(0.5 * angle)
