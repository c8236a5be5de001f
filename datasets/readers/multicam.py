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

from datasets.file_names import found_image, named
from datasets.readers.camera_files import OPENGL_TO_OPENCV, make_cameras, numbers, read_json, square_pose
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
        rows = []
        for number in range(len(columns["file_path"])):
            row = {key: columns[key][number] for key in NEEDED}
            where = f"image {number} of '{split}' in '{path}'"
            if not isinstance(row["file_path"], str):
                raise UserError(f"'file_path' of {where} is {row['file_path']!r}, not a name")
            for key in ("width", "height", "near", "far"):
                row[key] = float(numbers(row[key], f"'{key}' of {where}", ()))
            row["pix2cam"] = _intrinsics(numbers(row["pix2cam"], f"'pix2cam' of {where}", (3, 3)), where)
            row["cam2world"] = square_pose(row["cam2world"], where) @ OPENGL_TO_OPENCV
            rows.append(row)
        cameras = make_cameras(
            np.stack([row["cam2world"] for row in rows]),
            np.stack([row["pix2cam"] for row in rows]),
            np.array([(int(row["width"]), int(row["height"])) for row in rows]),
            path,
            self._config.pixel_center,
        )
        files = [PhotoFiles(found_image(named(folder, row["file_path"]))) for row in rows]
        bounds = min(row["near"] for row in rows), max(row["far"] for row in rows)
        return self._scene(name, files, cameras, bounds)


def _columns(content: Any, split: Split, path: Path) -> dict[str, list[Any]]:
    columns = content.get(split) if isinstance(content, dict) else None
    if not isinstance(columns, dict):
        raise UserError(f"'{path}' has no split '{split}'")
    lengths = {key: len(columns[key]) if isinstance(columns.get(key), list) else 0 for key in NEEDED}
    if min(lengths.values()) == 0 or len(set(lengths.values())) > 1:
        raise UserError(f"lists of '{split}' in '{path}' are missing or of different lengths: {lengths}")
    return columns


def _intrinsics(pix2cam: np.ndarray, where: str) -> np.ndarray:
    try:
        return np.linalg.inv(OPENGL_TO_OPENCV[:3, :3] @ pix2cam)
    except np.linalg.LinAlgError:
        raise UserError(f"'pix2cam' of {where} is singular") from None
