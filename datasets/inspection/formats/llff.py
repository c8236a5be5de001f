"""Cameras in LLFF's poses_bounds.npy (`datasets.readers.llff`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from datasets.inspection.camera_set import CameraSet, Convention, Matrices, Pinhole, Unit
from datasets.readers.camera_files import RIGID_TOLERANCE, check_pose, numbers, pinhole, resized
from datasets.readers.lens import Lens
from datasets.readers.llff import LlffConfig, LlffDataset, read_rows, row_photos, sparse_model
from pixelnerf.scenes.scene import Split


@dataclass(frozen=True)
class LlffCameras(CameraSet[LlffConfig]):
    """The rows of a file, of which each belongs to a photo that is there: which is missing would be a guess."""

    path: Path
    rows: Float[np.ndarray, "view 17"]
    images: Sequence[Path]
    pixel_center: float

    @classmethod
    @override
    def find(cls, folder: Path, split: Split, config: LlffConfig) -> Path:
        return folder / LlffDataset.marker

    @classmethod
    @override
    def read(cls, path: Path, folder: Path, config: LlffConfig) -> Self:
        rows = read_rows(path)
        for view, row in enumerate(rows):
            numbers(row[:15], f"pose of row {view} of '{path}'", (15,))
        return cls(path, rows, row_photos(path, config.images, len(rows), sparse_model(folder)), config.pixel_center)

    @override
    def __len__(self) -> int:
        return len(self.rows)

    @property
    @override
    def convention(self) -> Convention:
        return Convention("camera-to-world", "LLFF")

    @override
    def name(self, view: int) -> str:
        return self.images[view].name

    @override
    def image(self, view: int) -> Path:
        return self.images[view]

    @override
    def matrices(self) -> Matrices:
        matrices = _squares(self._blocks())
        for view, matrix in enumerate(matrices):
            check_pose(matrix, self._where(view))
        return matrices

    @override
    def pinholes(self) -> Sequence[Pinhole]:
        return [_pinhole(block) for block in self._blocks()]

    @override
    def lens(self, view: int, size: tuple[int, int]) -> Lens:
        height, width, focal = self._blocks()[view, :, 4]
        matrix = pinhole(focal, focal, width / 2, height / 2)
        intrinsics = resized(matrix, (width, height), size, self.images[view])
        return Lens(self.images[view], None, intrinsics, size, self.pixel_center)

    @override
    def with_matrices(self, matrices: Matrices) -> Self:
        blocks = self._blocks()
        blocks[:, :, :4] = matrices[:, :3]
        return self._with_blocks(blocks)

    @override
    def with_unit(self, unit: Unit) -> Self:
        blocks = self._blocks()
        for block in blocks:
            after = unit(_pinhole(block))
            block[:, 4] = (*after.size[::-1], after.focal[0])
        return self._with_blocks(blocks)

    @override
    def repairs(self) -> Sequence[tuple[str, Self]]:
        transposed = self.rows[:, :15].reshape(-1, 5, 3).transpose(0, 2, 1)
        if _are_rigid(self._blocks()) or not (_are_rigid(transposed) and (transposed[:, :, 4] > 0).all()):
            return ()
        return [("rows held their 3x5 numbers column by column: they are row by row", self._with_blocks(transposed))]

    @override
    def copies(self, lines: Sequence[str]) -> Mapping[Path, Callable[[Path], None]]:
        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.save(file, self.rows, allow_pickle=False)

        return {self.path: write}

    def _blocks(self) -> Float[np.ndarray, "view 3 5"]:
        """Poses beside (height, width, focal length)."""
        return self.rows[:, :15].reshape(-1, 3, 5).copy()

    def _with_blocks(self, blocks: Float[np.ndarray, "view 3 5"]) -> Self:
        return replace(self, rows=np.hstack([blocks.reshape(-1, 15), self.rows[:, 15:]]))

    def _where(self, view: int) -> str:
        return f"row {view} of '{self.path}'"


def _pinhole(block: Float[np.ndarray, "3 5"]) -> Pinhole:
    height, width, focal = block[:, 4].tolist()
    return Pinhole((focal, focal), (None, None), (width, height))


def _squares(blocks: Float[np.ndarray, "view 3 5"]) -> Matrices:
    last = np.broadcast_to([[0.0, 0, 0, 1]], (len(blocks), 1, 4))
    return np.concatenate([blocks[:, :, :4], last], axis=1)


def _are_rigid(blocks: Float[np.ndarray, "view 3 5"]) -> bool:
    rotations = blocks[:, :, :3]
    return bool(np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max() < RIGID_TOLERANCE)
