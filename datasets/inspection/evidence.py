"""What a scene's photos say about its cameras: matches, sparse points and the mask hull, gathered once."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datasets.inspection.epipolar import depths, epipolar_distances, pixel_directions, reprojection_errors, triangulate
from datasets.inspection.hull import Hull, carve
from datasets.inspection.matching import Matches, choose_pairs, match_scene
from pixelnerf.scenes.scene import Scene, SparsePoints
from pixelnerf.types import Cameras

# Fewer matches say nothing: plain or tiny photos have only wrong ones.
MIN_MATCHES = 30
# A match farther from its epipolar line than this, in pixels, is taken for a wrong match.
INLIER_PIXELS = 3.0
# Rays that cross under a smaller angle, in degrees, leave the depth open.
MIN_ANGLE = 1.0
HULL_VIEWS = 12


@dataclass(frozen=True)
class Evidence:
    """`matches` of a few pairs of views, `sparse` points that came with the cameras, `hull` of `hull_views`' masks."""

    scene: Scene
    matches: list[Matches]
    sparse: SparsePoints | None
    hull_views: list[int]
    hull: Hull | None

    @property
    def has_matches(self) -> bool:
        """Whether there are enough matches to judge by."""
        return sum(match.pixels.shape[1] for match in self.matches) >= MIN_MATCHES

    def epipolar_median(self, cameras: Cameras) -> float:
        """Median distance from epipolar lines, in pixels, with cameras in place of the scene's own.

        Points behind a camera count as if they were a photo's diagonal away.
        """
        found = [torch.empty(0, dtype=torch.float64)]
        for match in self.matches:
            pair = cameras[list(match.views)]
            distance = epipolar_distances(pair, match.pixels)
            behind = (depths(pair, triangulate(pair, match.pixels)) <= 0).any(dim=0)
            found.append(torch.where(behind, pair.sizes[0].double().norm(), distance))
        return float(torch.cat(found).median())


@dataclass(frozen=True)
class Triangulated:
    """Points from inlying matches, the pair of views that saw each, and its mean reprojection error in pixels."""

    points: Float[Tensor, "point 3"]
    views: list[tuple[int, int]]
    errors: Float[Tensor, "point"]


def gather(scene: Scene, pairs: int) -> Evidence:
    """Decodes the photos and masks of some views and finds what they have in common."""
    cameras = scene.cameras()
    views = np.unique(np.linspace(0, scene.num_views - 1, HULL_VIEWS).round().astype(int)).tolist()
    one_size = [view for view in views if torch.equal(cameras.sizes[view], cameras.sizes[views[0]])]
    return Evidence(
        scene,
        match_scene(scene, choose_pairs(cameras, pairs)),
        scene.sparse_points(),
        one_size,
        carve(scene, cameras, one_size),
    )


def triangulate_inliers(evidence: Evidence) -> Triangulated:
    """The points of matches that agree with the cameras, lie in front of them, and have a safe angle."""
    points, views, errors = [torch.empty(0, 3, dtype=torch.float64)], [], [torch.empty(0, dtype=torch.float64)]
    for match in evidence.matches:
        pair = evidence.scene.cameras()[list(match.views)]
        found = triangulate(pair, match.pixels)
        (first, second), _ = pixel_directions(pair, match.pixels)
        kept = (
            (epipolar_distances(pair, match.pixels) < INLIER_PIXELS)
            & (depths(pair, found) > 0).all(dim=0)
            & ((first * second).sum(dim=-1) < np.cos(np.deg2rad(MIN_ANGLE)))
        )
        points.append(found[kept])
        errors.append(reprojection_errors(pair, found, match.pixels).mean(dim=0)[kept])
        views += [match.views] * int(kept.sum())
    return Triangulated(torch.cat(points), views, torch.cat(errors))


def sparse_errors(evidence: Evidence) -> Float[Tensor, "observation"] | None:
    """Reprojection errors, in pixels, of the sparse points that came with the cameras."""
    sparse = evidence.sparse
    if sparse is None:
        return None
    cameras = evidence.scene.cameras()
    errors = [
        reprojection_errors(cameras[[view]], sparse.positions[seen].double(), pixels.double())[0]
        for view, (seen, pixels) in enumerate(zip(sparse.indices, sparse.pixels, strict=True))
    ]
    return torch.cat(errors)
