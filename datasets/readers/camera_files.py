"""Files of cameras, and the checks and conversions that every reader's cameras go through."""

import io
import json
import reprlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from datasets.image_files import read_text
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.types import Cameras

LARGEST_ARCHIVE = 100_000_000
"""Bytes of an .npz file's arrays: those of a thousand views take some hundred thousand."""

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
    if is_far_from_origin(poses):
        x, y, z = poses[:, :3, 3].mean(axis=0)
        raise UserError(
            f"cameras in '{path}' lie around ({x:.6g}, {y:.6g}, {z:.6g}), too far from the origin for 32 bits: "
            "subtract that from all positions"
        )
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


def is_far_from_origin(poses: Float[np.ndarray, "view 4 4"]) -> bool:
    """Whether rounding camera centres to 32 bits would move them against each other by parts of a pixel.

    Rounded are the seventh digits, so that a rig a hundred times as far away as it is wide keeps five.
    """
    centers = poses[:, :3, 3]
    middle = centers.mean(axis=0)
    return bool(np.linalg.norm(middle) > 100 * max(1.0, np.linalg.norm(centers - middle, axis=-1).max()))


def pinhole(focal_x: float, focal_y: float, center_x: float, center_y: float) -> Float[np.ndarray, "3 3"]:
    """The intrinsics matrix of a camera without skew."""
    return np.array([[focal_x, 0, center_x], [0, focal_y, center_y], [0, 0, 1.0]])


def resized(
    intrinsics: Float[np.ndarray, "3 3"], size: tuple[float, float], image_size: tuple[int, int], image: Path
) -> Float[np.ndarray, "3 3"]:
    """Intrinsics given for a `size` (width, height), for a photo that is the same view at another size."""
    if not min(size) > 0:
        raise UserError(
            f"the camera of image '{image}' has the size {size[0]:g}x{size[1]:g}: correct it or take it out"
        )
    ratio = image_size[0] / size[0], image_size[1] / size[1]
    if abs(ratio[0] - ratio[1]) * max(size) > 2:
        way_out = "cropped or rotated photos need cameras of their own"
        if abs(image_size[1] / size[0] - image_size[0] / size[1]) * max(size) <= 2:
            way_out = "if viewers turn it (EXIF orientation), write the photos upright (`mogrify -auto-orient`)"
        raise UserError(
            f"image '{image}' is {image_size[0]}x{image_size[1]}, of another shape than its camera's "
            f"{size[0]:g}x{size[1]:g}: {way_out}"
        )
    return np.diag([*ratio, 1.0]) @ intrinsics


def numbers(value: Any, what: str, *shapes: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    """A number, vector or matrix from a file, in float64; a UserError if it is none of one of these shapes."""
    try:
        array = np.asarray(value)
    except ValueError:  # ragged
        array = np.array(None)
    if array.dtype.kind not in "iuf" or array.shape not in shapes:
        wanted = " or ".join("x".join(map(str, shape)) for shape in shapes)
        given = f"{array.shape}" if array.dtype.kind in "iuf" and array.ndim else reprlib.repr(value)
        raise UserError(f"{what} is {given}, not {f'{wanted} numbers' if wanted else 'a number'}")
    if not np.isfinite(array).all():
        raise UserError(f"{what} has a value that is not a finite number")
    return array.astype(np.float64)


def square_pose(matrix: Any, where: str) -> Float[np.ndarray, "4 4"]:
    """A pose of 3 or 4 rows as 4x4 in float64."""
    rows = numbers(matrix, f"pose of {where}", (4, 4), (3, 4))
    return np.vstack([rows[:3], rows[3:] if len(rows) == 4 else [[0.0, 0, 0, 1]]])


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
        found = np.array(text.split(), dtype=np.float64)
    return numbers(found, f"content of camera file '{path}'", (count,))


def read_content(path: Path) -> bytes:
    """The bytes of a camera file."""
    with reading("camera file", path):
        return path.read_bytes()


def parse_archive(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file that was read from `path`; nothing is unpickled, and little unpacked."""
    with reading("camera file", path), np.load(io.BytesIO(content), allow_pickle=False) as archive:
        if (size := sum(part.file_size for part in archive.zip.infolist())) > LARGEST_ARCHIVE:
            raise UserError(f"camera file '{path}' would unpack to {size / 1e6:.0f} MB: it holds no cameras")
        return {name: archive[name] for name in archive.files}


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    text = read_text("file", path)
    with reading("file", path):
        return json.loads(text)
