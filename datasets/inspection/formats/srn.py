"""Cameras of an object in SRN's layout (`datasets.readers.srn`): a folder of poses, and intrinsics.txt beside it."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from typing_extensions import override

from datasets.file_names import listed_images, pair_key
from datasets.image_files import read_size
from datasets.inspection.camera_set import CameraSet, Convention, Matrices, Pinhole, Unit
from datasets.readers.camera_files import check_pose, read_numbers, resized
from datasets.readers.lens import Lens
from datasets.readers.srn import INTRINSICS, PHOTOS, POSES, SrnConfig, SrnIntrinsics, list_poses
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Split


@dataclass(frozen=True)
class SrnCameras(CameraSet[SrnConfig]):
    """The pose files of an object, with its photos by number; what was not changed is written as it was."""

    path: Path
    files: Sequence[Path]
    images: Sequence[Path]
    poses: Matrices
    camera: SrnIntrinsics
    pixel_center: float
    changed: frozenset[str] = field(default=frozenset())
    mask_from_background: ClassVar[bool] = True

    @classmethod
    @override
    def find(cls, folder: Path, split: Split, config: SrnConfig) -> Path:
        return folder

    @classmethod
    @override
    def read(cls, path: Path, folder: Path, config: SrnConfig) -> Self:
        images, files = listed_images(path / PHOTOS), list_poses(path)
        key = pair_key(images, files)
        by_key = {key(image): image for image in images}
        if alone := by_key.keys() - {key(file) for file in files}:
            first = min(by_key[one].name for one in alone)
            raise UserError(f"{len(alone)} of {len(images)} photos in '{path}' have no pose file, '{first}' first")
        photos = [by_key.get(key(file), path / PHOTOS / f"{file.stem}.png") for file in files]
        poses = np.stack([read_numbers(file, 16).reshape(4, 4) for file in files])
        camera = SrnIntrinsics.read(path / INTRINSICS, read_size(images[0]), strict=False)
        return cls(path, files, photos, poses, camera, config.pixel_center)

    @override
    def __len__(self) -> int:
        return len(self.files)

    @property
    @override
    def convention(self) -> Convention:
        return Convention("world-to-camera" if self.camera.inverted else "camera-to-world", "OpenCV")

    @override
    def name(self, view: int) -> str:
        return f"{PHOTOS}/{self.images[view].name}"

    @override
    def image(self, view: int) -> Path:
        return self.images[view]

    @override
    def matrices(self) -> Matrices:
        for file, pose in zip(self.files, self.poses, strict=True):
            check_pose(pose, f"'{file}'")
        return self.poses

    @override
    def pinholes(self) -> Sequence[Pinhole]:
        (focal_x, _, center_x), (_, focal_y, center_y) = self.camera.matrix[:2].tolist()
        return [Pinhole((focal_x, focal_y), (center_x, center_y), self.camera.size)]

    @override
    def lens(self, view: int, size: tuple[int, int]) -> Lens:
        intrinsics = resized(self.camera.matrix, self.camera.size, size, self.images[view])
        return Lens(self.images[view], None, intrinsics, size, self.pixel_center)

    @override
    def with_matrices(self, matrices: Matrices) -> Self:
        return replace(self, poses=matrices, changed=self.changed | {POSES})

    @override
    def with_unit(self, unit: Unit) -> Self:
        (before,) = self.pinholes()
        after = unit(before)
        # A matrix is that of the photos themselves.
        camera = _changed(self.camera, after.at(before.size) if self.camera.form == "matrix" else after)
        return replace(self, camera=camera, changed=self.changed | {INTRINSICS})

    @override
    def without(self, views: Sequence[int]) -> Self:
        kept = [view for view in range(len(self)) if view not in views]
        files, images = ([paths[view] for view in kept] for paths in (self.files, self.images))
        return replace(self, files=files, images=images, poses=self.poses[kept], changed=self.changed | {POSES})

    @override
    def copies(self, lines: Sequence[str]) -> Mapping[Path, Callable[[Path], None]]:
        writers = {POSES: self._write_poses, INTRINSICS: self._write_intrinsics}
        return {self.path / name: write for name, write in writers.items() if name in self.changed}

    def _write_poses(self, folder: Path) -> None:
        for file, pose in zip(self.files, self.poses, strict=True):
            if (pose == read_numbers(file, 16).reshape(4, 4)).all():
                shutil.copyfile(file, folder / file.name)
            else:
                (folder / file.name).write_text(_line(pose.ravel().tolist()))

    def _write_intrinsics(self, path: Path) -> None:
        path.write_text("".join(map(_line, self.camera.rows)))


def _changed(camera: SrnIntrinsics, new: Pinhole) -> SrnIntrinsics:
    """A file's numbers with others; where it has one focal length for both axes, that is the first's."""
    rows = [list(row) for row in camera.rows]
    matrix = new.matrix
    matrix[0, 1] = camera.matrix[0, 1] * matrix[0, 0] / camera.matrix[0, 0]
    if camera.form == "matrix":
        for row, values in zip(rows[:2], matrix[:2].tolist(), strict=True):
            row[:3] = values
    else:
        # One focal length is written as one: of two, the reader may take the second for the principal point.
        (focal_x, focal_y), old = np.diag(matrix)[:2], 3 if camera.form == "f cx cy" else 4
        focals = [focal_x] if old == 3 or focal_x == focal_y else [focal_x, focal_y]
        rows[0] = [*focals, *matrix[:2, 2], *([0.0] if old == 4 and len(focals) == 1 else []), *rows[0][old:]]
        if len(focals) == 1:
            matrix[1, 1] = focal_x
        rows[-2 if len(rows[-1]) == 1 else -1] = [new.size[1], new.size[0]]
    return replace(camera, rows=rows, matrix=matrix, size=new.size)


def _line(values: Sequence[float]) -> str:
    return " ".join(f"{value:.17g}" for value in values) + "\n"
