"""Captures with a COLMAP model, read by pycolmap.

<root>/<model>     cameras, images and points3D as .bin or .txt, for instance sparse/0
      /<images>/   the photos, at the model's size or shrunk; file types may differ from the model's

Photos of lenses that bend lines are straightened when they are read (`datasets.readers.lens`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from typing_extensions import override

from datasets.image_files import read_size
from datasets.readers.camera_files import pinhole, resized
from datasets.readers.captures import CaptureConfig, CaptureDataset, CaptureWorld
from datasets.readers.folder_dataset import scene_folders
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.scenes.scene import Scene, SparsePoints, Split
from pixelnerf.types import Cameras

if TYPE_CHECKING:
    import pycolmap


class ColmapConfig(CaptureConfig):
    """Configuration of `ColmapDataset`. Near and far are taken from the sparse points unless they are set.

    Attributes:
        model: the model's folder under a capture's.
        images: the folder of photos under a capture's.
    """

    name: Literal["colmap"]
    model: str
    images: str


@dataclass(frozen=True)
class ColmapPhoto:
    """A registered image: its pose is camera-to-world in OpenCV axes, and it saw the points `indices` at `pixels`."""

    name: str
    camera: "pycolmap.Camera"
    pose: Float[np.ndarray, "4 4"]
    pixels: Float[np.ndarray, "seen 2"]
    indices: Int[np.ndarray, "seen"]


@dataclass(frozen=True)
class ColmapModel:
    """Registered images by name, and triangulated points; pixel centres are at + 0.5, as COLMAP has them."""

    photos: tuple[ColmapPhoto, ...]
    points: Float[np.ndarray, "point 3"]

    def bounds(self, views: Sequence[int]) -> tuple[float, float]:
        """The nearest and farthest depth of the points that some views see, but for half a percent of each view's."""
        near, far = np.inf, 0.0
        for photo in (self.photos[view] for view in views):
            depths = (self.points[photo.indices] - photo.pose[:3, 3]) @ photo.pose[:3, 2]
            depths = depths[depths > 0]
            if len(depths):
                low, high = np.percentile(depths, [0.5, 99.5])
                near, far = min(near, low), max(far, high)
        if not near < far:
            way_out = "set dataset.near, dataset.far and dataset.scale_world=false"
            raise UserError(f"the COLMAP model has no points to take near and far from: {way_out}")
        return float(near), float(far)

    def sparse_points(
        self, views: Sequence[int], pixels: Sequence[Float[np.ndarray, "seen 2"]], world: CaptureWorld
    ) -> SparsePoints:
        """The points in a scene's world, and where some views see them, in pixels of the scene's cameras."""
        return SparsePoints(
            torch.from_numpy(world.points(self.points).astype(np.float32)),
            tuple(torch.from_numpy(seen.astype(np.float32)) for seen in pixels),
            tuple(torch.from_numpy(self.photos[view].indices) for view in views),
        )


class ColmapDataset(CaptureDataset[ColmapConfig]):
    """Reader of COLMAP captures."""

    @override
    def _folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        return scene_folders(self._root, self._config.model)

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path = folder / self._config.model
        model = read_colmap_model(path)
        used, views = self._chosen_views(len(model.photos), split, path)
        poses = np.stack([photo.pose for photo in model.photos])
        photos = [model.photos[view] for view in views]

        def find_points(cameras: Cameras, world: CaptureWorld) -> SparsePoints:
            matrices = zip(photos, cameras.intrinsics.double().numpy(), strict=True)
            pixels = [
                np.asarray(photo.camera.cam_from_img(photo.pixels))[:, :2] * np.diag(matrix)[:2] + matrix[:2, 2]
                for photo, matrix in matrices
            ]
            return model.sparse_points(views, pixels, world)

        lenses = [self._lens(photo, folder / self._config.images) for photo in photos]
        return self._straight_scene(
            name, path, lenses, poses[views], poses[used], lambda: model.bounds(used), find_points
        )

    def _lens(self, photo: ColmapPhoto, folder: Path) -> Lens:
        image, camera = _find_image(folder, photo.name), photo.camera
        size = read_size(image)
        intrinsics = resized(_intrinsics(camera), (camera.width, camera.height), size, image)
        distortion = None if _keeps_lines(camera) else partial(_distorted, camera)
        return Lens(image, distortion, intrinsics, size, self._config.pixel_center)


def _find_image(folder: Path, name: str) -> Path:
    """The photo of that name, or of the same name and another type, as shrunk folders often have."""
    exact = folder / name
    for path in (exact, *map(exact.with_suffix, (".png", ".jpg", ".jpeg", ".JPG", ".PNG"))):
        if path.is_file():
            return path
    raise UserError(f"missing image '{exact}', which the COLMAP model names: set dataset.images to the photos' folder")


def read_colmap_model(folder: Path) -> ColmapModel:
    """Reads a model (`cameras`, `images` and `points3D`, as .bin or .txt); it has an image at least."""
    if not any((folder / f"cameras.{suffix}").is_file() for suffix in ("bin", "txt")):
        raise UserError(f"no COLMAP model in '{folder}': it needs cameras, images and points3D as .bin or .txt")
    library = _pycolmap()
    with reading("COLMAP model", folder):
        model = library.Reconstruction(str(folder))
    images = sorted((image for image in model.images.values() if image.has_pose), key=lambda image: image.name)
    if not images:
        raise UserError(f"the COLMAP model in '{folder}' has no registered images")
    order = {identifier: index for index, identifier in enumerate(model.points3D)}
    photos = []
    for image in images:
        seen = [point for point in image.points2D if point.has_point3D()]
        pixels = np.array([point.xy for point in seen]).reshape(-1, 2)
        indices = np.array([order[point.point3D_id] for point in seen], dtype=np.int64)
        pose = np.vstack([image.cam_from_world().inverse().matrix(), [0.0, 0, 0, 1]])
        photos.append(ColmapPhoto(image.name, model.cameras[image.camera_id], pose, pixels, indices))
    return ColmapModel(tuple(photos), np.array([point.xyz for point in model.points3D.values()]).reshape(-1, 3))


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


def _intrinsics(camera: "pycolmap.Camera") -> Float[np.ndarray, "3 3"]:
    return pinhole(camera.focal_length_x, camera.focal_length_y, camera.principal_point_x, camera.principal_point_y)


def _keeps_lines(camera: "pycolmap.Camera") -> bool:
    """Whether the camera shows the plane z = 1 as it is (`Camera.is_undistorted` is younger than pycolmap 3.12)."""
    points = np.stack(np.meshgrid(*2 * [np.linspace(-0.5, 0.5, 5)]), axis=-1).reshape(-1, 2)
    return np.allclose(_distorted(camera, points), points, rtol=0, atol=1e-9)


def _distorted(camera: "pycolmap.Camera", points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "point 2"]:
    """Where the camera's lens shows points of the plane z = 1, on that plane."""
    pixels = camera.img_from_cam(np.column_stack([points, np.ones(len(points))]))
    matrix = _intrinsics(camera)
    return (pixels - matrix[:2, 2]) / np.diag(matrix)[:2]
