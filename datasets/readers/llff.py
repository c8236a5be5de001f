"""Forward-facing captures in the LLFF layout.

    <root>/poses_bounds.npy     a row a photo: 3x5 numbers (pose | height, width, focal) with camera-to-world in axes
                                [down, right, back], then near and far
          /<images>/            the photos by name, in the order of the rows
          /sparse/0             COLMAP's model (optional); its points are used to inspect cameras

The world is scaled so that the nearest bound lies at 4/3, and moved into the photos' mean camera, as NeRF does.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import model_validator
from typing_extensions import override

from datasets.image_files import read_size
from datasets.readers.camera_files import make_cameras, pinhole, resized
from datasets.readers.captures import OWN_WORLD, CaptureConfig, CaptureDataset, CaptureWorld, scaled_world
from datasets.readers.colmap import read_colmap_model
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import listed_images
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.scenes.scene import Scene, SparsePoints, Split
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


class LlffDataset(CaptureDataset[LlffConfig]):
    """Reader of LLFF captures."""

    marker = "poses_bounds.npy"

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        config, path = self._config, folder / self.marker
        rows = _read_rows(path)
        images = listed_images(folder / config.images)
        if len(images) != len(rows):
            raise UserError(f"'{path}' has {len(rows)} poses but '{images[0].parent}' has {len(images)} images")
        poses, intrinsics, sizes = _cameras(rows, images)
        used, views = self._chosen_views(len(rows), split, path)
        nearest, farthest = rows[used, 15].min(), rows[used, 16].max()
        world = scaled_world(_mean_camera(poses[used]), nearest) if config.scale_world else OWN_WORLD
        # All rows, so that a bad one is found in any split and called by its number.
        cameras = make_cameras(world.poses(poses), intrinsics, sizes, path, config.pixel_center, config.downscale)[
            views
        ]
        near, far = config.near or 0.9 * world.scale * nearest, config.far or world.scale * farthest
        return self._scene(
            name,
            [PhotoFiles(images[view], downscale=config.downscale) for view in views],
            cameras,
            (0.0, 1.0) if config.ndc else (near, far),
            ndc=_ndc_scale(cameras) if config.ndc else None,
            find_points=lambda: _read_points(folder / "sparse/0", views, cameras.sizes.numpy(), world),
        )


def _read_rows(path: Path) -> Float[np.ndarray, "view 17"]:
    with reading("camera file", path):
        rows = np.load(path, allow_pickle=False)
    if rows.ndim != 2 or rows.shape[1] != 17:
        raise UserError(f"'{path}' has the shape {rows.shape}, not (views, 17)")
    if not np.isfinite(rows).all():
        row = int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise UserError(f"row {row} of '{path}' has a value that is not finite")
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
    photos = [model.photos[view] for view in views]
    shapes = [(photo.camera.width, photo.camera.height) for photo in photos]
    pixels = [photo.pixels * (size / shape) for photo, size, shape in zip(photos, sizes, shapes, strict=True)]
    return model.sparse_points(views, pixels, world)
