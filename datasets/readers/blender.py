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

from datasets.file_names import files_below, folder_with, found_image, image_stem
from datasets.image_files import read_size
from datasets.messages import note
from datasets.readers.camera_files import make_cameras
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import BoundedConfig, FolderDataset
from datasets.readers.frames import Frames
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
        self, name: str, frames: Frames, image_of: Callable[[int], Path], downscales: tuple[int, ...] = (1,)
    ) -> Scene:
        """The scene of a transforms file, once at each size."""
        images = [image_of(view) for view in range(len(frames))]
        size = read_size(images[0])
        lenses = [frames.lens(view, image, size, self._config.pixel_center) for view, image in enumerate(images)]
        poses = np.stack([frames.pose(view) for view in range(len(frames))])
        cameras = make_cameras(
            np.tile(poses, (len(downscales), 1, 1)),
            np.tile([lens.straight for lens in lenses], (len(downscales), 1, 1)),
            size,
            frames.path,
            self._config.pixel_center,
            np.repeat(downscales, len(images)),
        )
        masks = [frames.mask(view) for view in range(len(frames))]
        files = [
            PhotoFiles(image, mask, lens, downscale)
            for downscale in downscales
            for image, mask, lens in zip(images, masks, lenses, strict=True)
        ]
        return self._scene(name, files, cameras, self._config.bounds)


class BlenderDataset(RendersDataset[BlenderConfig]):
    """Reader of Blender scenes."""

    marker = "transforms_{split}.json"

    @override
    def folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        try:
            return super().folders(split, categories)
        except UserError:
            if split != "val":
                raise
            # Training validates; scenes of one's own seldom have more than one held-out file.
            return super().folders("test", categories)

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path = folder / self.marker.format(split=split)
        if split == "val" and not path.exists():
            path = folder / self.marker.format(split="test")
            note("serves for validation, too, since there is no 'transforms_val.json'", path)
        frames = Frames.read(path)
        return self._renders(name, frames, frames.image, self._config.downscales)


class TwoObjectsDataset(RendersDataset[TwoObjectsConfig]):
    """Reader of the two-object layout."""

    @override
    def folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        folder = self._root / split
        if not folder.is_dir():
            raise UserError(
                f"no folder '{folder}', but the root holds train, val and test: {folder_with(self._root, split)}"
            )
        paths = [path.relative_to(self._root) for path in files_below(folder) if path.name == "transforms.json"]
        return sorted(str(path.parent) for path in paths)

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        frames = Frames.read(folder / "transforms.json")
        return self._renders(
            name, frames, lambda view: found_image(folder / f"{image_stem(frames.image(view).name)}_obj.png")
        )
