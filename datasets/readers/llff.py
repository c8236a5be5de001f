"""Forward-facing captures in the LLFF layout.

    <root>/poses_bounds.npy     a row a photo: 3x5 numbers (pose | height, width, focal) with camera-to-world in axes
                                [down, right, back], then near and far
          /<images>/            the photos by name, in the order of the rows
          /sparse/0             COLMAP's model (optional); its points are used to inspect cameras

The world is scaled so that the nearest bound lies at 4/3, and moved into the photos' mean camera, as NeRF does.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import model_validator
from typing_extensions import override

from datasets.file_names import listed_images, numbered, photo_key, visible
from datasets.image_files import read_size
from datasets.messages import named_view, note
from datasets.readers.camera_files import check_intrinsics, check_pose, make_cameras, numbers, pinhole, resized
from datasets.readers.captures import (
    BOUNDS_BY_HAND,
    CaptureConfig,
    CaptureDataset,
    CaptureWorld,
    kept_world,
    scaled_world,
)
from datasets.readers.colmap_model import ColmapModel, has_model, read_colmap_model
from datasets.readers.file_scene import PhotoFiles
from datasets.readers.folder_dataset import read_list
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.scenes.scene import Scene, SparsePoints, Split
from pixelnerf.types import Cameras

SPARSE, VIEW_LIST = "sparse/0", "view_imgs.txt"
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
        rows, model = read_rows(path), sparse_model(folder)
        images = row_photos(path, config.images, len(rows), model)
        used, views = self._chosen_views(len(rows), split, path)
        poses, matrices, sizes = {}, {}, {}
        for view in used:
            with named_view(view):
                where = f"row {view} of '{path}'"
                poses[view], (height, width, focal) = _camera(rows[view], where)
                sizes[view] = read_size(images[view])
                matrix = resized(
                    pinhole(focal, focal, width / 2, height / 2), (width, height), sizes[view], images[view]
                )
                check_intrinsics(matrix, where)
                matrices[view] = matrix
        nearest, farthest = self._row_bounds(rows, used, path)
        used_poses = np.stack([poses[view] for view in used])
        world = kept_world(used_poses, path)
        if config.scale_world:
            world = scaled_world(_mean_camera(used_poses), nearest)
        cameras = make_cameras(
            world.poses(np.stack([poses[view] for view in views])),
            np.stack([matrices[view] for view in views]),
            np.array([sizes[view] for view in views]),
            path,
            config.pixel_center,
            config.downscale,
        )
        near, far = config.near or 0.9 * world.scale * nearest, config.far or world.scale * farthest
        return self._scene(
            name,
            [PhotoFiles(images[view], downscale=config.downscale, number=view) for view in views],
            cameras,
            (0.0, 1.0) if config.ndc else (near, far),
            ndc=_ndc_scale(cameras) if config.ndc else None,
            find_points=lambda: _points(model, [images[view] for view in views], cameras.sizes.numpy(), world),
        )

    def _row_bounds(self, rows: Float[np.ndarray, "view 17"], used: list[int], path: Path) -> tuple[float, float]:
        """The nearest and farthest bound of the used rows.

        A bad row is an error unless near and far are set, which leave it to the others to scale the world.
        """
        config = self._config
        good = [view for view in used if 0 < rows[view, 15] < rows[view, 16] < np.inf]
        needed = config.near is None or config.far is None
        if needed and len(good) < len(used):
            view = min(set(used) - set(good))
            low, high = rows[view, 15:]
            raise UserError(
                f"bounds in row {view} of '{path}' are {low:g} and {high:g}, not 0 < near < far: set dataset.near and "
                f"dataset.far, or leave the row out (dataset.leave_out=[{view}])"
            )
        if good:
            return float(rows[good, 15].min()), float(rows[good, 16].max())
        if config.scale_world:
            raise UserError(f"no row of '{path}' has bounds 0 < near < far to scale the world by: {BOUNDS_BY_HAND}")
        return 0.0, 0.0


def read_rows(path: Path) -> Float[np.ndarray, "view 17"]:
    """The rows of poses_bounds.npy, in float64; there is one at least."""
    with reading("camera file", path):
        rows = np.load(path, allow_pickle=False)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.shape[1] != 17 or not len(rows):
        raise UserError(f"'{path}' has the shape {getattr(rows, 'shape', None)}, not (views, 17)")
    if rows.dtype.kind not in "iuf":
        raise UserError(f"'{path}' holds {rows.dtype}, not numbers")
    return rows.astype(np.float64)


def sparse_model(folder: Path) -> ColmapModel | None:
    """COLMAP's model of a capture, if it is there."""
    return read_colmap_model(folder / SPARSE) if has_model(folder / SPARSE) else None


def row_photos(path: Path, name: str, count: int, model: ColmapModel | None) -> list[Path]:
    """The photo of each row: by the names that LLFF or COLMAP wrote beside the rows, else all photos in order.

    LLFF orders rows by name, character by character: 10.png comes before 2.png.
    """
    folder = path.parent
    way_out = f": set dataset.images to the photos' folder, of these in '{folder}': "
    way_out += ", ".join(one.name for one in visible(folder) if one.name.startswith("images")) or "none"
    images = listed_images(folder / name, way_out)
    listed = read_list(folder / VIEW_LIST) if (folder / VIEW_LIST).is_file() else []
    for names in (sorted(listed), [photo.name for photo in model.photos] if model else []):
        if len(names) == count:
            by_key = {photo_key(image.name): image for image in images}
            keys = [photo_key(PurePosixPath(one.replace("\\", "/")).name) for one in names]
            if all(key in by_key for key in keys):
                if extra := [image.name for key, image in by_key.items() if key not in keys]:
                    note(f"no rows for the photos {', '.join(extra)}, which are left out", path)
                return [by_key[key] for key in keys]
    if len(images) != count:
        raise UserError(
            f"'{path}' has {count} poses but '{images[0].parent}' has {len(images)} images: list the names of the "
            f"rows' photos, one a line, in '{folder / VIEW_LIST}', or remove the others"
        )
    if images != sorted(images, key=lambda image: numbered(image.name)):
        note("rows are in the order of names, not of numbers ('10' before '2'), as LLFF writes them", path)
    return images


def _camera(row: Float[np.ndarray, "17"], where: str) -> tuple[Float[np.ndarray, "4 4"], list[float]]:
    """A row's pose in OpenCV's axes, and height, width and focal length."""
    matrix = numbers(row[:15], f"pose of {where}", (15,)).reshape(3, 5)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = matrix[:, :3] @ LLFF_TO_OPENCV, matrix[:, 3]
    check_pose(pose, where)
    return pose, matrix[:, 4].tolist()


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


def _points(
    model: ColmapModel | None, images: Sequence[Path], sizes: np.ndarray, world: CaptureWorld
) -> SparsePoints | None:
    """COLMAP's points in the scene's world, if the model has the photos."""
    by_key = {photo_key(PurePosixPath(photo.name).name): photo for photo in model.photos} if model else {}
    photos = [by_key.get(photo_key(image.name)) for image in images]
    if model is None or None in photos:
        return None
    seen = [photo for photo in photos if photo is not None]
    pixels = [
        photo.pixels * (size / (photo.camera.width, photo.camera.height))
        for photo, size in zip(seen, sizes, strict=True)
    ]
    return model.sparse_points(seen, pixels, world)
