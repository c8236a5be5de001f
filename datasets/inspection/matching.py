"""Points that two photos have in common, found without their cameras."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from skimage.color import rgb2gray
from skimage.feature import SIFT, match_descriptors
from torch import Tensor

from pixelnerf.scenes.scene import Scene
from pixelnerf.types import Cameras

# The angle between two views, in degrees, over which features still match and rays already cross well.
PAIR_ANGLE = 9.0
# The best match must be this much closer than the second best (Lowe).
MAX_RATIO = 0.8
LARGEST_SIDE = 640


@dataclass(frozen=True)
class Matches:
    """Pixels of the same points in two views, in each view's own pixel coordinates."""

    views: tuple[int, int]
    pixels: Float[Tensor, "view=2 match 2"]


def choose_pairs(cameras: Cameras, count: int) -> list[tuple[int, int]]:
    """Pairs of views that differ by a moderate rotation, spread over the scene.

    The angle between two cameras is the same whether poses are inverted or their axes flipped, so that wrong
    conventions choose the same pairs as right ones.
    """
    rotations = cameras.poses[:, :3, :3].double()
    cosines = (torch.einsum("aij,bij->ab", rotations, rotations) - 1) / 2
    angles = torch.rad2deg(torch.arccos(cosines.clamp(-1, 1)))
    excess = (angles - PAIR_ANGLE).abs().fill_diagonal_(torch.inf)
    first = np.unique(np.linspace(0, len(rotations) - 1, count).round().astype(int)).tolist()
    pairs = {tuple(sorted((view, int(excess[view].argmin())))) for view in first}
    return sorted((a, b) for a, b in pairs)


def match_scene(scene: Scene, pairs: Sequence[tuple[int, int]]) -> list[Matches]:
    """Matches of each pair; each photo's features are found once."""
    features = {view: _features(scene, view) for view in sorted({view for pair in pairs for view in pair})}
    return [_match(pair, features[pair[0]], features[pair[1]]) for pair in pairs]


def _features(scene: Scene, view: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (x, y) and descriptors; none where a photo is too plain or too small."""
    image = rgb2gray(scene.images([view])[0].permute(1, 2, 0).numpy())
    step = -(-max(image.shape) // LARGEST_SIDE)
    detector = SIFT(upsampling=2 if max(image.shape) < 300 else 1)
    try:
        detector.detect_and_extract(image[::step, ::step])
    except RuntimeError:
        return np.empty((0, 2)), np.empty((0, 128))
    assert detector.positions is not None, "features were found"
    assert detector.descriptors is not None, "features were found"
    return detector.positions[:, ::-1].astype(np.float64) * step + 0.5, detector.descriptors


def _match(
    pair: tuple[int, int], first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> Matches:
    if not len(first[0]) or not len(second[0]):
        return Matches(pair, torch.empty(2, 0, 2, dtype=torch.float64))
    found = match_descriptors(first[1], second[1], cross_check=True, max_ratio=MAX_RATIO)
    return Matches(pair, torch.from_numpy(np.stack([first[0][found[:, 0]], second[0][found[:, 1]]])))
