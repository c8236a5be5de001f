"""Cameras in transforms.json and its kin (`datasets.readers.frames`)."""

import copy
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from typing_extensions import override

from datasets.file_names import view_key
from datasets.image_files import read_size
from datasets.inspection.camera_set import CameraSet, Convention, Matrices, Pinhole, Unit
from datasets.readers.blender import BlenderConfig, BlenderDataset
from datasets.readers.camera_files import square_pose
from datasets.readers.folder_dataset import FolderConfig
from datasets.readers.frames import FIX_KEY, Frames
from datasets.readers.lens import Lens
from datasets.readers.transforms import LISTS, TransformsConfig, TransformsDataset
from pixelnerf.scenes.scene import Split

Content = dict[str, Any]
FramesConfig = TypeVar("FramesConfig", bound=FolderConfig)

PHOTO_KEYS = ("file_path", "mask_path")


@dataclass(frozen=True)
class FramesCameras(CameraSet[FramesConfig]):
    """The cameras of a file of frames. Poses that were not changed stay as they were written."""

    path: Path
    content: Content
    pixel_center: float
    marker: ClassVar[str]

    @classmethod
    @override
    def find(cls, folder: Path, split: Split, config: FramesConfig) -> Path:
        return folder / cls.marker.format(split=split)

    @classmethod
    @override
    def read(cls, path: Path, folder: Path, config: FramesConfig) -> Self:
        return cls(path, dict(Frames.read(path, {"ply_file_path", *LISTS.values()}).content), config.pixel_center)

    @property
    def frames(self) -> Frames:
        """What the reader makes of the content."""
        return Frames(self.path, self.content, self.content["frames"])

    @override
    def __len__(self) -> int:
        return len(self.content["frames"])

    @property
    @override
    def convention(self) -> Convention:
        return Convention("camera-to-world", "OpenGL")

    @override
    def name(self, view: int) -> str:
        return self.frames.name(view)

    @override
    def image(self, view: int) -> Path:
        return self.frames.image(view)

    @override
    def mask(self, view: int) -> Path | None:
        return self.frames.mask(view)

    @override
    def matrices(self) -> Matrices:
        matrices = []
        for view in range(len(self)):
            # Says what is wrong with it.
            self.frames.pose(view)
            matrices.append(square_pose(self.content["frames"][view]["transform_matrix"], f"frame {view}"))
        return np.stack(matrices)

    @override
    def pinholes(self) -> Sequence[Pinhole]:
        size = self._size()
        return [_pinhole(level, size) for level in self._levels()]

    @override
    def lens(self, view: int, size: tuple[int, int]) -> Lens:
        return self.frames.lens(view, self.image(view), size, self.pixel_center)

    @override
    def with_matrices(self, matrices: Matrices) -> Self:
        changed = copy.deepcopy(self.content)
        for frame, matrix in zip(changed["frames"], matrices, strict=True):
            frame["transform_matrix"] = matrix.tolist()
        return replace(self, content=changed)

    @override
    def with_unit(self, unit: Unit) -> Self:
        changed, size = replace(self, content=copy.deepcopy(self.content)), self._size()
        for level in changed._levels():
            before = _pinhole(level, size)
            after = unit(before)
            values = zip(("fl_x", "fl_y", "cx", "cy"), (*after.focal, *after.center), strict=True)
            level.update({key: value for key, value in values if value is not None and value != level[key]})
            for key, old, new in zip("wh", before.size, after.size, strict=True):
                if new != old and (key in level or level is changed.content):
                    level[key] = new
        return changed

    @override
    def without(self, views: Sequence[int]) -> Self:
        names = {view_key(self.name(view)) for view in views}
        lists = {
            key: [name for name in self.content[key] if view_key(name) not in names]
            for key in LISTS.values()
            if self.content.get(key)
        }
        kept = [frame for view, frame in enumerate(self.content["frames"]) if view not in views]
        return replace(self, content={**self.content, **lists, "frames": kept})

    @override
    def pictures(self) -> Sequence[Sequence[str]]:
        frames = [frame for frame in self.content["frames"] if isinstance(frame, dict)]
        named = [[frame.get(key) for frame in frames] for key in PHOTO_KEYS]
        return [[name for name in names if isinstance(name, str) and name] for names in named]

    @override
    def with_names(self, names: Mapping[str, str]) -> Self:
        changed = copy.deepcopy(self.content)
        for frame in changed["frames"]:
            frame.update({key: names[frame[key]] for key in PHOTO_KEYS if frame.get(key) in names})
        by_key = {view_key(old): new for old, new in names.items()}
        for key in LISTS.values():
            if changed.get(key):
                changed[key] = [by_key.get(view_key(name), name) for name in changed[key]]
        return replace(self, content=changed)

    @override
    def units(self) -> Sequence[tuple[str, Self]]:
        found = []
        if any(angle > math.pi for angle in self._numbers("camera_angle_x", "camera_angle_y")):
            line = "fields of view were degrees: camera_angle_x and camera_angle_y are radians now"
            found.append((line, self._scaled(math.pi / 180, "camera_angle_x", "camera_angle_y")))
        if (angles := self._numbers("x_fov", "y_fov")) and max(angles) < math.pi:
            line = "fields of view were radians: x_fov and y_fov are degrees now"
            found.append((line, self._scaled(180 / math.pi, "x_fov", "y_fov")))
        return found

    @override
    def copies(self, lines: Sequence[str]) -> Mapping[Path, Callable[[Path], None]]:
        data = json.dumps({**self.content, FIX_KEY: list(lines)}, indent=1).encode()

        def write(path: Path) -> None:
            path.write_bytes(data)

        return {self.path: write}

    def _size(self) -> tuple[float, float]:
        """That of the first camera that says so, else of the first photo."""
        width, height = (
            next((value for value in self._numbers(key) if value > 0), side)
            for key, side in zip("wh", read_size(self.image(0)), strict=True)
        )
        return width, height

    def _levels(self) -> Iterator[Content]:
        yield self.content
        yield from (frame for frame in self.content["frames"] if isinstance(frame, dict))

    def _numbers(self, *keys: str) -> list[float]:
        values = [_number(level, key) for level in self._levels() for key in keys]
        return [value for value in values if value is not None]

    def _scaled(self, factor: float, *keys: str) -> Self:
        changed = replace(self, content=copy.deepcopy(self.content))
        for level in changed._levels():
            level.update({key: factor * value for key in keys if (value := _number(level, key)) is not None})
        return changed


def _number(level: Content, key: str) -> float | None:
    value = level.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _pinhole(level: Content, size: tuple[float, float]) -> Pinhole:
    """A level's numbers; where it says no size, it is that of all."""
    focal, center = (tuple(_number(level, key) for key in keys) for keys in (("fl_x", "fl_y"), ("cx", "cy")))
    width, height = (_number(level, key) or side for key, side in zip("wh", size, strict=True))
    return Pinhole((focal[0], focal[1]), (center[0], center[1]), (width, height))


class TransformsCameras(FramesCameras[TransformsConfig]):
    """Those of transforms.json."""

    marker = TransformsDataset.marker


class BlenderCameras(FramesCameras[BlenderConfig]):
    """Those of transforms_<split>.json."""

    marker = BlenderDataset.marker
