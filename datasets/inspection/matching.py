"""Points that two photos have in common, found without their cameras."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from skimage.feature import match_descriptors
from torch import Tensor

from pixelnerf.scenes.scene import Scene
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Cameras

# The angle between two views, in degrees, at which features still match and rays already cross well.
PAIR_ANGLE = 9.0
# The best match must be this much closer than the second best (Lowe 2004).
MAX_RATIO = 0.8
# Larger photos are shrunk before features are detected, to this many pixels.
LARGEST_SIDE = 640

Features = tuple[Float[np.ndarray, "feature 2"], Float[np.ndarray, "feature 128"]]
"""Pixels (x, y) and SIFT descriptors."""


@dataclass(frozen=True)
class Matches:
    """Pixels of the same points in two views, in each view's own pixel coordinates."""

    views: tuple[int, int]
    pixels: Float[Tensor, "view=2 match 2"]


def choose_pairs(cameras: Cameras, count: int) -> list[tuple[int, int]]:
    """Pairs of views that differ by a moderate rotation, spread over the scene.

    The angle between two cameras stays the same if poses are inverted or their axes flipped, so wrong conventions
    choose the same pairs as right ones.
    """
    rotations = cameras.poses[:, :3, :3].double()
    cosines = (torch.einsum("aij,bij->ab", rotations, rotations) - 1) / 2
    angles = torch.rad2deg(torch.arccos(cosines.clamp(-1, 1)))
    partners = (angles - PAIR_ANGLE).abs().fill_diagonal_(torch.inf).argmin(dim=1).tolist()
    first = spread(len(rotations), count)
    return sorted({(min(view, partners[view]), max(view, partners[view])) for view in first})


def match_scene(scene: Scene, pairs: Sequence[tuple[int, int]]) -> list[Matches]:
    """Matches of each pair; each photo's features are found once."""
    features = {view: _features(scene, view) for view in sorted({view for pair in pairs for view in pair})}
    return [Matches(pair, _match(features[pair[0]], features[pair[1]])) for pair in pairs]


def _features(scene: Scene, view: int) -> Features:
    photo = (255 * scene.images([view])[0]).round().byte().permute(1, 2, 0).numpy()
    size = np.array(photo.shape[1::-1])
    small = (size * min(1.0, LARGEST_SIDE / size.max())).round().astype(int).clip(1)
    gray = cv2.resize(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), small.tolist(), interpolation=cv2.INTER_AREA)
    # Without the precise upscale, features of the finest octave are a quarter of a pixel off.
    keypoints, descriptors = cv2.SIFT.create(enable_precise_upscale=True).detectAndCompute(gray, None)
    pixels = np.array([keypoint.pt for keypoint in keypoints]).reshape(-1, 2)
    return (pixels + 0.5) * size / small, descriptors


def _match(first: Features, second: Features) -> Float[Tensor, "view=2 match 2"]:
    if not len(first[0]) or not len(second[0]):
        return torch.empty(2, 0, 2, dtype=torch.float64)
    found = match_descriptors(first[1], second[1], cross_check=True, max_ratio=MAX_RATIO)
    return torch.from_numpy(np.stack([first[0][found[:, 0]], second[0][found[:, 1]]]))
