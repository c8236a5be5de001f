"""Input photos of several scenes in one record, and random changes of a scene's colours (pixelNeRF on DTU)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pixelnerf.scenes.scene import Scene
from pixelnerf.types import Cameras, Photos

# Luma weights of ITU-R BT.601: the grey that saturation and contrast are relative to.
LUMA = np.array([0.299, 0.587, 0.114])


ColorMap = Callable[[Float[Tensor, "*batch 3"]], Float[Tensor, "*batch 3"]]


def scene_photos(scene: Scene, views: Sequence[int], downscale: int = 1) -> Photos:
    """Views of one scene, as a batch of one, downscaled by a whole number (means over squares of pixels)."""
    photos = stack_photos([scene], [views], [[scene.images([view])[0] for view in views]])
    if downscale == 1 or not views:
        return photos
    images = F.avg_pool2d(photos.images.flatten(0, 1), downscale).unflatten(0, photos.present.shape)
    return replace(photos, images=images, cameras=photos.cameras.scaled(1 / downscale))


def stack_photos(
    scenes: Sequence[Scene], views: Sequence[Sequence[int]], images: Sequence[Sequence[Float[Tensor, "3 height width"]]]
) -> Photos:
    """Views of each scene as one batch.

    Smaller photos are padded with zeros at the right and bottom. A scene with fewer views is padded with absent ones,
    which repeat its first camera (any, if it has none) so that geometry stays finite.
    """
    count = max(len(chosen) for chosen in views)
    height, width = (max((image.shape[axis] for group in images for image in group), default=0) for axis in (-2, -1))
    batch = torch.zeros(len(scenes), count, 3, height, width)
    for element, group in enumerate(images):
        for view, image in enumerate(group):
            batch[element, view, :, : image.shape[-2], : image.shape[-1]] = image
    padded = [
        torch.tensor([*chosen, *[next(iter(chosen), 0)] * (count - len(chosen))], dtype=torch.long) for chosen in views
    ]
    depths = torch.stack([scene.depth_ranges()[chosen] for scene, chosen in zip(scenes, padded, strict=True)])
    present = torch.arange(count) < torch.tensor([len(chosen) for chosen in views])[:, None]
    up = [(0.0, 0.0, 0.0) if scene.up is None else scene.up for scene in scenes]
    half_sides = [math.inf if scene.half_side is None else scene.half_side for scene in scenes]
    return Photos(
        images=batch,
        cameras=Cameras.stack([scene.cameras()[chosen] for scene, chosen in zip(scenes, padded, strict=True)]),
        near=depths[..., 0],
        far=depths[..., 1],
        present=present,
        half_sides=None if set(half_sides) == {math.inf} else torch.tensor(half_sides),
        up=torch.tensor(up) if any(map(any, up)) else None,
    )


def draw_color_map(random: np.random.Generator, strength: float, mean_color: Float[Tensor, "3"]) -> ColorMap:
    """Draws hue, saturation, contrast and brightness, each off by up to `strength`, as a map of RGB in [0, 1].

    Hue is rotated about the grey axis by up to `strength` of a full turn; the others are factors from 1 - strength to
    1 + strength, contrast relative to the grey of `mean_color`.
    """
    saturation, contrast, brightness = 1 + strength * random.uniform(-1, 1, 3)
    turn = _rotation_about_grey(2 * np.pi * strength * random.uniform(-1, 1))
    grey = np.outer(np.ones(3), LUMA)
    colorful = saturation * np.eye(3) + (1 - saturation) * grey
    offset = brightness * (1 - contrast) * float(LUMA @ mean_color.double().numpy()) * np.ones(3)
    matrix, shift = (torch.from_numpy(part).float() for part in (brightness * contrast * turn @ colorful, offset))
    return lambda colors: (colors @ matrix.T + shift).clamp(0, 1)


def _rotation_about_grey(angle: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about (1, 1, 1), by Rodrigues' formula."""
    axis = np.ones(3) / np.sqrt(3)
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
