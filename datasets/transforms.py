"""Captures in the layout of nerfstudio and instant-ngp.

<root>/transforms.json   frames with `transform_matrix` (camera-to-world in Blender's axes), and for all frames or
                         each of its own: fl_x, fl_y, cx, cy, w, h or camera_angle_x; distortion k1 ... p2
      /<file_path>       the photos, at the size of w and h or shrunk
      /<ply_file_path>   sparse points in the frames' world (optional)
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh
from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from datasets.camera_files import make_cameras, pinhole, resized
from datasets.captures import CaptureConfig, scene_folders, scene_name, split_views, used_views
from datasets.file_scene import FileScene, PhotoFiles
from datasets.folder import FolderDataset, check_categories
from datasets.image_files import read_size
from datasets.scene import Scene, SceneList, Split
from datasets.transforms_files import frame_poses, read_transforms
from pixelnerf.errors import UserError

STRAIGHT_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL")
DISTORTION_KEYS = ("k1", "k2", "k3", "k4", "p1", "p2")


class TransformsConfig(CaptureConfig):
    """Configuration of `TransformsDataset`. Near and far are taken from sparse points unless they are set.

    Attributes:
        distortion_tolerance: pixels by which leaving out the lens's distortion may move a photo's corner; more is an
            error that says how to undistort.
    """

    name: Literal["transforms"]
    distortion_tolerance: float = Field(default=0.5, ge=0)


class TransformsDataset(FolderDataset[TransformsConfig]):
    """Reader of transforms.json captures."""

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        check_categories(categories, [])
        return SceneList(scene_folders(self._root, "transforms.json"), partial(self._open, split=split))

    def _open(self, name: str, split: Split) -> Scene:
        path = self._root / name / "transforms.json"
        content = read_transforms(path)
        poses = frame_poses(content, path)
        used = used_views(len(poses), self._config, path)
        views = split_views(used, split, self._config.test_every)
        frames = [content["frames"][view] for view in views]
        images = [_image_path(path.parent, frame["file_path"]) for frame in frames]
        sizes = [read_size(image) for image in images]
        intrinsics = [
            self._intrinsics({**content, **frame}, size, image, path)
            for frame, size, image in zip(frames, sizes, images, strict=True)
        ]
        return FileScene(
            scene_name(self._root, name),
            [PhotoFiles(image, shrink=self._config.shrink) for image in images],
            make_cameras(
                poses[views],
                np.stack(intrinsics),
                np.array(sizes),
                path,
                self._config.pixel_center,
                self._config.shrink,
            ),
            self._bounds(content, poses[used], path),
            self._config.background,
            self._cache,
        )

    def _intrinsics(
        self, values: Mapping[str, Any], size: tuple[int, int], image: Path, path: Path
    ) -> Float[np.ndarray, "3 3"]:
        width, height = float(values.get("w", size[0])), float(values.get("h", size[1]))
        matrix = pinhole(
            _focal(values, "x", width, path),
            _focal(values, "y" if "fl_y" in values or "camera_angle_y" in values else "x", height, path),
            float(values.get("cx", width / 2)),
            float(values.get("cy", height / 2)),
        )
        model = values.get("camera_model", "OPENCV")
        shift = _corner_shift(values, matrix, width, height) if model in STRAIGHT_MODELS else np.inf
        if not shift <= self._config.distortion_tolerance:
            raise UserError(
                f"'{image}' has a distorted camera in '{path}' ({model}, {shift:.1f} pixels at a corner): undistort "
                "the photos, for instance with COLMAP's image_undistorter, and export again"
            )
        return resized(matrix, (width, height), size, image)

    def _bounds(self, content: Mapping[str, Any], poses: np.ndarray, path: Path) -> tuple[float, float]:
        if self._config.near is not None and self._config.far is not None:
            return self._config.near, self._config.far
        if not isinstance(content.get("ply_file_path"), str):
            raise UserError(f"'{path}' names no sparse points to find depths: set dataset.near and dataset.far")
        points = _read_points(path.parent / content["ply_file_path"])
        depths = np.einsum("pvc,vc->pv", points[:, None] - poses[:, :3, 3], poses[:, :3, 2])
        near, far = np.percentile(depths[depths > 0], [0.5, 99.5])
        return self._config.near or 0.9 * float(near), self._config.far or 1.1 * float(far)


def _image_path(folder: Path, file_path: str) -> Path:
    path = folder / file_path
    return path if path.suffix else path.with_suffix(".png")


def _focal(values: Mapping[str, Any], axis: str, extent: float, path: Path) -> float:
    if f"fl_{axis}" in values:
        return float(values[f"fl_{axis}"])
    angle = values.get(f"camera_angle_{axis}")
    if not isinstance(angle, int | float) or not 0 < angle < math.pi:
        raise UserError(
            f"'{path}' has neither 'fl_{axis}' nor an angle 'camera_angle_{axis}' in radians for some frame"
        )
    return 0.5 * extent / math.tan(0.5 * angle)


def _corner_shift(values: Mapping[str, Any], matrix: np.ndarray, width: float, height: float) -> float:
    """How far, in pixels, OpenCV's distortion moves the corners."""
    k1, k2, k3, k4, p1, p2 = (float(values.get(key, 0.0)) for key in DISTORTION_KEYS)
    corners = np.array([[x, y] for x in (0, width) for y in (0, height)])
    x, y = ((corners - matrix[:2, 2]) / np.diag(matrix)[:2]).T
    square = x**2 + y**2
    radial = k1 * square + k2 * square**2 + k3 * square**3 + k4 * square**4
    shift_x = x * radial + 2 * p1 * x * y + p2 * (square + 2 * x**2)
    shift_y = y * radial + p1 * (square + 2 * y**2) + 2 * p2 * x * y
    return float(np.hypot(matrix[0, 0] * shift_x, matrix[1, 1] * shift_y).max())


def _read_points(path: Path) -> Float[np.ndarray, "point 3"]:
    try:
        points = trimesh.load_scene(path, file_type="ply").to_geometry()
    except Exception as error:  # trimesh raises many kinds for damaged files
        raise UserError(f"cannot read sparse points '{path}': {str(error).splitlines()[0]}") from None
    vertices = points.vertices if isinstance(points, trimesh.PointCloud | trimesh.Trimesh) else np.empty((0, 3))
    if not len(vertices):
        raise UserError(f"no sparse points in '{path}': set dataset.near and dataset.far")
    return np.asarray(vertices, dtype=np.float64)
