"""Two views of a scene: what they have in common, and how well their cameras agree with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from skimage.feature import match_descriptors
from torch import Tensor
from torch.nn.functional import normalize, pad

from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.geometry.rays import rays_through_pixels
from pixelnerf.scenes.scene import Scene
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Cameras, Rays


def projected(
    cameras: Cameras, points: Float[Tensor, "*#batch point 3"]
) -> tuple[Float[Tensor, "*batch point 2"], Float[Tensor, "*batch point"]]:
    """Pixels of world points, and their depths; pixels mean nothing where the depth is not positive."""
    local = world_to_camera(cameras.poses, points)
    return project(cameras.intrinsics, local), local[..., 2]


def pixel_rays(cameras: Cameras, pixels: Float[Tensor, "view ray 2"]) -> Rays:
    """Rays through pixels, with unit directions and no bounds."""
    unused = cameras.poses.new_zeros(len(cameras.poses))
    return rays_through_pixels(cameras, pixels, unused, unused, normalize_directions=True)


def fundamental(cameras: Cameras) -> Float[Tensor, "3 3"]:
    """The matrix F of two cameras (batch = 2) with x2^T F x1 = 0 for pixels x of the same point."""
    first, second = cameras.poses
    to_second = second[:3, :3].T @ (first - second)[:3, 3:]
    essential = torch.linalg.cross(to_second, second[:3, :3].T @ first[:3, :3], dim=0)
    inverses = torch.linalg.inv(cameras.intrinsics)
    return inverses[1].T @ essential @ inverses[0]


def epipolar_distances(cameras: Cameras, pixels: Float[Tensor, "view=2 match 2"]) -> Float[Tensor, "match"]:
    """Mean distance of each match's two pixels from the other's epipolar line."""
    matrix = fundamental(cameras)
    first, second = pad(pixels, (0, 1), value=1.0)
    lines = torch.stack([second @ matrix, first @ matrix.T])
    residual = (first * lines[0]).sum(dim=-1).abs()
    return (residual / lines[..., :2].norm(dim=-1).clamp_min(1e-12)).mean(dim=0)


def triangulate(cameras: Cameras, pixels: Float[Tensor, "view match 2"]) -> Float[Tensor, "match 3"]:
    """The points nearest to the rays of each match."""
    rays = pixel_rays(cameras, pixels)
    return _nearest_points(rays.origins, rays.directions)


def common_center(cameras: Cameras) -> Float[Tensor, "3"]:
    """The point nearest to all optical axes; finite even if they are parallel."""
    return _nearest_points(cameras.poses[:, :3, 3], normalize(cameras.poses[:, :3, 2], dim=-1))


def _nearest_points(
    origins: Float[Tensor, "line *batch 3"], directions: Float[Tensor, "line *batch 3"]
) -> Float[Tensor, "*batch 3"]:
    """The points with the smallest squared distances to lines; directions are unit vectors."""
    identity = torch.eye(3, dtype=origins.dtype)
    across = identity - directions[..., :, None] * directions[..., None, :]
    # Parallel lines have no nearest point: a little weight on the world's origin chooses one.
    matrix = across.sum(dim=0) + 1e-12 * identity
    return torch.linalg.solve(matrix, (across @ origins[..., None]).sum(dim=0))[..., 0]


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
    if len(rotations) < 2:
        return []
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
