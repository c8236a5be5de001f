"""ShapeNet objects in the layout of the NMR renders, as DVR, pixelNeRF and this project's own generator write them.

    <root>/<synset>/<object>/image/%04d.png   photos
                            /mask/%04d.png    object masks (optional)
                            /cameras.npz      world_mat_<i>: world-to-camera in OpenCV axes, 4x4 or 3x4
                                              world_mat_inv_<i>: its inverse (optional)
                                              camera_mat_<i>: intrinsics for an image that spans [-1, 1]
    <root>/<synset>/<list_prefix>_<split>.lst one object a line
    <root>/<view list>                        "<synset> <object> <view> ...": the published input views (optional)

The world is turned so that its z is up, as the original programs do: x, y, z become x, -z, y.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor
from typing_extensions import override

from datasets.image_files import read_size
from datasets.readers.camera_files import check_pose, make_cameras, numbers, parse_archive, read_content, square_pose
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import BoundedConfig, FolderDataset, read_list
from pixelnerf.config import nearest
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, Split
from pixelnerf.types import Cameras

# Files have float32 numbers of a few units; published ones agree to 1e-6.
INVERSE_TOLERANCE = 1e-3
# Renders of one rig have one file; where each object has its own, so many are remembered in vain (about 1 MB).
MOST_KNOWN_CAMERAS = 64
# The files' worlds have y up, as ShapeNet has; ours z.
WORLD_TURN = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
UP = (0.0, 0.0, 1.0)


class NmrLayoutConfig(BoundedConfig):
    """Configuration of `NmrDataset`.

    Attributes:
        synsets: each category's folder, named by its synset in WordNet; there may be more than `categories`.
        categories: names of the categories that the data have.
        train_categories: names that training and validation draw from; None for all.
        list_prefix: which split lists are read, "softras" or "gen" in the published data.
        input_view_list: file under the root with the published input views.
        half_side: half the side of a cube around the world's origin that holds every object; None to sample rays
            everywhere between near and far, as published protocols do.
        half_depth: half the range of depths that a photo's frame is normalised by, whose middle is the depth of the
            world's origin in that photo; None for the range from near to far. For cameras at many distances: whatever
            the distance, the object is then in the middle.
    """

    synsets: dict[str, str]
    categories: tuple[str, ...]
    train_categories: tuple[str, ...] | None
    list_prefix: str
    input_view_list: str | None
    half_side: float | None = Field(gt=0)
    half_depth: float | None = Field(gt=0)

    @field_validator("categories")
    @classmethod
    def _have_synsets(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # Synsets that are themselves invalid are not there, and already reported.
        synsets = info.data.get("synsets", names)
        for name in names:
            if name not in synsets:
                raise ValueError(f"no synset for '{name}'{nearest(name, list(synsets))}")
        return names


class NmrConfig(NmrLayoutConfig):
    """ShapeNet's NMR renders, or any folder in their layout."""

    name: Literal["nmr"]


class NmrDataset(FolderDataset[NmrLayoutConfig]):
    """Reader of the NMR layout."""

    def __init__(self, config: NmrLayoutConfig) -> None:
        super().__init__(config)
        self.categories = config.categories
        self._category_names = {config.synsets[category]: category for category in config.categories}
        self._known_cameras: dict[tuple[bytes, tuple[int, int]], Cameras] = {}

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        chosen = self._config.train_categories if categories is None and split != "test" else categories
        return super().scenes(split, chosen)

    @override
    def folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        names = []
        for category in self.categories if categories is None else categories:
            synset = self._config.synsets[category]
            folder = self._root / synset
            if not folder.is_dir():
                raise UserError(f"no folder '{folder}' for category '{category}': take it out of dataset.categories")
            names += [f"{synset}/{name}" for name in self._objects(category, split)]
        return names

    def _objects(self, category: str, split: Split) -> Sequence[str]:
        """A category's objects in a split."""
        return self._listed(self._root / self._config.synsets[category] / f"{self._config.list_prefix}_{split}.lst")

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        has_masks = (folder / "mask").is_dir()
        cameras = self._cameras(folder / "cameras.npz", read_size(folder / "image/0000.png"))
        files = [
            PhotoFiles(folder / f"image/{view:04d}.png", folder / f"mask/{view:04d}.png" if has_masks else None)
            for view in range(len(cameras.poses))
        ]
        return self._scene(
            name,
            files,
            cameras,
            self._config.bounds,
            category=self._category_names[name.split("/")[0]],
            input_views=self.input_views.get(name) if self._config.input_view_list else None,
            half_side=self._config.half_side,
            up=UP,
            depth_ranges=self._depth_ranges(cameras),
        )

    def _depth_ranges(self, cameras: Cameras) -> Float[Tensor, "view 2"] | None:
        if self._config.half_depth is None:
            return None
        # The origin lies at -t in the world's axes from a camera at t, and so deep along its third axis.
        middle = -(cameras.poses[:, :3, 2] * cameras.poses[:, :3, 3]).sum(dim=-1, keepdim=True)
        return middle + self._config.half_depth * torch.tensor([-1.0, 1.0])

    def _cameras(self, path: Path, size: tuple[int, int]) -> Cameras:
        """Parsed once for all objects with the same file, since the layout's renders share one rig."""
        content = read_content(path)
        if (content, size) in self._known_cameras:
            return self._known_cameras[content, size]
        poses, camera_matrices = _parse_matrices(content, path)
        # From an image that spans [-1, 1] in both axes to one that spans [0, width] x [0, height].
        width, height = size
        to_pixels = np.array([[width / 2, 0, width / 2], [0, height / 2, height / 2], [0, 0, 1]])
        cameras = make_cameras(WORLD_TURN @ poses, to_pixels @ camera_matrices, size, path, self._config.pixel_center)
        if len(self._known_cameras) >= MOST_KNOWN_CAMERAS:
            self._known_cameras.clear()
        self._known_cameras[content, size] = cameras
        return cameras

    @cached_property
    def input_views(self) -> Mapping[str, tuple[int, ...]]:
        """The published input views of objects, by their folders."""
        path = self._root / str(self._config.input_view_list)
        views = {}
        for number, line in enumerate(read_list(path), start=1):
            words = line.split()
            if len(words) < 3 or not all(word.isdecimal() for word in words[2:]):
                raise UserError(f"line {number} of '{path}' is not '<synset> <object> <view>': {line!r}")
            views[f"{words[0]}/{words[1]}"] = tuple(int(word) for word in words[2:])
        return views


def _parse_matrices(content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Camera-to-world matrices (view, 4, 4) in the file's world, and camera matrices (view, 3, 3)."""
    arrays = parse_archive(content, path)
    poses, camera_matrices = [], []
    while f"world_mat_{len(poses)}" in arrays or f"world_mat_inv_{len(poses)}" in arrays:
        view = len(poses)
        camera_matrix = arrays.get(f"camera_mat_{view}")
        if camera_matrix is None:
            raise UserError(f"camera file '{path}' has no 3x3 or 4x4 matrix 'camera_mat_{view}'")
        poses.append(_pose(arrays, view, path))
        what = f"'camera_mat_{view}' of view {view} in '{path}'"
        camera_matrices.append(numbers(camera_matrix, what, (4, 4), (3, 3), (3, 4))[:3, :3])
    if not poses:
        raise UserError(f"camera file '{path}' has no 'world_mat_0'")
    return np.stack(poses), np.stack(camera_matrices)


def _pose(arrays: dict[str, np.ndarray], view: int, path: Path) -> np.ndarray:
    where = f"view {view} in '{path}'"
    stored = {}
    for name in ("world_mat", "world_mat_inv"):
        if f"{name}_{view}" in arrays:
            stored[name] = square_pose(arrays[f"{name}_{view}"], where)
            check_pose(stored[name], where)
    if "world_mat_inv" not in stored:
        return np.linalg.inv(stored["world_mat"])
    pose = stored["world_mat_inv"]
    if "world_mat" in stored and np.abs(stored["world_mat"] @ pose - np.eye(4)).max() > INVERSE_TOLERANCE:
        raise UserError(f"'world_mat' and 'world_mat_inv' of {where} are not inverse to each other")
    return pose
