"""Forward-facing captures in the LLFF layout.

    <root>/poses_bounds.npy     a row a photo: 3x5 numbers (pose | height, width, focal) with camera-to-world in axes
                                [down, right, back], then near and far
          /<images>/            the photos by name, in the order of the rows
          /sparse/0             COLMAP's model (optional); its points are used to inspect cameras

The world is scaled so that the nearest bound lies at 4/3, and moved into the photos' mean camera, as NeRF does.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import model_validator
from typing_extensions import override

from datasets.folder import FolderDataset, check_categories
from datasets.image_files import read_size
from datasets.readers.camera_files import make_cameras, pinhole, resized
from datasets.readers.captures import (
    OWN_WORLD,
    CaptureConfig,
    CaptureWorld,
    listed_images,
    scaled_world,
    scene_folders,
    scene_name,
    split_views,
    used_views,
)
from datasets.readers.colmap import sparse_points
from datasets.readers.colmap_model import read_colmap_model
from datasets.readers.file_scene import FileScene, PhotoFiles
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, SceneList, SparsePoints, Split
from pixelnerf.types import Cameras

# From LLFF's [down, right, back] to OpenCV's [right, down, forward].
LLFF_TO_OPENCV = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])


class LlffConfig(CaptureConfig):
    """Configuration of `LlffDataset`. Near and far are 0.9 of the nearest and the farthest bound unless they are set.

    Attributes:
        images: the folder of photos, `images_8` for those at 1/8 of the size.
        ndc: render in normalised device coordinates, for forward-facing scenes and models without photos.
    """

    name: Literal["llff"]
    images: str
    ndc: bool

    @model_validator(mode="after")
    def _ndc_needs_the_mean_camera(self) -> "LlffConfig":
        if self.ndc and not (self.scale_world and self.near is None and self.far is None):
            raise ValueError("ndc needs scale_world: true, and near and far null")
        return self


class LlffDataset(FolderDataset[LlffConfig]):
    """Reader of LLFF captures."""

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        check_categories(categories, [])
        return SceneList(scene_folders(self._root, "poses_bounds.npy"), partial(self._open, split=split))

    def _open(self, name: str, split: Split) -> Scene:
        folder = self._root / name
        path = folder / "poses_bounds.npy"
        rows = _read_rows(path)
        images = listed_images(folder / self._config.images)
        if len(images) != len(rows):
            raise UserError(f"'{path}' has {len(rows)} poses but '{images[0].parent}' has {len(images)} images")
        poses, intrinsics, sizes = _cameras(rows, images)
        used = used_views(len(rows), self._config, path)
        bounds = rows[used, 15:]
        world = scaled_world(_mean_camera(poses[used]), bounds.min()) if self._config.scale_world else OWN_WORLD
        views = split_views(used, split, self._config.test_every)
        # All rows, so that a bad one is found in any split and called by its number.
        cameras = make_cameras(
            world.poses(poses), intrinsics, sizes, path, self._config.pixel_center, self._config.downscale
        )[views]
        near = self._config.near or 0.9 * world.scale * bounds.min()
        far = self._config.far or world.scale * bounds.max()
        return FileScene(
            scene_name(self._root, name),
            [PhotoFiles(images[view], downscale=self._config.downscale) for view in views],
            cameras,
            (0.0, 1.0) if self._config.ndc else (near, far),
            self._config.background,
            self._cache,
            ndc=_ndc_scale(cameras) if self._config.ndc else None,
            find_points=lambda: _read_points(folder / "sparse/0", views, cameras.sizes.numpy(), world),
        )


def _read_rows(path: Path) -> Float[np.ndarray, "view 17"]:
    try:
        rows = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy raises many kinds for damaged files
        raise UserError(f"cannot read '{path}': {str(error).splitlines()[0]}") from None
    if rows.ndim != 2 or rows.shape[1] != 17:
        raise UserError(f"'{path}' has the shape {rows.shape}, not (views, 17)")
    if not np.isfinite(rows).all():
        raise UserError(
            f"row {int(np.argmin(np.isfinite(rows).all(axis=1)))} of '{path}' has a value that is not finite"
        )
    if not ((rows[:, 15] > 0) & (rows[:, 16] > rows[:, 15])).all():
        raise UserError(f"bounds in '{path}' are not 0 < near < far in every row")
    return rows


def _cameras(rows: np.ndarray, images: Sequence[Path]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poses in OpenCV axes, intrinsics at the photos' size, and these sizes."""
    matrices = rows[:, :15].reshape(-1, 3, 5)
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3, :3] = matrices[:, :, :3] @ LLFF_TO_OPENCV
    poses[:, :3, 3] = matrices[:, :, 3]
    sizes = [read_size(image) for image in images]
    intrinsics = [
        resized(pinhole(focal, focal, width / 2, height / 2), (width, height), size, image)
        for (height, width, focal), size, image in zip(matrices[:, :, 4], sizes, images, strict=True)
    ]
    return poses, np.stack(intrinsics), np.array(sizes)


def _mean_camera(poses: Float[np.ndarray, "view 4 4"]) -> Float[np.ndarray, "4 4"]:
    """The pose at the mean position that looks along the mean direction, with the mean's side up."""
    forward = poses[:, :3, 2].sum(axis=0)
    forward /= np.linalg.norm(forward)
    right = np.cross(poses[:, :3, 1].sum(axis=0), forward)
    right /= np.linalg.norm(right)
    mean = np.eye(4)
    mean[:3] = np.stack([right, np.cross(forward, right), forward, poses[:, :3, 3].mean(axis=0)], axis=1)
    return mean


def _ndc_scale(cameras: Cameras) -> tuple[float, float]:
    """What brings a typical photo's sides to -1 and 1 at depth 1."""
    focal = torch.diagonal(cameras.intrinsics, 0, 1, 2)[:, :2]
    x, y = (2 * focal / cameras.sizes).mean(dim=0).tolist()
    return x, y


def _read_points(folder: Path, views: Sequence[int], sizes: np.ndarray, world: CaptureWorld) -> SparsePoints | None:
    """COLMAP's points in the scene's world; its images and the rows of poses have the same order."""
    if not folder.is_dir():
        return None
    model = read_colmap_model(folder)
    ratios = sizes / model.sizes[views]
    pixels = [model.pixels[view] * ratio for view, ratio in zip(views, ratios, strict=True)]
    return sparse_points(model, views, pixels, world)
