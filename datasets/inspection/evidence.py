"""What a scene's photos say about its cameras, gathered once: matches, sparse points, the hull of the masks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from datasets.inspection.two_views import (
    Matches,
    choose_pairs,
    common_center,
    epipolar_distances,
    match_scene,
    pixel_rays,
    projected,
    triangulate,
)
from pixelnerf.scenes.scene import Scene, SparsePoints
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Cameras

Mask = Bool[Tensor, "height width"]

GRID = 56


@dataclass(frozen=True)
class Hull:
    """Points inside all masks, and the share of the masks' pixels that they cover: 1 for perfect cameras."""

    points: Float[Tensor, "point 3"]
    coverage: float


def carve(cameras: Cameras, masks: Sequence[Mask]) -> Hull:
    """The hull of one mask for each camera, none of them empty.

    The grid lies around the point nearest to the optical axes, as large as the largest mask makes the object there.
    """
    center = common_center(cameras)
    views = [(cameras[index], mask) for index, mask in enumerate(masks)]
    radius = max(_reach(camera, mask, center) for camera, mask in views)
    axis = torch.linspace(-1, 1, GRID, dtype=torch.float64)
    points = center + radius * torch.cartesian_prod(axis, axis, axis)
    for camera, mask in views:
        pixels, depths = projected(camera, points)
        # What lies outside the photo falls on the padding.
        columns, rows = (pixels.floor().long() + 1).clamp_min(0).minimum(camera.sizes + 1).unbind(-1)
        points = points[(depths > 0) & pad(mask, (1, 1, 1, 1))[rows, columns]]
    spacing = 2 * radius / (GRID - 1)
    coverage = sum(_covered(camera, mask, points, spacing) for camera, mask in views) / len(views)
    return Hull(points, coverage)


def _reach(camera: Cameras, mask: Mask, center: Float[Tensor, "3"]) -> float:
    """Distance, at the depth of the centre, between the optical axis and the mask's farthest pixel."""
    pixels = mask.nonzero().flip(-1) + 0.5
    reach = (pixels - camera.intrinsics[:2, 2]).norm(dim=-1).max() / camera.intrinsics[0, 0]
    return float(reach * (camera.poses[:3, 3] - center).norm())


def _covered(camera: Cameras, mask: Mask, points: Float[Tensor, "point 3"], spacing: float) -> float:
    """Share of a mask that the points cover, each as a square of the grid's spacing."""
    if not len(points):
        return 0.0
    pixels, depths = projected(camera, points)
    side = max(1, round(float(camera.intrinsics[0, 0] * spacing / depths.median())))
    cells = (pixels / side).floor().long()
    height, width = (-(-length // side) for length in mask.shape)
    splat = torch.zeros(1, height, width)
    splat[0, cells[:, 1].clamp(0, height - 1), cells[:, 0].clamp(0, width - 1)] = 1.0
    # Points of a regular grid may leave every other cell free.
    grown = max_pool2d(splat, 3, 1, 1)[0]
    rows, columns = mask.nonzero(as_tuple=True)
    return float(grown[rows // side, columns // side].mean())


# Fewer matches say nothing: plain or tiny photos have only wrong ones.
MIN_MATCHES = 30
# A match farther from its epipolar line than this, in pixels, is taken for a wrong match.
INLIER_PIXELS = 3.0
# Rays that cross at a smaller angle, in degrees, leave the depth open.
MIN_ANGLE = 1.0
MASKED_VIEWS = 12


@dataclass(frozen=True)
class Observations:
    """Points in one or two views: pixels where these saw them, pixels where the cameras project them, and depths."""

    points: Float[Tensor, "point 3"]
    seen: Float[Tensor, "*view point 2"]
    projected: Float[Tensor, "*view point 2"]
    depths: Float[Tensor, "*view point"]


def reprojection_errors(observations: list[Observations]) -> Float[Tensor, "observation"]:
    """How far, in pixels, points project from where they were seen."""
    return _joined([(one.projected - one.seen).norm(dim=-1) for one in observations])


@dataclass(frozen=True)
class Evidence:
    """All that is known about one scene. What follows from it is in float64, and computed once.

    Attributes:
        scene: whose cameras are in question.
        matches: of a few pairs of views.
        sparse: points that came with the cameras, if any did.
        masks: of a few views, by view; none of them is empty.
    """

    scene: Scene
    matches: list[Matches]
    sparse: SparsePoints | None
    masks: dict[int, Mask]

    @cached_property
    def cameras(self) -> Cameras:
        """The scene's, in float64."""
        cameras = self.scene.cameras()
        return Cameras(cameras.poses.double(), cameras.intrinsics.double(), cameras.sizes)

    @cached_property
    def hull(self) -> Hull | None:
        """Of the masks, if there are any."""
        return self.hull_by(self.cameras) if self.masks else None

    def hull_by(self, cameras: Cameras) -> Hull:
        """The hull if these were the scene's cameras."""
        return carve(cameras[list(self.masks)], list(self.masks.values()))

    @property
    def has_matches(self) -> bool:
        """Whether there are enough matches to judge by."""
        return sum(match.pixels.shape[1] for match in self.matches) >= MIN_MATCHES

    def epipolar_median(self, cameras: Cameras) -> float:
        """Median distance of matches from epipolar lines, in pixels, if these were the scene's cameras."""
        return float(self.off_epipolar_lines(cameras).median())

    def off_epipolar_lines(self, cameras: Cameras) -> Float[Tensor, "match"]:
        """Distances of all matches from epipolar lines, in pixels, if these were the scene's cameras.

        Points behind a camera count as if they were a photo's diagonal away.
        """
        distances = []
        for match in self.matches:
            pair = cameras[list(match.views)]
            behind = (projected(pair, triangulate(pair, match.pixels))[1] <= 0).any(dim=0)
            diagonal = pair.sizes[0].double().norm()
            distances.append(torch.where(behind, diagonal, epipolar_distances(pair, match.pixels)))
        return torch.cat(distances)

    @cached_property
    def triangulated(self) -> list[Observations]:
        """Points of each pair's matches that agree with the cameras, lie in front of them, and have a safe angle."""
        found = []
        for match in self.matches:
            pair = self.cameras[list(match.views)]
            points = triangulate(pair, match.pixels)
            pixels, depths = projected(pair, points)
            first, second = pixel_rays(pair, match.pixels).directions
            inlying = epipolar_distances(pair, match.pixels) < INLIER_PIXELS
            crossing = (first * second).sum(dim=-1) < math.cos(math.radians(MIN_ANGLE))
            kept = inlying & crossing & (depths > 0).all(dim=0)
            found.append(Observations(points[kept], match.pixels[:, kept], pixels[:, kept], depths[:, kept]))
        return found

    @cached_property
    def observations(self) -> list[Observations]:
        """Each view's of the sparse points; empty if there are no such points."""
        if self.sparse is None:
            return []
        found = []
        for view, (pixels, indices) in enumerate(zip(self.sparse.pixels, self.sparse.indices, strict=True)):
            points = self.sparse.positions[indices].double()
            found.append(Observations(points, pixels.double(), *projected(self.cameras[view], points)))
        return found

    @cached_property
    def landmarks(self) -> tuple[Float[Tensor, "point 3"], Float[Tensor, "observation"]]:
        """Points of the scene (its sparse ones, else the hull's, else triangulated), and their depths in views."""
        if self.sparse is not None:
            return self.sparse.positions.double(), _joined([view.depths for view in self.observations])
        if self.hull is not None and len(self.hull.points):
            return self.hull.points, projected(self.cameras[list(self.masks)], self.hull.points)[1].flatten()
        points = _joined([pair.points for pair in self.triangulated]).reshape(-1, 3)
        return points, _joined([pair.depths for pair in self.triangulated])


def _joined(values: list[Tensor]) -> Float[Tensor, "number"]:
    return torch.cat([torch.empty(0, dtype=torch.float64), *(value.flatten() for value in values)])


def gather(scene: Scene, pairs: int) -> Evidence:
    """Decodes the photos and masks of some views and finds what they have in common."""
    views = spread(scene.num_views, MASKED_VIEWS)
    masks = {view: mask[0] for view in views if (mask := scene.masks([view])) is not None and mask.any()}
    matches = match_scene(scene, choose_pairs(scene.cameras(), pairs))
    return Evidence(scene, matches, scene.sparse_points(), masks if len(masks) == len(views) else {})
