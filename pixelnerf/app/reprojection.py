"""A level virtual camera that turns towards the object, and what it sees of a photo.

It stands where the photo's camera stood: a rotation about the centre of projection, so the photo is re-projected
exactly, by a homography, whatever is in it.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from pixelnerf.app.cutout import CutOut, over_white

_FINEST = 8


class Turn(NamedTuple):
    """How the virtual camera is turned, and what it sees then.

    Attributes:
        rotation: Columns are its axes (right, down, forward) in those of the photo's camera.
        extent: The longer side of the object's box at depth 1.
    """

    rotation: Float[ndarray, "3 3"]
    extent: float


def centered_intrinsics(focal: float, width: int, height: int) -> Float[ndarray, "3 3"]:
    """Of a photo whose principal point is its middle."""
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])


def turn_to_object(mask: Float[ndarray, "height width"], focal: float, elevation: float, drop: float) -> Turn:
    """Turns the camera so that the middle of the object's box is seen under an elevation.

    Neither camera rolls: their x axes are level.

    Args:
        mask: The object's share of each pixel of the photo.
        focal: The photo's focal length in pixels; its principal point is its middle.
        elevation: Of the camera above the object's horizon, in degrees.
        drop: How far below the optical axis the middle of the object's box is to be seen, in longer sides of the box.
    """
    rows, columns = _outline(mask)
    height, width = mask.shape
    rays = np.stack([(columns - width / 2) / focal, (rows - height / 2) / focal, np.ones(len(rows))], axis=-1)
    target = np.append((rays[:, :2].min(axis=0) + rays[:, :2].max(axis=0)) / 2, 1.0)
    # The box's middle moves a little as the camera turns.
    for _ in range(5):
        middle, extent, rotation = _box_seen(rays, target, elevation)
        target = rotation @ np.append(middle - [0.0, drop * extent], 1.0)
        target = target / target[2]
    _, extent, rotation = _box_seen(rays, target, elevation)
    return Turn(rotation, extent)


def _box_seen(
    rays: Float[ndarray, "point 3"], target: Float[ndarray, "3"], elevation: float
) -> tuple[Float[ndarray, "2"], float, Float[ndarray, "3 3"]]:
    """Middle and longer side, at depth 1, of the box around rays for a camera that faces a target; and its rotation."""
    rotation = _facing(target, elevation)
    seen = rays @ rotation
    seen = seen[:, :2] / seen[:, 2:]
    low, high = seen.min(axis=0), seen.max(axis=0)
    return (low + high) / 2, float((high - low).max()), rotation


def _facing(target: Float[ndarray, "3"], elevation: float) -> Float[ndarray, "3 3"]:
    """Columns: right, down and forward of a level camera that looks along `target`, in axes of the photo's camera.

    The photo's camera is level, too, and its pitch follows from the elevation under which it sees the target.
    """
    x, y, _ = target
    length = math.sqrt(1 + x * x + y * y)
    sine = length * math.sin(math.radians(elevation)) / math.hypot(1, y)
    pitch = math.asin(min(max(sine, -1.0), 1.0)) - math.atan(y)
    up = np.array([0.0, -math.cos(pitch), -math.sin(pitch)])
    forward = target / length
    right = np.cross(forward, up)
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward], axis=-1)


def turn_of_posed(mask: Float[ndarray, "height width"], intrinsics: Float[ndarray, "3 3"]) -> Turn:
    """Turns a camera whose pose is known so that the middle of the object's box is in the middle of the picture.

    By as little as that takes: the camera's own x axis stays level in its picture.
    """
    rows, columns = _outline(mask)
    rays = np.stack([columns, rows, np.ones(len(rows))], axis=-1) @ np.linalg.inv(intrinsics).T
    rays = rays / rays[:, 2:]
    target = (rays.min(axis=0) + rays.max(axis=0)) / 2
    turned, extent = np.eye(3), 0.0
    # The box's middle moves a little as the camera turns.
    for _ in range(5):
        forward = target / np.linalg.norm(target)
        right = np.cross([0.0, 1.0, 0.0], forward)
        right = right / np.linalg.norm(right)
        turned = np.stack([right, np.cross(forward, right), forward], axis=-1)
        seen = rays @ turned
        seen = seen[:, :2] / seen[:, 2:]
        low, high = seen.min(axis=0), seen.max(axis=0)
        extent = float((high - low).max())
        target = turned @ np.append((low + high) / 2, 1.0)
        target = target / target[2]
    return Turn(turned, extent)


def reprojected(
    colors: UInt8[ndarray, "height width 3"],
    cut: CutOut,
    intrinsics: Float[ndarray, "3 3"],
    rotation: Float[ndarray, "3 3"],
    new_focal: float,
    size: int,
) -> tuple[Float[Tensor, "3 size size"], Float[Tensor, "size size"]]:
    """The picture that the virtual camera sees, over white, each pixel the mean over its area; and its mask.

    First whole blocks of the photo's pixels are averaged, until some eight are left for each pixel across; then
    samples at most one such block apart are interpolated, and averaged.
    """
    height, width = cut.mask.shape
    to_photo = intrinsics @ rotation
    from_picture = np.linalg.inv(np.array([[new_focal, 0, size / 2], [0, new_focal, size / 2], [0, 0, 1.0]]))
    homography = to_photo @ from_picture
    corners = homography @ np.array([[0, size, 0, size], [0, 0, size, size], [1.0, 1, 1, 1]])
    corners = corners[:2] / corners[2]
    step = float((corners.max(axis=1) - corners.min(axis=1)).max()) / size
    block = max(1, int(step / _FINEST))
    left, top = np.clip(np.floor(corners.min(axis=1)).astype(int) - 2 * block, 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(corners.max(axis=1)).astype(int) + 2 * block, 1, (width, height))
    layers = _darkness(colors[top:bottom, left:right], cut.mask[top:bottom, left:right], cut.how, block)
    samples = max(1, math.ceil(step / block))
    places = (torch.arange(size * samples, dtype=torch.float64) + 0.5) / samples
    y, x = torch.meshgrid(places, places, indexing="ij")
    seen = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ torch.from_numpy(homography).mT
    pixels = seen[..., :2] / seen[..., 2:]
    sides = block * torch.tensor([layers.shape[-1], layers.shape[-2]])
    grid = (2 * (pixels - torch.tensor([left, top])) / sides - 1).float()
    mode = "bicubic" if step < 1 else "bilinear"
    sampled = F.grid_sample(layers[None], grid[None], mode=mode, padding_mode="zeros", align_corners=False)[0]
    means = F.avg_pool2d(sampled, samples).clamp(0, 1)
    return 1 - means[:3], means[3]


def _darkness(
    colors: ndarray, mask: Float[ndarray, "height width"], how: str, block: int
) -> Float[Tensor, "4 new_height new_width"]:
    """1 - colour over white, and the mask: all are zero where the photo ends. Means over blocks of pixels."""

    def mean(values: Float[ndarray, "height width channel"]) -> Float[ndarray, "new_height new_width channel"]:
        tensor = torch.from_numpy(values).permute(2, 0, 1)[None]
        return F.avg_pool2d(tensor, block, ceil_mode=False)[0].permute(1, 2, 0).numpy() if block > 1 else values

    values = colors.astype(np.float32) / 255
    if how == "alpha":
        # Colours of transparent pixels mean nothing: they must not enter a mean.
        whitened, share = mean(over_white(values, mask, how)), mean(mask[..., None])[..., 0]
    else:
        share = mean(mask[..., None])[..., 0]
        whitened = over_white(mean(values), share, how)  # pyright: ignore[reportArgumentType]
    return torch.from_numpy(np.concatenate([1 - whitened, share[..., None]], axis=-1)).permute(2, 0, 1).float()


def _outline(mask: Float[ndarray, "height width"]) -> tuple[Float[ndarray, "point"], Float[ndarray, "point"]]:
    """Rows and columns of points all around the object: the ends of its run of pixels in each row and column."""
    inside = mask >= 0.5
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    across, down = inside[rows], inside[:, columns].T
    first, last = across.argmax(axis=1), across.shape[1] - across[:, ::-1].argmax(axis=1)
    highest, lowest = down.argmax(axis=1), down.shape[1] - down[:, ::-1].argmax(axis=1)
    y = np.concatenate([rows + 0.5, rows + 0.5, highest, lowest])
    x = np.concatenate([first, last, columns + 0.5, columns + 0.5])
    return y.astype(float), x.astype(float)
