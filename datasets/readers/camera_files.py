"""Files of cameras, and the checks and conversions that every reader's cameras go through."""

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from datasets.image_files import read_text
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.types import Cameras

# Published poses are rounded to five or six digits; a wrong convention or a scale is off by far more.
RIGID_TOLERANCE = 1e-3

# Camera axes of OpenGL and Blender (x right, y up, z backward) against OpenCV's.
OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


def make_cameras(
    poses: Float[np.ndarray, "view 4 4"],
    intrinsics: Float[np.ndarray, "... 3 3"],
    sizes: Int[np.ndarray, "... 2"] | tuple[int, int],
    path: Path,
    pixel_center: float = 0.5,
    downscale: Int[np.ndarray, "view"] | int = 1,
) -> Cameras:
    """Cameras in float32 with pixel centres at + 0.5; a UserError if a pose is not rigid, or a matrix not a pinhole's.

    Args:
        poses: camera-to-world, OpenCV axes.
        intrinsics: in pixels, of each view or the same for all.
        sizes: (width, height) that the intrinsics are for, likewise.
        path: the file they come from, for messages.
        pixel_center: where the file has the centre of its first pixel.
        downscale: whole numbers by which the photos are shrunk when they are read.
    """
    matrices = np.broadcast_to(intrinsics, (len(poses), *intrinsics.shape[-2:])).copy()
    for view, (pose, matrix) in enumerate(zip(poses, matrices, strict=True)):
        check_pose(pose, f"view {view} in '{path}'")
        check_intrinsics(matrix, f"view {view} in '{path}'")
    downscales = np.broadcast_to(downscale, len(poses))[:, None]
    matrices[:, :2, 2] += 0.5 - pixel_center
    matrices[:, :2] /= downscales[..., None]
    return Cameras(
        torch.from_numpy(poses.astype(np.float32)),
        torch.from_numpy(matrices.astype(np.float32)),
        torch.from_numpy(np.broadcast_to(sizes, (len(poses), 2)).astype(np.int64) // downscales),
    )


def pinhole(focal_x: float, focal_y: float, center_x: float, center_y: float) -> Float[np.ndarray, "3 3"]:
    """The intrinsics matrix of a camera without skew."""
    return np.array([[focal_x, 0, center_x], [0, focal_y, center_y], [0, 0, 1.0]])


def resized(
    intrinsics: Float[np.ndarray, "3 3"], size: tuple[float, float], image_size: tuple[int, int], image: Path
) -> Float[np.ndarray, "3 3"]:
    """Intrinsics given for a `size` (width, height), for a photo that is the same view at another size."""
    ratio = image_size[0] / size[0], image_size[1] / size[1]
    if abs(ratio[0] - ratio[1]) * max(size) > 2:
        raise UserError(
            f"image '{image}' is {image_size[0]}x{image_size[1]}, of another shape than its camera's "
            f"{size[0]:g}x{size[1]:g}: cropped or rotated photos need cameras of their own"
        )
    return np.diag([*ratio, 1.0]) @ intrinsics


def square_pose(matrix: np.ndarray, where: str) -> Float[np.ndarray, "4 4"]:
    """A pose of 3 or 4 rows as 4x4 in float64."""
    if matrix.shape not in ((3, 4), (4, 4)):
        raise UserError(f"pose of {where} is {matrix.shape}, not 4x4 or 3x4")
    square = np.eye(4)
    square[: len(matrix)] = matrix
    return square


def check_pose(pose: np.ndarray, where: str) -> None:
    """Raises a UserError if a 4x4 matrix is not a rotation and a translation."""
    if pose.shape != (4, 4):
        raise UserError(f"pose of {where} is {pose.shape}, not 4x4")
    if not np.isfinite(pose).all():
        raise UserError(f"pose of {where} has a value that is not a finite number")
    rotation = pose[:3, :3].astype(np.float64)
    determinant = np.linalg.det(rotation)
    if abs(determinant) < RIGID_TOLERANCE:
        raise UserError(f"pose of {where} is singular")
    error = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if error > RIGID_TOLERANCE or np.abs(pose[3] - (0, 0, 0, 1)).max() > RIGID_TOLERANCE:
        raise UserError(f"pose of {where} is not rigid: its rotation misses orthonormality by {error:.2g}")
    if determinant < 0:
        raise UserError(f"pose of {where} is reflected (determinant -1): one axis has the wrong sign")


def check_intrinsics(matrix: np.ndarray, where: str) -> None:
    """Raises a UserError if a 3x3 matrix is not a pinhole camera's."""
    if matrix.shape != (3, 3):
        raise UserError(f"intrinsics of {where} are {matrix.shape}, not 3x3")
    if not np.isfinite(matrix).all():
        raise UserError(f"intrinsics of {where} have a value that is not a finite number")
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise UserError(f"focal length of {where} is not positive: {matrix[0, 0]:.6g}, {matrix[1, 1]:.6g}")


def read_numbers(path: Path, count: int) -> Float[np.ndarray, "number"]:
    """The numbers in a text file, which are so many."""
    text = read_text("camera file", path)
    with reading("camera file", path):
        numbers = np.array(text.split(), dtype=np.float64)
    if len(numbers) != count:
        raise UserError(f"camera file '{path}' has {len(numbers)} numbers, not {count}")
    return numbers


def read_content(path: Path) -> bytes:
    """The bytes of a camera file."""
    with reading("camera file", path):
        return path.read_bytes()


def parse_archive(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file that was read from `path`; nothing is unpickled."""
    with reading("camera file", path), np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read_transforms(path: Path) -> tuple[dict[str, Any], Float[np.ndarray, "frame 4 4"]]:
    """The content of a transforms file, and the poses of its frames, turned from Blender's axes into OpenCV's."""
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
    text = read_text("file", path)
    with reading("file", path):
        return json.loads(text)


def angle_intrinsics(content: dict[str, Any], size: tuple[int, int], path: Path) -> Float[np.ndarray, "3 3"]:
    """The intrinsics of photos of a size (width, height), from the horizontal field of view in radians."""
    angle = content.get("camera_angle_x")
    if not isinstance(angle, int | float) or not 0 < angle < math.pi:
        raise UserError(f"'camera_angle_x' in '{path}' is {angle!r}, not an angle in radians between 0 and pi")
    focal = 0.5 * size[0] / math.tan(0.5 * angle)
    return pinhole(focal, focal, size[0] / 2, size[1] / 2)
