"""A photo of any size and crop becomes the picture and the camera that a model of objects was trained with.

The virtual camera stands where the photo's stood and turns towards the object (`pixelnerf.app.reprojection`). The other
exact choice, a crop with an off-centre principal point, would show the network the shear of wide-angle rims, which
training never did.

The world is that of training: the object's longest side is 1, about the origin, z up, and the camera looks at the
origin. A photo does not tell an object's size, so two things are assumed. The elevation; and that the longer side of
the object's box in the image is its longest side: over the objects and views of shapes13 it is 43.9 pixels of 64 in the
mean (standard deviation 8, as some objects are seen from their narrow side), where a length of 1 at the origin is 43.7.
The distance follows from the angle that it fills.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from pixelnerf.app.cutout import CutOut
from pixelnerf.app.grabcut import connected_parts
from pixelnerf.app.photo_files import Photo
from pixelnerf.app.reprojection import centered_intrinsics, reprojected, turn_of_posed, turn_to_object
from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import look_at
from pixelnerf.types import Cameras

TRAINING_DISTANCE, TRAINING_FIELD_OF_VIEW = 2.732, 30.0

WIDEST_ASSUMED = 65.0
"""Degrees along the longer side, as of a phone's main camera."""

_BOX_DROP = 0.02
"""How far below the origin's pixel the middle of the object's box is in training, in image heights."""

_TOUCHING, _ALL, _NOTHING, _LARGE_PART, _LONGEST_ASPECT, _CLOSEST = 0.03, 0.9, 0.002, 0.25, 5.0, 1.6
_BOX_SHARE = 1 / (2 * math.tan(math.radians(TRAINING_FIELD_OF_VIEW / 2)) * TRAINING_DISTANCE)
"""Longer side of the object's box in image sides, where the picture is re-projected."""

_KEPT_SIZES = (0.45, 0.88)
"""Longer side of the object's box in image sides, from the 5th to the 95th percentile of training."""


@dataclass(frozen=True)
class FramedPhoto:
    """What a model is given of a photo.

    Attributes:
        image: RGB in [0, 1] over white.
        mask: The object's share of each pixel, in [0, 1].
        camera: The camera that sees `image`, without batch axes.
        notes: What was assumed, in short sentences.
        warnings: What makes the photo unlike those of training.
    """

    image: Float[Tensor, "3 size size"]
    mask: Float[Tensor, "size size"]
    camera: Cameras
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def frame_photo(
    photo: Photo,
    cut: CutOut,
    size: int = 64,
    field_of_view: float | None = None,
    elevation: float = 30.0,
    crop: bool | None = None,
) -> FramedPhoto:
    """Crops and re-projects a photo so that its object stands as in training.

    Args:
        photo: What `read_photo` returned.
        cut: What `cut_out` returned for it.
        size: Width and height of the picture in pixels.
        field_of_view: Of the whole photo, along its longer side, in degrees. None for EXIF's; without EXIF, the one
            that puts the object as far away as in training, 65 degrees at most.
        elevation: Of the camera above the object's horizon, in degrees, below 90.
        crop: False keeps the whole photo, which must be square, as one of training's: 30 degrees of field of view, the
            origin in the middle. None does so where the photo looks like one.

    Raises:
        UserError: an angle is out of its range, or a photo to keep is not square.
    """
    if not -89 <= elevation <= 89:
        raise UserError(f"elevation {elevation:g} degrees: give one from -89 to 89")
    if field_of_view is not None and not 1 <= field_of_view <= 150:
        raise UserError(
            f"field of view {field_of_view:g} degrees: give one from 1 to 150, along the photo's longer side"
        )
    width, height = photo.size
    square = abs(width - height) <= 0.01 * max(width, height)
    if crop is False and not square:
        raise UserError(f"{photo.name} is {width}x{height}: only a square photo can be kept whole; let it be cropped")
    known = field_of_view is not None or photo.focal is not None
    if crop is False or (crop is None and square and not known and _stands_as_in_training(cut)):
        focal = max(photo.size) / 2 / math.tan(math.radians(TRAINING_FIELD_OF_VIEW / 2))
        turned, scale, distance = np.eye(3), size / max(photo.size) * focal, TRAINING_DISTANCE
        notes = ["photo kept whole, as its object stands as in training (field of view 30 degrees)"]
    else:
        focal, note = _focal(photo, cut, field_of_view)
        drop = _BOX_DROP / _BOX_SHARE
        turned, extent = turn_to_object(cut.mask, focal, elevation, drop)
        distance = 1 / extent
        scale = size * _BOX_SHARE * distance
        notes = [note]
    notes += [f"elevation assumed {elevation:g} degrees", f"camera {distance:.3g} times the object's length away"]
    image, mask = reprojected(photo.colors, cut, centered_intrinsics(focal, width, height), turned, scale, size)
    camera = Cameras(
        _pose(distance, elevation),
        torch.tensor([[scale, 0, size / 2], [0, scale, size / 2], [0, 0, 1]], dtype=torch.float32),
        torch.tensor([size, size]),
    )
    warnings = _warnings(photo, cut, mask, distance, size)
    return FramedPhoto(image, mask, camera, (*photo.notes, *cut.notes, *notes), warnings)


def frame_posed(photo: Photo, cut: CutOut, camera: Cameras, size: int = 64) -> FramedPhoto:
    """Crops and re-projects a photo whose camera is known, so that its object is as large as in training.

    Args:
        photo: What `read_photo` returned.
        cut: What `cut_out` returned for it.
        camera: The photo's, without batch axes, in a world where the object's longest side is 1, about the origin.
        size: Width and height of the picture in pixels.
    """
    turn = turn_of_posed(cut.mask, camera.intrinsics.double().numpy())
    distance = float(camera.poses[:3, 3].norm())
    focal = size * _BOX_SHARE / turn.extent
    image, mask = reprojected(photo.colors, cut, camera.intrinsics.double().numpy(), turn.rotation, focal, size)
    pose = camera.poses.clone()
    pose[:3, :3] = pose[:3, :3] @ torch.from_numpy(turn.rotation).float()
    intrinsics = torch.from_numpy(centered_intrinsics(focal, size, size)).float()
    framed = Cameras(pose, intrinsics, torch.tensor([size, size]))
    return FramedPhoto(image, mask, framed, cut.notes, _warnings(photo, cut, mask, distance, size))


def _pose(distance: float, elevation: float) -> Float[Tensor, "4 4"]:
    angle = math.radians(elevation)
    position = distance * torch.tensor([math.cos(angle), 0.0, math.sin(angle)])
    return look_at(position, torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]))


def _focal(photo: Photo, cut: CutOut, field_of_view: float | None) -> tuple[float, str]:
    """The photo's focal length in pixels, and where it comes from."""
    longer = max(photo.size)
    if field_of_view is not None:
        return longer / 2 / math.tan(
            math.radians(field_of_view / 2)
        ), f"field of view {field_of_view:g} degrees, as given"
    if photo.focal is not None:
        return photo.focal, f"field of view {_degrees(longer / photo.focal):.0f} degrees, from EXIF"
    left, top, right, bottom = _box(cut.mask)
    focal = TRAINING_DISTANCE * max(right - left, bottom - top)
    widest = longer / 2 / math.tan(math.radians(WIDEST_ASSUMED / 2))
    focal = max(focal, widest)
    return focal, f"field of view assumed {_degrees(longer / focal):.0f} degrees, as the photo does not tell"


def _degrees(side_by_focal: float) -> float:
    return math.degrees(2 * math.atan(side_by_focal / 2))


def _box(mask: Float[ndarray, "height width"]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the object, ends exclusive."""
    inside = mask >= 0.5
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _stands_as_in_training(cut: CutOut) -> bool:
    """Whether the object of a square photo that was drawn or cut out is in its middle, at a usual size."""
    if cut.how not in ("alpha", "plain background", "mask"):
        return False
    left, top, right, bottom = _box(cut.mask)
    height, width = cut.mask.shape
    small, large = _KEPT_SIZES
    across, down = (left + right) / 2 / width - 0.5, (top + bottom) / 2 / height - 0.5
    usual = small <= max((right - left) / width, (bottom - top) / height) <= large
    return usual and abs(across) < 0.05 and abs(down - _BOX_DROP) < 0.07


def _warnings(
    photo: Photo, cut: CutOut, mask: Float[Tensor, "size size"], distance: float, size: int
) -> tuple[str, ...]:
    """What makes the photo unlike those of training, each with its way out."""
    found = []
    left, top, right, bottom = _box(cut.mask)
    across, down = right - left, bottom - top
    inside = cut.mask >= 0.5
    sides = {"left": inside[:, 0], "right": inside[:, -1], "top": inside[0], "bottom": inside[-1]}
    touched = [side for side, pixels in sides.items() if pixels.sum() > _TOUCHING * max(across, down)]
    if touched:
        found.append(f"the object is cut off by the frame ({', '.join(touched)}): take a photo with all of it")
    if max(across, down) < size * _BOX_SHARE / 2:
        found.append(f"the object is only {max(across, down)} pixels long: take a photo closer to it")
    share = float(inside.mean())
    if share > _ALL:
        found.append(f"the object fills {share:.0%} of the photo: perhaps the background was not found; give a mask")
    elif share < _NOTHING:
        found.append(f"the object fills {share:.2%} of the photo: perhaps it was not found; give a mask")
    areas = connected_parts(mask.numpy() >= 0.5)[1][1:, 4]
    large = int((areas > _LARGE_PART * areas.max(initial=0)).sum())
    if large > 1:
        found.append(f"there are {large} large parts where one object is expected: give a mask of one of them")
    aspect = max(across, down) / min(across, down)
    if aspect > _LONGEST_ASPECT:
        found.append(f"the object is {aspect:.0f} times as long as it is wide, which training hardly saw")
    if distance < _CLOSEST:
        found.append(
            f"the camera was only {distance:.2g} times the object's length away, training's {TRAINING_DISTANCE:.2g}"
        )
    return tuple(found)
