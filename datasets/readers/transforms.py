"""Captures in the layout of nerfstudio and instant-ngp.

<root>/transforms.json   frames with `transform_matrix` (camera-to-world in Blender's axes), and for all frames or
                         each of its own: fl_x, fl_y, cx, cy, w, h or camera_angle_x; distortion k1 ... p2
      /<file_path>       the photos, at the size of w and h or shrunk
      /<mask_path>       object masks (optional)
      /<ply_file_path>   sparse points in the frames' world (optional)

Photos of lenses that bend lines are straightened when they are read (`datasets.readers.lens`).
"""

import io
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import trimesh
from jaxtyping import Float
from typing_extensions import override

from datasets.file_names import named, view_key
from datasets.image_files import read_size
from datasets.readers.captures import BOUNDS_BY_HAND, CaptureConfig, CaptureDataset
from datasets.readers.frames import Frames
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.scenes.scene import SPLITS, Scene, Split

LISTS: dict[Split, str] = {split: f"{split}_filenames" for split in SPLITS}


class TransformsConfig(CaptureConfig):
    """Configuration of `TransformsDataset`. Near and far are taken from sparse points unless they are set."""

    name: Literal["transforms"]


class TransformsDataset(CaptureDataset[TransformsConfig]):
    """Reader of transforms.json captures."""

    marker = "transforms.json"

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        frames = Frames.read(folder / self.marker, {"ply_file_path", *LISTS.values()})
        capture = _Capture(frames, self._config.pixel_center)
        listed = None if self._config.test_every == 0 else _listed(frames, split)
        return self._straight_scene(name, frames.path, split, capture, listed)


class _Capture:
    """What `CaptureDataset` asks of a capture's views."""

    def __init__(self, frames: Frames, pixel_center: float) -> None:
        self._frames = frames
        self._pixel_center = pixel_center

    def __len__(self) -> int:
        return len(self._frames)

    def pose(self, view: int) -> Float[np.ndarray, "4 4"]:
        return self._frames.pose(view)

    def lens(self, view: int) -> Lens:
        image = self._frames.image(view)
        return self._frames.lens(view, image, read_size(image), self._pixel_center)

    def mask(self, view: int) -> Path | None:
        return self._frames.mask(view)

    def points(self, view: int) -> Float[np.ndarray, "point 3"]:
        return self._points

    @cached_property
    def _points(self) -> Float[np.ndarray, "point 3"]:
        file = self._frames.path
        name = self._frames.content.get("ply_file_path")
        if not isinstance(name, str) or not name:
            raise UserError(f"'{file}' names no sparse points to find depths: {BOUNDS_BY_HAND}")
        path = named(file.parent, name)
        with reading("sparse points", path):
            parts = trimesh.load_scene(io.BytesIO(path.read_bytes()), file_type="ply").geometry.values()
        # One by one: to join them, trimesh copies what it knows of each point four times.
        clouds = [part.vertices for part in parts if isinstance(part, trimesh.PointCloud | trimesh.Trimesh)]
        if not sum(map(len, clouds)):
            raise UserError(f"no sparse points in '{path}': {BOUNDS_BY_HAND}")
        return np.concatenate(clouds, dtype=np.float64)


def _listed(frames: Frames, split: Split) -> set[int] | None:
    """The views of a split, if the file lists splits; without a list of its own, what the other lists leave."""
    lists = {name: _views(frames, key) for name, key in LISTS.items() if frames.content.get(key)}
    # A list of one of the held-out splits serves for the other.
    for name in (split, {"train": "train", "val": "test", "test": "val"}[split]):
        if name in lists:
            return lists[name]
    return set(range(len(frames))).difference(*lists.values()) if lists else None


def _views(frames: Frames, key: str) -> set[int]:
    listed = frames.content[key]
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise UserError(f"'{key}' in '{frames.path}' is not a list of photos")
    names = [frame.get("file_path") if isinstance(frame, dict) else None for frame in frames.frames]
    views = {view_key(name): view for view, name in enumerate(names) if isinstance(name, str)}
    for name in listed:
        if view_key(name) not in views:
            raise UserError(f"'{key}' in '{frames.path}' has '{name}', but no frame has that 'file_path'")
    return {views[view_key(name)] for name in listed}
