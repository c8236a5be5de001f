"""Cameras of a DTU scan or in NeuS's layout (`datasets.readers.dtu`): projections in an .npz file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from datasets.image_files import read_size
from datasets.inspection.camera_set import CameraSet, Convention, Matrices, Pinhole, Unit
from datasets.readers.camera_files import parse_archive, read_content
from datasets.readers.dtu import DtuConfig, decompose_projection, scan_photos
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Split


@dataclass(frozen=True)
class DtuCameras(CameraSet[DtuConfig]):
    """The projections K [R | t] of a scan's photos, in the file's world; `scale_mat` stays as it is."""

    path: Path
    scan: Path
    arrays: Mapping[str, np.ndarray]
    images: Sequence[Path]
    masks: Sequence[Path | None]
    intrinsics: Float[np.ndarray, "view 3 3"]
    worlds: Matrices
    config: DtuConfig

    @classmethod
    @override
    def find(cls, folder: Path, split: Split, config: DtuConfig) -> Path:
        return folder / config.camera_file

    @classmethod
    @override
    def read(cls, path: Path, folder: Path, config: DtuConfig) -> Self:
        arrays = parse_archive(read_content(path), path)
        images, masks = scan_photos(folder, config.use_masks)
        if (count := sum(name.removeprefix("world_mat_").isdecimal() for name in arrays)) != len(images):
            raise UserError(f"'{path}' has {count} projections, but there are {len(images)} images")
        views = [decompose_projection(arrays[f"world_mat_{view}"], f"view {view} in '{path}'") for view in range(count)]
        poses, intrinsics = (np.stack(values) for values in zip(*views, strict=True))
        return cls(path, folder, arrays, images, masks, intrinsics, np.linalg.inv(poses), config)

    @override
    def __len__(self) -> int:
        return len(self.images)

    @property
    @override
    def convention(self) -> Convention:
        return Convention("world-to-camera", "OpenCV")

    @override
    def name(self, view: int) -> str:
        return self.images[view].name

    @override
    def image(self, view: int) -> Path:
        return self.images[view]

    @override
    def mask(self, view: int) -> Path | None:
        return self.masks[view]

    @override
    def matrices(self) -> Matrices:
        return self.worlds

    @override
    def pinholes(self) -> Sequence[Pinhole]:
        return [self._pinhole(view) for view in range(len(self))]

    @override
    def lens(self, view: int, size: tuple[int, int]) -> Lens:
        return Lens(self.images[view], None, self.intrinsics[view], size, self.config.pixel_center)

    @override
    def with_matrices(self, matrices: Matrices) -> Self:
        return replace(self, worlds=matrices)

    @override
    def with_unit(self, unit: Unit) -> Self:
        matrices = self.intrinsics.copy()
        for view, matrix in enumerate(matrices):
            before = self._pinhole(view)
            # The file says no size: a projection is one for the photos.
            after = unit(before).at(before.size).matrix
            after[0, 1] = matrix[0, 1] * after[0, 0] / matrix[0, 0]
            matrices[view] = after
        return replace(self, intrinsics=matrices)

    @override
    def copies(self, lines: Sequence[str]) -> Mapping[Path, Callable[[Path], None]]:
        arrays = dict(self.arrays)
        for view, (intrinsics, world) in enumerate(zip(self.intrinsics, self.worlds, strict=True)):
            projection = np.eye(4)
            projection[:3] = intrinsics @ world[:3]
            name, inverse = f"world_mat_{view}", f"world_mat_inv_{view}"
            arrays[name] = projection[: len(self.arrays[name])]
            if inverse in arrays:
                arrays[inverse] = np.linalg.inv(projection)

        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        return {self.path: write}

    @override
    def how_to_use(self, original: Path, copy: Path) -> str:
        return f"read it with dataset.camera_file={copy.relative_to(self.scan).as_posix()}"

    def _pinhole(self, view: int) -> Pinhole:
        (focal_x, _, center_x), (_, focal_y, center_y) = self.intrinsics[view, :2].tolist()
        return Pinhole((focal_x, focal_y), (center_x, center_y), read_size(self.images[view]))
