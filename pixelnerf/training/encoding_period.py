"""Checks that a scene's points have distinct positional encodings."""

import math
from collections.abc import Sequence

import torch

from pixelnerf.geometry.rays import rays_through_pixels
from pixelnerf.model.inputs import PositionConfig
from pixelnerf.scenes.scene import Scene

# The frusta's corners reach beyond what the photos show: NeRF's Blender scenes, which train well at the published
# frequencies, span 1.2 periods.
TOLERATED_PERIODS = 1.5


def repetition(position: PositionConfig, scenes: Sequence[Scene]) -> str | None:
    """A note for the user if distant points of a model's one scene share an encoding, so that it must confuse them.

    Sines and cosines of frequencies scale * 2^k repeat together after 2 pi / (scale * 2^min_degree) world units along
    each axis. A raw position beside them makes all points distinct, and normalised device coordinates fit in a period.
    """
    if position.frame != "world" or position.include_input or not scenes or scenes[0].ndc is not None:
        return None
    period = 2 * math.pi / (position.scale * 2.0**position.min_degree)
    scene, width = scenes[0], _scene_width(scenes[0])
    if width <= TOLERATED_PERIODS * period:
        return None
    octaves = math.ceil(math.log2(width / period))
    return (
        f"'{scene.name}' spans {width:.3g} units, but the positional encoding repeats every {period:.3g}: set "
        f"model.position.scale={position.scale / 2**octaves:.4g} and, for the same detail, "
        f"model.position.max_degree={position.max_degree + octaves}"
    )


def _scene_width(scene: Scene) -> float:
    """The longest side of the box around the cameras' frusta from near to far, in world units."""
    cameras = scene.cameras()
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]) * cameras.sizes[:, None]
    near, far = (torch.full((len(corners),), bound) for bound in (scene.near, scene.far))
    rays = rays_through_pixels(cameras, corners, near, far)
    ends = [rays.origins + bound[..., None] * rays.directions for bound in (rays.near, rays.far)]
    points = torch.cat(ends).reshape(-1, 3)
    return float((points.amax(dim=0) - points.amin(dim=0)).amax())
