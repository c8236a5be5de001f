"""NeRF's synthetic scenes as Blender renders, at full size or at several (mip-NeRF's multiscale data, made on the fly).

    <root>/transforms_<split>.json   `camera_angle_x` and frames, camera-to-world in Blender's axes
          /<file_path>.png           RGBA

The root is one scene's folder, or a folder of such folders.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from datasets.folder import BoundedConfig, FolderDataset, check_categories
from datasets.image_files import read_size
from datasets.readers.camera_files import make_cameras, pinhole
from datasets.readers.captures import scene_folders, scene_name
from datasets.readers.file_scene import FileScene, PhotoFiles
from datasets.readers.transforms_files import focal_from_angle, frame_poses, read_transforms
from pixelnerf.scenes.scene import Scene, SceneList, Split


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
        check_categories(categories, [])
        names = scene_folders(self._root, f"transforms_{split}.json")
        return SceneList(names, partial(self._open, split=split))

    def _open(self, name: str, split: Split) -> Scene:
        path = self._root / name / f"transforms_{split}.json"
        content = read_transforms(path)
        images = [_image_path(path.parent, frame["file_path"]) for frame in content["frames"]]
        width, height = read_size(images[0])
        focal = focal_from_angle(content, width, path)
        downscales = self._config.downscales
        count = len(images) * len(downscales)
        return FileScene(
            scene_name(self._root, name),
            [PhotoFiles(image, downscale=downscale) for downscale in downscales for image in images],
            make_cameras(
                np.tile(frame_poses(content, path), (len(downscales), 1, 1)),
                np.tile(pinhole(focal, focal, width / 2, height / 2), (count, 1, 1)),
                np.tile([width, height], (count, 1)),
                path,
                self._config.pixel_center,
                np.repeat(downscales, len(images)),
            ),
            (self._config.near, self._config.far),
            self._config.background,
            self._cache,
        )


def _image_path(folder: Path, file_path: str) -> Path:
    # Published files leave the suffix out; a dot inside a name is not one.
    return folder / (file_path if file_path.lower().endswith((".png", ".jpg", ".jpeg")) else f"{file_path}.png")
