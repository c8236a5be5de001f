"""Captures in the layout of nerfstudio and instant-ngp.

<root>/transforms.json   frames with `transform_matrix` (camera-to-world in Blender's axes), and for all frames or
                         each of its own: fl_x, fl_y, cx, cy, w, h or camera_angle_x; distortion k1 ... p2
      /<file_path>       the photos, at the size of w and h or shrunk
      /<ply_file_path>   sparse points in the frames' world (optional)

Photos of lenses that bend lines are straightened when they are read (`datasets.readers.lens`).
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh
from jaxtyping import Float
from typing_extensions import override

from datasets.image_files import read_size
from datasets.readers.camera_files import pinhole, read_transforms, resized
from datasets.readers.captures import CaptureConfig, CaptureDataset
from datasets.readers.lens import Distortion, Lens, brown_distortion, fisheye_distortion
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.scenes.scene import Scene, Split

CAMERA_KEYS = ("w", "h", "fl_x", "fl_y", "cx", "cy", "k1", "k2", "k3", "k4", "p1", "p2")
BROWN_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL")
DISTORTIONS = {**dict.fromkeys(BROWN_MODELS, brown_distortion), "OPENCV_FISHEYE": fisheye_distortion}


class TransformsConfig(CaptureConfig):
    """Configuration of `TransformsDataset`. Near and far are taken from sparse points unless they are set."""

    name: Literal["transforms"]


class TransformsDataset(CaptureDataset[TransformsConfig]):
    """Reader of transforms.json captures."""

    marker = "transforms.json"

    @override
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        path = folder / self.marker
        content, poses = read_transforms(path)
        used, views = self._chosen_views(len(poses), split, path)
        lenses = [self._lens({**content, **content["frames"][view]}, path) for view in views]
        return self._straight_scene(
            name, path, lenses, poses[views], poses[used], lambda: _bounds(content, poses[used], path)
        )

    def _lens(self, values: Mapping[str, Any], path: Path) -> Lens:
        image = path.parent / values["file_path"]
        image = image if image.suffix else image.with_suffix(".png")
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
    if str(model) in DISTORTIONS:
        return DISTORTIONS[model](values)
    known = ", ".join(DISTORTIONS)
    raise UserError(f"'{path}' has a camera of the model {model!r}: straighten its photos, and export one of {known}")


def _bounds(content: Mapping[str, Any], poses: Float[np.ndarray, "view 4 4"], path: Path) -> tuple[float, float]:
    """The nearest and farthest depth of the sparse points, but for half a percent."""
    if not isinstance(content.get("ply_file_path"), str):
        way_out = "set dataset.near, dataset.far and dataset.scale_world=false"
        raise UserError(f"'{path}' names no sparse points to find depths: {way_out}")
    points_path = path.parent / content["ply_file_path"]
    with reading("sparse points", points_path):
        cloud = trimesh.load_scene(points_path, file_type="ply").to_geometry()
    if not isinstance(cloud, trimesh.PointCloud | trimesh.Trimesh) or not len(cloud.vertices):
        raise UserError(f"no sparse points in '{points_path}': set dataset.near and dataset.far")
    points = np.asarray(cloud.vertices, dtype=np.float64)
    depths = np.einsum("pvc,vc->pv", points[:, None] - poses[:, :3, 3], poses[:, :3, 2])
    near, far = np.percentile(depths[depths > 0], [0.5, 99.5])
    return float(near), float(far)


def _focal(values: Mapping[str, Any], axis: str, side: float, path: Path) -> float:
    if f"fl_{axis}" in values:
        return float(values[f"fl_{axis}"])
    angle = values.get(f"camera_angle_{axis}")
    if not isinstance(angle, int | float) or not 0 < angle < math.pi:
        raise UserError(f"'{path}' has a frame without 'fl_{axis}' or an angle 'camera_angle_{axis}' in radians")
    return 0.5 * side / math.tan(0.5 * angle)
