"""mip-NeRF's multiscale Blender scenes, as the original's conversion script writes them.

    <root>/metadata.json   for each split, lists over images: file_path, cam2world (Blender's axes), pix2cam, width,
                           height, near, far (and focal, label, lossmult, which are not needed)
          /<file_path>     RGBA, at full size, 1/2, 1/4 and 1/8

`pix2cam` takes a pixel (x, y, 1), centre at + 0.5, to a direction in the camera's Blender axes.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from typing_extensions import override

from datasets.readers.camera_files import OPENGL_TO_OPENCV, make_cameras, read_json, square_pose
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import FolderConfig, FolderDataset
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, Split

NEEDED = ("file_path", "cam2world", "pix2cam", "width", "height", "near", "far")


class MulticamConfig(FolderConfig):
    """Configuration of `MulticamDataset`; near and far come with the files."""

    name: Literal["multicam"]


class MulticamDataset(FolderDataset[MulticamConfig]):
    """Reader of converted multiscale scenes."""

    marker = "metadata.json"

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path = folder / self.marker
        columns = _columns(read_json(path), split, path)
        poses = [
            square_pose(np.array(matrix, np.float64), f"image {number} in '{path}'") @ OPENGL_TO_OPENCV
            for number, matrix in enumerate(columns["cam2world"])
        ]
        cameras = make_cameras(
            np.stack(poses),
            np.stack([_intrinsics(matrix, path) for matrix in columns["pix2cam"]]),
            np.stack([columns["width"], columns["height"]], axis=1),
            path,
            self._config.pixel_center,
        )
        files = [PhotoFiles(folder / file_path) for file_path in columns["file_path"]]
        return self._scene(name, files, cameras, (min(columns["near"]), max(columns["far"])))


def _columns(content: Any, split: Split, path: Path) -> dict[str, list[Any]]:
    columns = content.get(split) if isinstance(content, dict) else None
    if not isinstance(columns, dict):
        raise UserError(f"'{path}' has no split '{split}'")
    lengths = {key: len(columns[key]) if isinstance(columns.get(key), list) else 0 for key in NEEDED}
    if min(lengths.values()) == 0 or len(set(lengths.values())) > 1:
        raise UserError(f"lists of '{split}' in '{path}' are missing or of different lengths: {lengths}")
    return columns


def _intrinsics(pix2cam: Any, path: Path) -> np.ndarray:
    try:
        return np.linalg.inv(OPENGL_TO_OPENCV[:3, :3] @ np.array(pix2cam, np.float64)[:3, :3])
    except np.linalg.LinAlgError:
        raise UserError(f"'pix2cam' in '{path}' is singular") from None
