"""The viewer's pictures: what a camera sees, cones against points, and `exact` in small parts. No viser here.

Cameras are in the scene's world. Pictures that leave are RGB in [0, 1].
"""

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from PIL import Image, ImageDraw
from torch import Tensor

from pixelnerf.app.api import Scene
from pixelnerf.app.pictures import Picture
from pixelnerf.images.pictures import depth_picture, to_8_bits
from pixelnerf.model.baked import BakedVolume
from pixelnerf.types import Cameras

Shown = Literal["color", "depth", "opacity"]
Background = tuple[float, float, float]
Draw = Callable[[Cameras], Picture]
WindowCamera = tuple[Float[Tensor, "4 4"], float, tuple[int, int]]
"""Pose, vertical field of view in radians, and (width, height) in pixels: the arguments of `pinhole`."""

TILE = 8
"""Side in pixels of what `exact` renders at once: some 30 ms on two cores, after which it can be stopped."""
REACH = 0.87
"""Half the diagonal of the cube that holds an object, in lengths of the object: the range of the depth's colours."""


def pinhole(pose: Float[Tensor, "4 4"], field_of_view: float, size: tuple[int, int], zoom_out: float = 1.0) -> Cameras:
    """A camera of a vertical field of view.

    Args:
        pose: camera-to-world, OpenCV's axes.
        field_of_view: in radians.
        size: (width, height) in pixels.
        zoom_out: everything becomes so many times as small.
    """
    width, height = size
    focal = height / 2 / np.tan(field_of_view / 2) / zoom_out
    intrinsics = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], dtype=torch.float32)
    return Cameras(pose.float(), intrinsics, torch.tensor(size))


def shown_colors(picture: Picture, shown: Shown, distance: float, length: float) -> Float[ndarray, "height width 3"]:
    """A picture's colours, its depth in colours (near is bright), or its opacity (black on white).

    Args:
        picture: to show.
        shown: what of it.
        distance: from the camera to the object's middle.
        length: of the object's longest side.
    """
    if shown == "color":
        return picture.color.numpy()
    if shown == "opacity":
        return np.repeat(1 - picture.opacity.numpy()[..., None], 3, axis=-1)
    bounds = (max(distance - REACH * length, 0.0), distance + REACH * length)
    depth = torch.nan_to_num(picture.depth, nan=bounds[1])
    return depth_picture(depth.numpy(), picture.opacity.numpy(), bounds)


def render_points(draw: Draw, volume: BakedVolume, camera: Cameras) -> Picture:
    """What one ray through each pixel's middle sees, as if pixels were points.

    A pixel that is wider than a cell is the mean of several rays otherwise. A picture an odd number of times as large,
    whose pixels are no wider than a cell, has the wanted rays as every such pixel's middle one.

    Args:
        draw: renders `volume`.
        volume: in the camera's world.
        camera: of the picture.
    """
    middle = volume.corner + volume.axes @ (volume.cell * volume.cell.new_tensor(volume.density.shape) / 2)
    pixel = (middle - camera.poses[:3, 3]).norm() / camera.intrinsics[0, 0]
    finer = int(torch.ceil(pixel / volume.cell)) | 1
    picture = draw(camera.scaled(float(finer)))
    color, opacity, depth = (
        part[finer // 2 :: finer, finer // 2 :: finer] for part in (picture.color, picture.opacity, picture.depth)
    )
    return Picture(color, opacity, depth, camera)


def compare_zoomed_out(
    draw: Draw,
    volume: BakedVolume,
    pose: Float[Tensor, "4 4"],
    field_of_view: float,
    size: tuple[int, int],
    zoom_out: int,
    colors: Callable[[Picture], Float[ndarray, "rows columns 3"]],
) -> Float[ndarray, "height width 3"]:
    """Points on the left, cones on the right, of a picture `zoom_out` times as small, enlarged so that one sees pixels.

    Args:
        draw: renders `volume`.
        volume: in the camera's world.
        pose: camera-to-world.
        field_of_view: of the whole height, in radians, before zooming out.
        size: (width, height) of both together.
        zoom_out: at least 1.
        colors: what of a picture is shown.
    """
    width, height = size
    half = width // 2
    small = (max(half // zoom_out, 1), max(height // zoom_out, 1))
    camera = pinhole(pose, field_of_view, small)
    halves = []
    for picture in (render_points(draw, volume, camera), draw(camera)):
        enlarged = Image.fromarray(to_8_bits(colors(picture))).resize((half, height), Image.Resampling.NEAREST)
        halves.append(np.asarray(enlarged))
    image = Image.new("RGB", size)
    image.paste(Image.fromarray(halves[0]), (0, 0))
    image.paste(Image.fromarray(halves[1]), (width - half, 0))
    pen = ImageDraw.Draw(image)
    pen.line([(half, 0), (half, height)], fill=(128, 128, 128), width=max(height // 256, 1))
    for middle, text in ((half / 2, "points: one ray a pixel"), (width - half / 2, "cones: the pixel's area")):
        box = pen.textbbox((middle, height - 8), text, anchor="ms", font_size=max(height / 28, 10))
        pen.rectangle([box[0] - 6, box[1] - 4, box[2] + 6, box[3] + 4], fill=(40, 40, 40))
        pen.text((middle, height - 8), text, fill="white", anchor="ms", font_size=max(height / 28, 10))
    return np.asarray(image, np.float32) / 255


def refine_in_tiles(scene: Scene, baked: Picture, background: Background) -> Iterator[tuple[float, Picture]]:
    """`exact` in place of a baked picture, part by part from the object's middle outwards.

    Yields the share that is done and the picture as far as it is; the arrays are changed in place afterwards.

    Args:
        scene: that `baked` shows.
        baked: to begin with.
        background: RGB in [0, 1].
    """
    parts = [part.clone() for part in (baked.color, baked.opacity, baked.depth)]
    height, width = baked.opacity.shape
    matter = F.avg_pool2d(baked.opacity[None, None], TILE, ceil_mode=True)[0, 0]
    rows, columns = (torch.arange(count) for count in matter.shape)
    share = matter / matter.sum().clamp_min(1e-9)
    middle_row, middle_column = (share.sum(1) * rows).sum(), (share.sum(0) * columns).sum()
    away = ((rows - middle_row) ** 2)[:, None] + (columns - middle_column) ** 2
    order = away.flatten().argsort().tolist()
    # Beyond the object's neighbourhood there is nothing to refine.
    near = F.max_pool2d((matter > 0).float()[None, None], 3, stride=1, padding=1)[0, 0].flatten() > 0
    order = [tile for tile in order if near[tile]]
    for done, tile in enumerate(order, start=1):
        top, left = TILE * (tile // len(columns)), TILE * (tile % len(columns))
        bottom, right = min(top + TILE, height), min(left + TILE, width)
        exact = scene.render(_crop(baked.camera, (left, top, right, bottom)), quality="exact", background=background)
        for whole, part in zip(parts, (exact.color, exact.opacity, exact.depth), strict=True):
            whole[top:bottom, left:right] = part
        yield done / len(order), Picture(parts[0], parts[1], parts[2], baked.camera)


def _crop(camera: Cameras, box: tuple[int, int, int, int]) -> Cameras:
    """The camera of a part of its picture: (left, top, right, bottom) in pixels."""
    left, top, right, bottom = box
    intrinsics = camera.intrinsics.clone()
    intrinsics[:2, 2] -= torch.tensor([left, top])
    return Cameras(camera.poses, intrinsics, torch.tensor([right - left, bottom - top]))
