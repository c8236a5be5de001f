"""Captures in the layout of nerfstudio and instant-ngp.

<root>/transforms.json   frames with `transform_matrix` (camera-to-world in Blender's axes), and for all frames or
                         each of its own: fl_x, fl_y, cx, cy, w, h or camera_angle_x; distortion k1 ... p2
      /<file_path>       the photos, at the size of w and h or shrunk
      /<ply_file_path>   sparse points in the frames' world (optional)

Photos of lenses that bend lines are straightened when they are read (`datasets.readers.lens`).
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh
from jaxtyping import Float
from typing_extensions import override

from datasets.folder import FolderDataset, check_categories
from datasets.image_files import read_size
from datasets.readers.camera_files import pinhole, resized
from datasets.readers.captures import CaptureConfig, scene_folders, scene_name, split_views, straight_scene, used_views
from datasets.readers.lens import Distortion, Lens, brown_distortion, fisheye_distortion
from datasets.readers.transforms_files import frame_poses, read_transforms
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, SceneList, Split

CAMERA_KEYS = ("w", "h", "fl_x", "fl_y", "cx", "cy", "k1", "k2", "k3", "k4", "p1", "p2")
BROWN_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL")


class TransformsConfig(CaptureConfig):
    """Configuration of `TransformsDataset`. Near and far are taken from sparse points unless they are set."""

    name: Literal["transforms"]


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
        lenses = [self._lens({**content, **frame}, image, path) for frame, image in zip(frames, images, strict=True)]
        return straight_scene(
            scene_name(self._root, name),
            path,
            lenses,
            poses[views],
            poses[used],
            lambda: _bounds(content, poses[used], path),
            self._config,
            self._cache,
        )

    def _lens(self, values: Mapping[str, Any], image: Path, path: Path) -> Lens:
        for name in CAMERA_KEYS:
            if not isinstance(values.get(name, 0.0), int | float):
                raise UserError(f"'{name}' of '{image}' in '{path}' is {values[name]!r}, not a number")
        size = read_size(image)
        width, height = float(values.get("w", size[0])), float(values.get("h", size[1]))
        matrix = pinhole(
            _focal(values, "x", width, path),
            _focal(values, "y" if "fl_y" in values or "camera_angle_y" in values else "x", height, path),
            float(values.get("cx", width / 2)),
            float(values.get("cy", height / 2)),
        )
        intrinsics = resized(matrix, (width, height), size, image)
        return Lens(image, _distortion(values, path), intrinsics, size, self._config.pixel_center)


def _distortion(values: Mapping[str, Any], path: Path) -> Distortion | None:
    model = values.get("camera_model", "OPENCV")
    if model in BROWN_MODELS:
        return brown_distortion(values)
    if model == "OPENCV_FISHEYE":
        return fisheye_distortion(values)
    raise UserError(
        f"'{path}' has a camera of the model {model!r}: straighten its photos, and export them with one of "
        f"{', '.join((*BROWN_MODELS, 'OPENCV_FISHEYE'))}"
    )


def _bounds(content: Mapping[str, Any], poses: Float[np.ndarray, "view 4 4"], path: Path) -> tuple[float, float]:
    """The nearest and farthest depth of the sparse points, but for half a percent."""
    if not isinstance(content.get("ply_file_path"), str):
        raise UserError(
            f"'{path}' names no sparse points to find depths: set dataset.near, dataset.far and "
            "dataset.scale_world=false"
        )
    points = _read_points(path.parent / content["ply_file_path"])
    depths = np.einsum("pvc,vc->pv", points[:, None] - poses[:, :3, 3], poses[:, :3, 2])
    near, far = np.percentile(depths[depths > 0], [0.5, 99.5])
    return float(near), float(far)


def _image_path(folder: Path, file_path: str) -> Path:
    path = folder / file_path
    return path if path.suffix else path.with_suffix(".png")


def _focal(values: Mapping[str, Any], axis: str, side: float, path: Path) -> float:
    if f"fl_{axis}" in values:
        return float(values[f"fl_{axis}"])
    angle = values.get(f"camera_angle_{axis}")
    if not isinstance(angle, int | float) or not 0 < angle < math.pi:
        raise UserError(
            f"'{path}' has neither 'fl_{axis}' nor an angle 'camera_angle_{axis}' in radians for some frame"
        )
    return 0.5 * side / math.tan(0.5 * angle)


def _read_points(path: Path) -> Float[np.ndarray, "point 3"]:
    try:
        points = trimesh.load_scene(path, file_type="ply").to_geometry()
    except Exception as error:  # trimesh raises many kinds for damaged files
        raise UserError(f"cannot read sparse points '{path}': {str(error).splitlines()[0]}") from None
    vertices = points.vertices if isinstance(points, trimesh.PointCloud | trimesh.Trimesh) else np.empty((0, 3))
    if not len(vertices):
        raise UserError(f"no sparse points in '{path}': set dataset.near and dataset.far")
    return np.asarray(vertices, dtype=np.float64)
