"""transforms.json and its kin: frames with poses in Blender's axes, and cameras of all frames or of each its own.

What a frame says replaces what the file says by its meaning, whatever the key: `x_fov` of a frame counts, and
`camera_angle_x` of the file does not. Keys that a reader does not use and that may matter are noted, and those that no
reader of ours can follow are refused.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.file_names import found_image, named
from datasets.messages import note
from datasets.readers.camera_files import (
    OPENGL_TO_OPENCV,
    check_pose,
    numbers,
    pinhole,
    read_json,
    resized,
    square_pose,
)
from datasets.readers.lens import Distortion, Lens, brown_distortion, fisheye_distortion
from pixelnerf.errors import UserError

BROWN_MODELS = ("PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "SIMPLE_RADIAL", "RADIAL", "FULL_OPENCV")
FISHEYE_MODELS = ("OPENCV_FISHEYE", "RADIAL_FISHEYE", "SIMPLE_RADIAL_FISHEYE")
DISTORTIONS = {
    **dict.fromkeys(BROWN_MODELS, brown_distortion),
    **dict.fromkeys(FISHEYE_MODELS, fisheye_distortion),
}
COEFFICIENTS = ("k1", "k2", "k3", "k4", "p1", "p2")
# Each way to give a focal length along an axis: in pixels, or as the field of view in a unit of so many radians.
FOCAL_KEYS: dict[str, float | None] = {"fl_{}": None, "camera_angle_{}": 1.0, "{}_fov": math.pi / 180}
# Focal lengths that one level gives in two ways agree to this factor.
SAME_FOCAL = 1.01
CAMERA_KEYS = {"w", "h", "cx", "cy", "camera_model", "is_fisheye", *COEFFICIENTS}
USED = CAMERA_KEYS | {key.format(axis) for key in FOCAL_KEYS for axis in "xy"}
USED |= {"frames", "file_path", "transform_matrix", "mask_path"}
FIX_KEY = "pixelnerf_fix"
"""What `pixelnerf inspect --fix` says in a corrected copy."""
# Photos and cameras mean the same without these.
HARMLESS = {
    FIX_KEY,
    "aabb",
    "aabb_scale",
    "applied_scale",
    "applied_transform",
    "auto_scale_poses_override",
    "colmap_im_id",
}
HARMLESS |= {"offset", "orientation_override", "rotation", "scale", "sharpness", "timestamp"}
# Pictures that no lens of ours explains, unless the value is 0 or false.
REFUSED = ("distortion_params", "equirectangular", "ftheta_p0", "k5", "k6", "latlong", "rolling_shutter")
REFUSED += ("s1", "s2", "s3", "s4", "orthographic")


@dataclass(frozen=True)
class Frames:
    """A file of frames. Nothing of a frame is checked before it is asked for, so that a bad one can be left out."""

    path: Path
    content: Mapping[str, Any]
    frames: list[Any]

    @classmethod
    def read(cls, path: Path, also_used: Collection[str] = ()) -> "Frames":
        """The frames of a file; notes the keys that neither these nor the caller uses."""
        content = read_json(path)
        if not isinstance(content, dict) or not isinstance(content.get("frames"), list) or not content["frames"]:
            raise UserError(f"'{path}' has no 'frames'")
        frames = content["frames"]
        keys = {key for level in (content, *frames) if isinstance(level, dict) for key in level}
        if unused := keys - USED - HARMLESS - set(REFUSED) - set(also_used):
            note(f"keys that are not used: {', '.join(sorted(unused))}", path)
        _refuse(content, f"'{path}'")
        return cls(path, content, frames)

    def __len__(self) -> int:
        return len(self.frames)

    def name(self, view: int) -> str:
        """How the file names a frame's photo."""
        name = self._frame(view).get("file_path")
        if not isinstance(name, str) or not name:
            raise UserError(f"{self._where(view)} has no 'file_path'")
        return name

    def image(self, view: int) -> Path:
        """A frame's photo."""
        return found_image(named(self.path.parent, self.name(view)))

    def mask(self, view: int) -> Path | None:
        """A frame's mask, if frames have masks."""
        name = self._frame(view).get("mask_path")
        if isinstance(name, str) and name:
            return found_image(named(self.path.parent, name))
        if any(isinstance(frame, dict) and frame.get("mask_path") for frame in self.frames):
            raise UserError(f"{self._where(view)} has no 'mask_path', but others have")
        return None

    def pose(self, view: int) -> Float[np.ndarray, "4 4"]:
        """A frame's camera-to-world pose, in OpenCV's axes."""
        where = self._where(view)
        if "transform_matrix" not in self._frame(view):
            raise UserError(f"{where} has no 'transform_matrix'")
        pose = square_pose(self._frame(view)["transform_matrix"], where) @ OPENGL_TO_OPENCV
        check_pose(pose, where)
        return pose

    def lens(self, view: int, image: Path, size: tuple[int, int], pixel_center: float) -> Lens:
        """The camera of a frame whose photo has a size (width, height)."""
        frame, where = _given(self._frame(view)), self._where(view)
        values = {**_given(self.content), **frame}
        _refuse(frame, where)
        for key in ("w", "h", "cx", "cy", *COEFFICIENTS):
            if key in values:
                values[key] = float(numbers(values[key], f"'{key}' of {where} ('{image}')", ()))
        width, height = values.get("w", float(size[0])), values.get("h", float(size[1]))
        levels = (_focal_lengths(level, (width, height), where) for level in (frame, _given(self.content)))
        focal_x, focal_y = next((pair for pair in levels if any(pair)), (None, None))
        if not (focal_x := focal_x or focal_y):
            raise UserError(f"{where} has no 'fl_x', and no 'camera_angle_x' in radians")
        # Pixels are square unless the file says something else.
        matrix = pinhole(focal_x, focal_y or focal_x, values.get("cx", width / 2), values.get("cy", height / 2))
        intrinsics = resized(matrix, (width, height), size, image)
        return Lens(image, self._distortion(frame, values, where), intrinsics, size, pixel_center)

    def _distortion(self, frame: Mapping[str, Any], values: Mapping[str, Any], where: str) -> Distortion | None:
        says = frame if frame.keys() & {"camera_model", "is_fisheye"} else _given(self.content)
        model = str(says.get("camera_model", "OPENCV_FISHEYE" if says.get("is_fisheye") else "OPENCV")).upper()
        if model not in DISTORTIONS:
            known = ", ".join(DISTORTIONS)
            raise UserError(
                f"{where} has a camera of the model {model}: straighten its photos, or export one of {known}"
            )
        if says.get("is_fisheye") and model not in FISHEYE_MODELS:
            raise UserError(f"{where} has 'is_fisheye', but the 'camera_model' {model}: delete the wrong one")
        return DISTORTIONS[model](values)

    def _frame(self, view: int) -> Mapping[str, Any]:
        frame = self.frames[view]
        if not isinstance(frame, dict):
            raise UserError(f"{self._where(view)} has no 'file_path'")
        return frame

    def _where(self, view: int) -> str:
        return f"frame {view} in '{self.path}'"


def _refuse(values: Mapping[str, Any], where: str) -> None:
    for key in REFUSED:
        if np.any(values.get(key) or 0):
            raise UserError(f"{where} has '{key}', a camera that cannot be read: straighten its photos")


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _focal_lengths(
    values: Mapping[str, Any], size: tuple[float, float], where: str
) -> tuple[float | None, float | None]:
    """Along x and y, in pixels of a photo of a size (width, height); None along an axis that has none."""
    found: list[float | None] = []
    for axis, side in zip("xy", size, strict=True):
        focals: dict[str, float] = {}
        for pattern, unit in FOCAL_KEYS.items():
            key = pattern.format(axis)
            if key not in values:
                continue
            value = float(numbers(values[key], f"'{key}' of {where}", ()))
            if unit is not None and not 0 < unit * value < math.pi:
                most = "pi in radians" if unit == 1 else "180 in degrees"
                raise UserError(f"'{key}' of {where} is {value:g}, not an angle between 0 and {most}")
            focals[key] = value if unit is None else 0.5 * side / math.tan(0.5 * unit * value)
            if focals[key] <= 0:
                raise UserError(f"focal length of {where} is not positive: '{key}' is {value:g}")
        if focals and max(focals.values()) > SAME_FOCAL * min(focals.values()):
            said = ", ".join(f"{key} = {values[key]:g} ({focal:.4g} pixels)" for key, focal in focals.items())
            raise UserError(f"{where} has two focal lengths along {axis}: {said}; delete the wrong one")
        found.append(next(iter(focals.values()), None))
    return found[0], found[1]
