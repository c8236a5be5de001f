"""Renders by Blender: NeRF's synthetic scenes, and pixelNeRF's scenes of two ShapeNet objects.

    <root>/transforms_<split>.json          `camera_angle_x` and frames, camera-to-world in Blender's axes
          /<file_path>.png                  RGBA
    <root>/<split>/**/transforms.json       likewise, of two objects
                     /<view>_obj.png        RGBA, beside the transforms file; <view> is the frame's file name

The root is one scene's folder, or a folder of such folders; of two objects, the folder of train, val and test. NeRF's
scenes are read at full size, or at several (mip-NeRF's multiscale data, made on the fly).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from pydantic import Field
from typing_extensions import override

from datasets.image_files import read_size
from datasets.readers.camera_files import angle_intrinsics, make_cameras, read_transforms
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import BoundedConfig, FolderDataset
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, Split

BoundedConfigType = TypeVar("BoundedConfigType", bound=BoundedConfig)


class BlenderConfig(BoundedConfig):
    """Configuration of `BlenderDataset`.

    Attributes:
        downscales: every photo is there once for each of these whole numbers, shrunk by it; all photos at the first
            come before all at the second. (1, 2, 4, 8) is mip-NeRF's multiscale data.
    """

    name: Literal["blender"]
    downscales: tuple[int, ...] = Field(min_length=1)


class TwoObjectsConfig(BoundedConfig):
    """Configuration of `TwoObjectsDataset`."""

    name: Literal["two_objects"]


class RendersDataset(FolderDataset[BoundedConfigType]):
    """What readers of Blender's renders share."""

    def _renders(
        self, name: str, path: Path, image_of: Callable[[str], Path], downscales: tuple[int, ...] = (1,)
    ) -> Scene:
        """The scene of a transforms file, once at each size."""
        content, poses = read_transforms(path)
        images = [image_of(frame["file_path"]) for frame in content["frames"]]
        size = read_size(images[0])
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


class BlenderDataset(RendersDataset[BlenderConfig]):
    """Reader of Blender scenes."""

    marker = "transforms_{split}.json"

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path = folder / self.marker.format(split=split)
        return self._renders(name, path, lambda file_path: _image_path(folder, file_path), self._config.downscales)


class TwoObjectsDataset(RendersDataset[TwoObjectsConfig]):
    """Reader of the two-object layout."""

    @override
    def _folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        folder = self._root / split
        if not folder.is_dir():
            raise UserError(f"no folder '{folder}': set dataset.root to the folder of train, val and test")
        return sorted(str(path.parent.relative_to(self._root)) for path in folder.rglob("transforms.json"))

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path = folder / "transforms.json"
        return self._renders(name, path, lambda file_path: folder / f"{Path(file_path).stem}_obj.png")


def _image_path(folder: Path, file_path: str) -> Path:
    # Published files leave the suffix out; a dot inside a name is not one.
    return folder / (file_path if file_path.lower().endswith((".png", ".jpg", ".jpeg")) else f"{file_path}.png")
