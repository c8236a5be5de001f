"""COLMAP models as plain arrays, in the order of their images' names."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from datasets.camera_files import pinhole
from pixelnerf.errors import UserError

if TYPE_CHECKING:
    import pycolmap

UNDISTORT = (
    "undistort it: python -c \"import pycolmap; pycolmap.undistort_images('undistorted', '{model}', 'IMAGES')\", "
    "or let it pass with dataset.distortion_tolerance={pixels}"
)


@dataclass(frozen=True)
class ColmapModel:
    """Registered images with pinhole cameras, and triangulated points.

    `poses` are camera-to-world in OpenCV axes; pixel centres are at + 0.5, as COLMAP has them. `pixels[i]` are where
    image i saw the points `indices[i]`.
    """

    names: tuple[str, ...]
    poses: Float[np.ndarray, "view 4 4"]
    intrinsics: Float[np.ndarray, "view 3 3"]
    sizes: Int[np.ndarray, "view 2"]
    points: Float[np.ndarray, "point 3"]
    pixels: tuple[Float[np.ndarray, "seen 2"], ...]
    indices: tuple[Int[np.ndarray, "seen"], ...]

    def bounds(self) -> tuple[float, float]:
        """Near and far as depths: all but the nearest and farthest half percent of each view's points, and 10 % more.

        Raises:
            UserError: no image sees a point.
        """
        near, far = np.inf, 0.0
        for pose, seen in zip(self.poses, self.indices, strict=True):
            depths = (self.points[seen] - pose[:3, 3]) @ pose[:3, 2]
            depths = depths[depths > 0]
            if len(depths):
                low, high = np.percentile(depths, [0.5, 99.5])
                near, far = min(near, low), max(far, high)
        if not near < far:
            raise UserError(
                "the COLMAP model has no points to take near and far from: set dataset.near and dataset.far"
            )
        return 0.9 * float(near), 1.1 * float(far)


def read_colmap_model(folder: Path, tolerance: float) -> ColmapModel:
    """Reads a model (`cameras`, `images` and `points3D`, as .bin or .txt).

    Args:
        folder: of the model.
        tolerance: pixels by which leaving out the lens's distortion may move a corner of a photo.

    Raises:
        UserError: no model there, an empty one, or a distorted camera; says how to undistort.
    """
    if not any((folder / f"cameras.{suffix}").is_file() for suffix in ("bin", "txt")):
        raise UserError(f"no COLMAP model in '{folder}': it needs cameras, images and points3D as .bin or .txt")
    library = _pycolmap()
    try:
        model = library.Reconstruction(str(folder))
    except Exception as error:  # pycolmap raises what its C++ side throws
        raise UserError(f"cannot read the COLMAP model in '{folder}': {str(error).splitlines()[0]}") from None
    images = sorted((image for image in model.images.values() if image.has_pose), key=lambda image: image.name)
    if not images:
        raise UserError(f"the COLMAP model in '{folder}' has no registered images")
    order = {identifier: index for index, identifier in enumerate(model.points3D)}
    cameras = [model.cameras[image.camera_id] for image in images]
    observed = [[point for point in image.points2D if point.has_point3D()] for image in images]
    for image, camera in zip(images, cameras, strict=True):
        shift = _corner_shift(camera)
        if not shift <= tolerance:
            raise UserError(
                f"'{image.name}' in the COLMAP model '{folder}' has a distorted camera ({camera.model.name}, "
                f"{shift:.1f} pixels at a corner): "
                f"{UNDISTORT.format(model=folder, pixels=int(np.ceil(shift)))}"
            )
    return ColmapModel(
        names=tuple(image.name for image in images),
        poses=np.stack([_pose(image) for image in images]),
        intrinsics=np.stack([_intrinsics(camera) for camera in cameras]),
        sizes=np.array([[camera.width, camera.height] for camera in cameras]),
        points=np.array([point.xyz for point in model.points3D.values()]).reshape(-1, 3),
        pixels=tuple(np.array([point.xy for point in seen]).reshape(-1, 2) for seen in observed),
        indices=tuple(np.array([order[point.point3D_id] for point in seen], dtype=np.int64) for seen in observed),
    )


def _pycolmap() -> ModuleType:
    """The library, imported when a model is read: no other reader needs it, and a broken build must not stop them."""
    try:
        import pycolmap
    except ImportError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"COLMAP models need pycolmap ({reason}): pip install -U pycolmap") from None
    # A method since 3.12; before, the pose itself.
    if not callable(pycolmap.Image.cam_from_world):
        raise UserError("COLMAP models need pycolmap 3.12 or newer: pip install -U pycolmap")
    return pycolmap


def _pose(image: "pycolmap.Image") -> Float[np.ndarray, "4 4"]:
    pose = np.eye(4)
    pose[:3] = image.cam_from_world().inverse().matrix()
    return pose


def _intrinsics(camera: "pycolmap.Camera") -> Float[np.ndarray, "3 3"]:
    return pinhole(camera.focal_length_x, camera.focal_length_y, camera.principal_point_x, camera.principal_point_y)


def _corner_shift(camera: "pycolmap.Camera") -> float:
    """How far, in pixels, the corners move when the camera's distortion is left out."""
    corners = np.array([[x, y] for x in (0, camera.width) for y in (0, camera.height)], dtype=np.float64)
    rays = np.array([camera.cam_from_img(corner) for corner in corners])
    matrix = _intrinsics(camera)
    straight = rays[:, :2] @ matrix[:2, :2].T + matrix[:2, 2]
    return float(np.linalg.norm(straight - corners, axis=1).max())
