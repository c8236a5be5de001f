"""NeRF's synthetic scenes as Blender renders, at full size or at several (mip-NeRF's multiscale data, made on the fly).

    <root>/transforms_<split>.json   `camera_angle_x` and frames, camera-to-world in Blender's axes
          /<file_path>.png           RGBA

The root is one scene's folder, or a folder of such folders.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from datasets.folder import BoundedConfig
from datasets.image_files import read_size
from datasets.readers.camera_files import angle_intrinsics, make_cameras, read_transforms
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import FolderDataset, scene_folders
from pixelnerf.scenes.scene import Scene, Split


class BlenderConfig(BoundedConfig):
    """Configuration of `BlenderDataset`.

    Attributes:
        downscales: every photo is there once for each of these whole numbers, shrunk by it; all photos at the first
            come before all at the second. (1, 2, 4, 8) is mip-NeRF's multiscale data.
    """

    name: Literal["blender"]
    downscales: tuple[int, ...] = Field(min_length=1)


class BlenderDataset(FolderDataset[BlenderConfig]):
    """Reader of Blender scenes."""

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        return self._listed(scene_folders(self._root, f"transforms_{split}.json"), split, categories)

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path = folder / f"transforms_{split}.json"
        content, poses = read_transforms(path)
        images = [_image_path(folder, frame["file_path"]) for frame in content["frames"]]
        size, downscales = read_size(images[0]), self._config.downscales
        cameras = make_cameras(
            np.tile(poses, (len(downscales), 1, 1)),
            angle_intrinsics(content, size, path),
            size,
            path,
            self._config.pixel_center,
            np.repeat(downscales, len(images)),
        )
        files = [PhotoFiles(image, downscale=downscale) for downscale in downscales for image in images]
        return self._scene(name, files, cameras, self._config.bounds)


def _image_path(folder: Path, file_path: str) -> Path:
    # Published files leave the suffix out; a dot inside a name is not one.
    return folder / (file_path if file_path.lower().endswith((".png", ".jpg", ".jpeg")) else f"{file_path}.png")
