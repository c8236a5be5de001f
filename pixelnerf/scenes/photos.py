"""Input photos of several scenes in one record, padded to a common size and number of views."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pixelnerf.scenes.scene import Scene
from pixelnerf.types import Cameras, Photos


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
    cameras = [scene.cameras()[chosen] for scene, chosen in zip(scenes, padded, strict=True)]
    present = torch.arange(count) < torch.tensor([len(chosen) for chosen in views])[:, None]
    return Photos(
        images=batch,
        cameras=Cameras(
            torch.stack([camera.poses for camera in cameras]),
            torch.stack([camera.intrinsics for camera in cameras]),
            torch.stack([camera.sizes for camera in cameras]),
        ),
        near=torch.tensor([scene.near for scene in scenes])[:, None].expand(-1, count),
        far=torch.tensor([scene.far for scene in scenes])[:, None].expand(-1, count),
        present=present,
        half_sides=_half_sides(scenes),
    )


def _half_sides(scenes: Sequence[Scene]) -> Float[Tensor, "batch"] | None:
    """Of the scenes' cubes, infinite for a scene without one; None if no scene has one."""
    if all(scene.half_side is None for scene in scenes):
        return None
    return torch.tensor([math.inf if scene.half_side is None else scene.half_side for scene in scenes])
