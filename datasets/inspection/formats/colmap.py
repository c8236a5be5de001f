"""Cameras of a COLMAP model (`datasets.readers.colmap`); pycolmap writes the copy, as text or binary as it was."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.spatial.transform import Rotation
from typing_extensions import override

from datasets.file_names import found_image, named
from datasets.image_files import read_size
from datasets.inspection.camera_set import CameraSet, Convention, Matrices, Pinhole, Unit
from datasets.readers.camera_files import check_pose
from datasets.readers.colmap import ColmapConfig, colmap_lens, model_folder
from datasets.readers.colmap_model import ColmapPhoto, is_binary, load_pycolmap, read_colmap_model
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.scenes.scene import Split

if TYPE_CHECKING:
    import pycolmap

# What pycolmap 3.12 and later add to models of any age.
RIGS = ("rigs", "frames")


@dataclass(frozen=True)
class ColmapCameras(CameraSet[ColmapConfig]):
    """The registered images of a model, by name; points stay as they are, but for images that are left out."""

    path: Path
    capture: Path
    photos: tuple[ColmapPhoto, ...]
    numbers: frozenset[int]
    config: ColmapConfig
    is_posed: bool = False

    @classmethod
    @override
    def find(cls, folder: Path, split: Split, config: ColmapConfig) -> Path:
        return model_folder(folder / config.model)

    @classmethod
    @override
    def read(cls, path: Path, folder: Path, config: ColmapConfig) -> Self:
        photos = read_colmap_model(path).photos
        return cls(path, folder, photos, frozenset(photo.number for photo in photos), config)

    @override
    def __len__(self) -> int:
        return len(self.photos)

    @property
    @override
    def convention(self) -> Convention:
        return Convention("world-to-camera", "OpenCV")

    @override
    def name(self, view: int) -> str:
        return self.photos[view].name

    @override
    def image(self, view: int) -> Path:
        return found_image(named(self.folder, self.name(view)))

    @override
    def matrices(self) -> Matrices:
        for view, photo in enumerate(self.photos):
            check_pose(photo.pose, self._where(view))
        return np.linalg.inv([photo.pose for photo in self.photos])

    @override
    def pinholes(self) -> Sequence[Pinhole]:
        return [_pinhole(photo.camera) for photo in self.photos]

    @override
    def lens(self, view: int, size: tuple[int, int]) -> Lens:
        camera = self.photos[view].camera
        return colmap_lens(camera, self.image(view), size, self.config.pixel_center, self._where(view))

    @override
    def with_matrices(self, matrices: Matrices) -> Self:
        quaternions = np.roll(Rotation.from_matrix(matrices[:, :3, :3]).as_quat(), 1, axis=1)
        posed = zip(self.photos, quaternions, matrices[:, :3, 3], strict=True)
        photos = tuple(replace(photo, rotation=one, translation=position) for photo, one, position in posed)
        return replace(self, photos=photos, is_posed=True)

    @override
    def with_unit(self, unit: Unit) -> Self:
        """Changes focal lengths and centres, or the size, whichever the observations are not in the pixels of."""
        # How far observations reach, in widths and heights of the photos as the model has them.
        reach = max((float((one.pixels / _pinhole(one.camera).size).max(initial=0)) for one in self.photos), default=0)
        photos = []
        for photo in self.photos:
            before = _pinhole(photo.camera)
            after = unit(before)
            ratio = after.size[0] / before.size[0]
            if reach == 0 or (reach > ratio if ratio < 1 else reach <= 1):
                after = after.at(before.size)
            photos.append(replace(photo, camera=_changed(photo.camera, after)))
        return replace(self, photos=tuple(photos))

    @override
    def without(self, views: Sequence[int]) -> Self:
        return replace(self, photos=tuple(photo for view, photo in enumerate(self.photos) if view not in views))

    @override
    def pictures(self) -> Sequence[Sequence[str]]:
        """Those of photos at the model's own size: shrunk copies may be of another type, and the names are right."""
        views = [view for view in range(len(self)) if not self.image(view).is_file() or self._has_full_size(view)]
        return [[self.name(view) for view in views]]

    def _has_full_size(self, view: int) -> bool:
        return read_size(self.image(view)) == _pinhole(self.photos[view].camera).size

    @property
    @override
    def folder(self) -> Path:
        return self.capture / self.config.images

    @override
    def with_names(self, names: Mapping[str, str]) -> Self:
        photos = tuple(replace(photo, name=names.get(photo.name, photo.name)) for photo in self.photos)
        return replace(self, photos=photos)

    @override
    def copies(self, lines: Sequence[str]) -> Mapping[Path, Callable[[Path], None]]:
        with reading("COLMAP model", self.path):
            model = self._reconstruction()

        def write(folder: Path) -> None:
            (model.write_binary if is_binary(self.path) else model.write_text)(str(folder))
            for path in list(folder.iterdir()):
                if path.stem in RIGS and not (self.path / path.name).exists():
                    path.unlink()

        return {self.path: write}

    @override
    def how_to_use(self, original: Path, copy: Path) -> str:
        return f"read it with dataset.model={copy.relative_to(self.capture).as_posix()}"

    def _reconstruction(self) -> "pycolmap.Reconstruction":
        library = load_pycolmap()
        model = library.Reconstruction()
        (model.read_binary if is_binary(self.path) else model.read_text)(str(self.path))
        # Damage that our reader puts up with may make pycolmap take one record for another.
        if set(model.images) != self.numbers:
            raise UserError(f"pycolmap finds other images in '{self.path}' than are there: write the model anew")
        if any(len(frame.data_ids) != 1 for frame in model.frames.values()):
            raise UserError(f"'{self.path}' has rigs of several cameras, which --fix does not write")
        for number in self.numbers - {photo.number for photo in self.photos}:
            model.deregister_frame(model.image(number).frame_id)
        for photo in self.photos:
            image = model.image(photo.number)
            image.name = photo.name
            camera = model.camera(image.camera_id)
            camera.width, camera.height, camera.params = photo.camera.width, photo.camera.height, photo.camera.params
            if self.is_posed:
                rotation = library.Rotation3d(np.roll(photo.rotation, -1))
                image.frame.rig_from_world = library.Rigid3d(rotation, photo.translation)
        return model

    def _where(self, view: int) -> str:
        return f"image '{self.name(view)}' (view {view}) in '{self.path}'"


def _pinhole(camera: "pycolmap.Camera") -> Pinhole:
    focal = camera.focal_length_x, camera.focal_length_y
    return Pinhole(focal, (camera.principal_point_x, camera.principal_point_y), (camera.width, camera.height))


def _changed(camera: "pycolmap.Camera", numbers: Pinhole) -> "pycolmap.Camera":
    """A camera with other numbers; where it has one focal length for both axes, that is the first's."""
    parameters = list(camera.params)
    for places, values in (
        (camera.focal_length_idxs(), numbers.focal),
        (camera.principal_point_idxs(), numbers.center),
    ):
        for place, value in zip(places, values, strict=False):
            parameters[place] = value
    width, height = map(round, numbers.size)
    return load_pycolmap().Camera(model=camera.model.name, width=width, height=height, params=parameters)
