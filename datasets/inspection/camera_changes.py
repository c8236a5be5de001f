"""What a file of frames may have meant: changes of its content, each with the line that says what was wrong.

Content is that of transforms.json and its kin (`datasets.readers.frames`), as JSON gives it. Changes return new content
and leave the old one as it is.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.file_names import IMAGE_SUFFIXES, found_image, image_stem, named, photo_key, view_key, visible
from datasets.readers.camera_files import OPENGL_TO_OPENCV, square_pose
from datasets.readers.frames import Frames
from pixelnerf.errors import UserError

Content = dict[str, Any]

# The names of Blender's frames leave out this type.
UNNAMED_SUFFIX = ".png"
PHOTO_KEYS = ("file_path", "mask_path")
LISTS = ("train_filenames", "val_filenames", "test_filenames")
# Focal lengths "in millimetres" are those of 35 mm film.
FILM = (36.0, 24.0)
# Focal lengths below this are no pixels but fractions of a side; longer ones than 3000 mm have no lens.
LARGEST_FRACTION = 10.0
# Photos are given to others shrunk by these numbers.
SIZE_RATIOS = (2.0, 3.0, 4.0, 8.0)


@dataclass(frozen=True)
class Change:
    """What was wrong, in one line, and how content is changed."""

    line: str
    apply: Callable[[Content], Content]


KEPT = Change("", lambda content: content)


def pose_changes() -> list[Change]:
    """The conventions that poses are mistaken for; the first is none."""
    flip = OPENGL_TO_OPENCV
    return [
        KEPT,
        _poses_by(
            "poses had OpenCV's axes where the format has OpenGL's: y and z are flipped",
            lambda pose: pose @ flip,
        ),
        _poses_by("poses were world-to-camera: they are inverted", np.linalg.inv),
        _poses_by(
            "poses were world-to-camera in OpenCV's axes: they are inverted, and y and z are flipped",
            lambda pose: np.linalg.inv(pose) @ flip,
        ),
    ]


def _poses_by(line: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def apply(content: Content) -> Content:
        changed = copy.deepcopy(content)
        for view, frame in enumerate(changed["frames"]):
            frame["transform_matrix"] = change(square_pose(frame["transform_matrix"], f"frame {view}")).tolist()
        return changed

    return Change(line, apply)


def focal_changes(content: Content, photo: tuple[int, int]) -> list[Change]:
    """The units that focal lengths are mistaken for, if photos have a size (width, height); the first is none."""
    width, height = (_first_number(content, key) or side for key, side in zip("wh", photo, strict=True))
    changes = [KEPT]
    if focals := _numbers_of(content, "fl_x", "fl_y"):
        if max(focals) < LARGEST_FRACTION:
            for scale, side in (((width, height), "width and height"), ((width, width), "width")):
                line = f"focal lengths were fractions of the photo's {side}: they are pixels now"
                changes.append(_camera_by(line, scale, lambda center, side: 0 < center <= 1, (width, height)))
        per_millimetre = max(width, height) / FILM[0]
        film = FILM if width >= height else FILM[::-1]
        line = "focal lengths were millimetres of 35 mm film: they are pixels now"
        changes.append(
            _camera_by(
                line,
                (per_millimetre, per_millimetre),
                lambda center, side: abs(center - film[side] / 2) < film[side] / 8,
                (per_millimetre, per_millimetre),
            )
        )
        ratios = {*SIZE_RATIOS, *(1 / ratio for ratio in SIZE_RATIOS), photo[0] / width} - {1.0}
        changes += [_of_size(ratio, (width, height)) for ratio in sorted(ratios)]
    if any(angle > math.pi for angle in _numbers_of(content, "camera_angle_x", "camera_angle_y")):
        line = "fields of view were degrees: camera_angle_x and camera_angle_y are radians now"
        changes.append(_scaled(line, {"camera_angle_x": math.pi / 180, "camera_angle_y": math.pi / 180}))
    if (angles := _numbers_of(content, "x_fov", "y_fov")) and max(angles) < math.pi:
        line = "fields of view were radians: x_fov and y_fov are degrees now"
        changes.append(_scaled(line, {"x_fov": 180 / math.pi, "y_fov": 180 / math.pi}))
    return changes


def _levels(content: Content) -> Iterator[Content]:
    yield content
    yield from (frame for frame in content["frames"] if isinstance(frame, dict))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers_of(content: Content, *keys: str) -> list[float]:
    return [float(level[key]) for level in _levels(content) for key in keys if _is_number(level.get(key))]


def _first_number(content: Content, key: str) -> float | None:
    return next((value for value in _numbers_of(content, key) if value > 0), None)


def _scaled(
    line: str, factors: Mapping[str, float], only: Callable[[str, float], bool] = lambda key, value: True
) -> Change:
    """Numbers under keys of all levels, times their factors."""

    def apply(content: Content) -> Content:
        changed = copy.deepcopy(content)
        for level in _levels(changed):
            for key, factor in factors.items():
                if _is_number(level.get(key)) and only(key, level[key]):
                    level[key] *= factor
        return changed

    return Change(line, apply)


def _camera_by(
    line: str,
    focal: tuple[float, float],
    center_too: Callable[[float, int], bool],
    center: tuple[float, float],
) -> Change:
    """Focal lengths times a factor an axis, and centres where they are in the same unit."""
    factors = {"fl_x": focal[0], "fl_y": focal[1], "cx": center[0], "cy": center[1]}
    return _scaled(line, factors, lambda key, value: key.startswith("fl") or center_too(value, "xy".index(key[1])))


def _of_size(ratio: float, size: tuple[float, float]) -> Change:
    """Focal lengths and centres are those of photos `ratio` times as large as the file says."""
    width, height = (round(ratio * side) for side in size)

    def apply(content: Content) -> Content:
        changed = copy.deepcopy(content)
        for level in _levels(changed):
            for key, value in (("w", width), ("h", height)):
                if key in level or level is changed:
                    level[key] = value
        return changed

    return Change(f"focal lengths and centres were of photos of {width}x{height}: w and h say so now", apply)


def without_missing(frames: Frames) -> Change | None:
    """Leaves out frames whose photo does not exist; None if there are none.

    Raises:
        UserError: photos seem to be elsewhere, so that leaving frames out would lose them.
    """
    gone = [view for view in range(len(frames)) if not frames.image(view).is_file()]
    if not gone:
        return None
    first = frames.name(gone[0])
    if 2 * len(gone) >= len(frames):
        raise UserError(
            f"{len(gone)} of {len(frames)} photos are missing, '{first}' first: are they in another folder?"
        )
    for view in gone:
        if not (folder := frames.image(view).parent).is_dir():
            raise UserError(f"frame {view} names '{frames.name(view)}', but there is no folder '{folder}'")
    names = {view_key(frames.name(view)) for view in gone}

    def apply(content: Content) -> Content:
        kept = [frame for view, frame in enumerate(content["frames"]) if view not in gone]
        lists = {
            key: [name for name in content[key] if view_key(name) not in names] for key in LISTS if content.get(key)
        }
        return copy.deepcopy({**content, **lists, "frames": kept})

    more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
    return Change(f"frames without a file are left out: '{first}'{more}", apply)


def renamed(frames: Frames) -> Change | None:
    """Names photos and masks by the suffix that their files have; None if all are named so.

    Raises:
        UserError: a photo is there in several types.
    """
    names: dict[str, str] = {}
    for view, frame in enumerate(frames.frames):
        for name in (frame.get(key) for key in PHOTO_KEYS if isinstance(frame, dict)):
            if isinstance(name, str) and name and (new := _name_on_disk(frames.path.parent, name, view)) != name:
                names[name] = new
    if not names:
        return None
    by_key = {view_key(old): new for old, new in names.items()}

    def apply(content: Content) -> Content:
        changed = copy.deepcopy(content)
        for frame in changed["frames"]:
            frame.update({key: names[frame[key]] for key in PHOTO_KEYS if frame.get(key) in names})
        for key in LISTS:
            if changed.get(key):
                changed[key] = [by_key.get(view_key(name), name) for name in changed[key]]
        return changed

    old, new = next(iter(names.items()))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return Change(f"names have the suffix of their files: '{old}'{more} is '{new}'", apply)


def _name_on_disk(folder: Path, name: str, view: int) -> str:
    """A name with the suffix of the one file that it can mean; as it is if the reader needs no other."""
    path = named(folder, name)
    stem = image_stem(path.name)
    found = found_image(path)
    if path.is_file() or not found.is_file() or (stem == path.name and found.suffix == UNNAMED_SUFFIX):
        return name
    same = [other.name for other in _beside(found) if photo_key(other.name) == photo_key(path.name)]
    if len(same) > 1:
        raise UserError(f"frame {view} names '{name}', which may be {' or '.join(map(repr, same))}: remove one")
    return name[: len(name) - len(path.name)] + found.name


def _beside(path: Path) -> Sequence[Path]:
    return [other for other in visible(path.parent) if other.suffix.lower() in IMAGE_SUFFIXES]
