"""Captures with a COLMAP model; its cameras are pycolmap's.

<root>/<model>     cameras, images and points3D as .bin or .txt, for instance sparse/0
      /<images>/   the photos, at the model's size or shrunk; file types may differ from the model's

Photos of lenses that bend lines are straightened when they are read (`datasets.readers.lens`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from datasets.file_names import found_image, named, visible
from datasets.image_files import read_size
from datasets.messages import note
from datasets.readers.camera_files import check_intrinsics, check_pose, pinhole, resized
from datasets.readers.captures import CaptureConfig, CaptureDataset, CaptureWorld
from datasets.readers.colmap_model import ColmapModel, count_images, has_model, read_colmap_model
from datasets.readers.folder_dataset import scene_folders
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
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


class ColmapDataset(CaptureDataset[ColmapConfig]):
    """Reader of COLMAP captures."""

    @override
    def folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        names = [
            name
            for name in (".", *(folder.name for folder in visible(self._root)))
            if model_folder(self._root / name / self._config.model).exists()
        ]
        return names[:1] if names[:1] == ["."] else names or scene_folders(self._root, self._config.model)

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path = model_folder(folder / self._config.model)
        model = read_colmap_model(path)
        _note_larger_models(folder, path, len(model.photos))

        def find_points(views: list[int], cameras: Cameras, world: CaptureWorld) -> SparsePoints:
            photos = [model.photos[view] for view in views]
            matrices = zip(photos, cameras.intrinsics.double().numpy(), strict=True)
            pixels = [
                np.asarray(photo.camera.cam_from_img(photo.pixels))[:, :2] * np.diag(matrix)[:2] + matrix[:2, 2]
                for photo, matrix in matrices
            ]
            return model.sparse_points(photos, pixels, world)

        capture = _Capture(model, path, folder / self._config.images, self._config.pixel_center)
        return self._straight_scene(name, path, split, capture, find_points=find_points)


def model_folder(path: Path) -> Path:
    """Where a model is that ought to be in a folder: some programs write it into the folder of models itself."""
    return path.parent if not has_model(path) and has_model(path.parent) else path


def _note_larger_models(folder: Path, path: Path, count: int) -> None:
    """Notes a model beside the one that is read if it has more images: structure from motion may leave fragments."""
    for other in visible(path.parent):
        if other != path and has_model(other) and (larger := count_images(other)) > count:
            key = f"dataset.model={other.relative_to(folder).as_posix()}"
            note(f"a fragment of {count} images; {key} has {larger}", path)


@dataclass(frozen=True)
class _Capture:
    """What `CaptureDataset` asks of a capture's views."""

    model: ColmapModel
    path: Path
    folder: Path
    pixel_center: float

    def __len__(self) -> int:
        return len(self.model.photos)

    def pose(self, view: int) -> Float[np.ndarray, "4 4"]:
        photo = self.model.photos[view]
        check_pose(photo.pose, f"image '{photo.name}' (view {view}) in '{self.path}'")
        return photo.pose

    def lens(self, view: int) -> Lens:
        photo = self.model.photos[view]
        image = found_image(named(self.folder, photo.name))
        if not image.is_file():
            raise UserError(
                f"missing image '{image}', which the COLMAP model names: set dataset.images to the photos' folder"
            )
        where = f"image '{photo.name}' (view {view}) in '{self.path}'"
        return colmap_lens(photo.camera, image, read_size(image), self.pixel_center, where)

    def mask(self, view: int) -> Path | None:
        return None

    def points(self, view: int) -> Float[np.ndarray, "point 3"]:
        return self.model.points[self.model.photos[view].indices]


def colmap_lens(camera: "pycolmap.Camera", image: Path, size: tuple[int, int], pixel_center: float, where: str) -> Lens:
    """A model's camera, for a photo of a size (width, height)."""
    check_intrinsics(_intrinsics(camera), where)
    intrinsics = resized(_intrinsics(camera), (camera.width, camera.height), size, image)
    return Lens(image, None if _keeps_lines(camera) else partial(_distorted, camera), intrinsics, size, pixel_center)


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
