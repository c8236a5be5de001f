"""Warnings by name about cameras that do not fit their photos.

Wrong conventions are found by trying the others: what explains the photos several times better than the given cameras
do is what the file meant.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from datasets.inspection.epipolar import depths
from datasets.inspection.evidence import Evidence, triangulate_inliers
from datasets.inspection.hull import carve
from datasets.inspection.lens import own_lenses
from pixelnerf.geometry.cameras import project, world_to_camera
from pixelnerf.geometry.rays import rays_through_pixels
from pixelnerf.scenes.scene import Scene
from pixelnerf.types import Cameras

# Medians below this many pixels are good cameras whatever else would be better.
GOOD_PIXELS = 2.0
# Another reading of the files must be this many times better than the given one.
CLEARLY_BETTER = 3.0
# Narrow views hardly tell focal lengths apart, so that a better one need not be better by as much.
BETTER_FOCAL = 1.6
# Share of the masks that the hull of right cameras covers at least.
GOOD_COVERAGE = 0.9
# Fields of view outside of this, in degrees, come from a focal length in another unit.
PLAUSIBLE_VIEW = (3.0, 140.0)
# Shares of points beyond near or far, and of a view seen by its best neighbour, that call for a warning.
CUT_SHARE = 0.05
MIN_OVERLAP = 0.15

FLIP = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
READINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "y/z flipped: the poses are in OpenGL axes where OpenCV ones are expected, or the other way round": (
        lambda poses: poses @ FLIP
    ),
    "world-to-camera given for camera-to-world: invert the matrices": torch.linalg.inv,
    "world-to-camera given for camera-to-world, and y/z flipped: invert the matrices and flip both axes": (
        lambda poses: torch.linalg.inv(poses) @ FLIP
    ),
}


def diagnose(evidence: Evidence) -> list[str]:
    """Warnings about one scene. What follows from wrong cameras (depths, overlap) is judged only if these are right."""
    found = focal_unit(evidence.scene.cameras()) or convention(evidence) or focal_factor(evidence)
    return found or [*own_lenses(evidence), *near_far(evidence), *overlap(evidence.scene)]


def focal_unit(cameras: Cameras) -> list[str]:
    """A focal length that no lens has."""
    views = torch.rad2deg(2 * torch.arctan(cameras.sizes / 2 / torch.diagonal(cameras.intrinsics, 0, 1, 2)[:, :2]))
    worst = views[:, 0].max() if views[:, 0].max() > PLAUSIBLE_VIEW[1] else views[:, 0].min()
    if PLAUSIBLE_VIEW[0] <= worst <= PLAUSIBLE_VIEW[1]:
        return []
    focal, width = float(cameras.intrinsics[0, 0, 0]), int(cameras.sizes[0, 0])
    return [
        f"focal length in the wrong unit: {focal:.4g} pixels for a photo {width} pixels wide is a field of view of "
        f"{float(worst):.4g} degrees"
    ]


def convention(evidence: Evidence) -> list[str]:
    """Poses that fit the photos in another reading only, or in none."""
    cameras = evidence.scene.cameras()
    read = {
        name: Cameras(change(cameras.poses), cameras.intrinsics, cameras.sizes) for name, change in READINGS.items()
    }
    if evidence.has_matches:
        given = evidence.epipolar_median(cameras)
        if given < GOOD_PIXELS:
            return []
        medians = {name: evidence.epipolar_median(changed) for name, changed in read.items()}
        best = min(medians, key=medians.__getitem__)
        if medians[best] < given / CLEARLY_BETTER:
            return [f"{best} (matches lie {given:.1f} pixels off their epipolar lines, {medians[best]:.1f} then)"]
        return []
    if evidence.hull is None or evidence.hull.coverage > GOOD_COVERAGE:
        return []
    hulls = {name: carve(evidence.scene, changed, evidence.hull_views) for name, changed in read.items()}
    coverage = {name: hull.coverage for name, hull in hulls.items() if hull is not None}
    best = max(coverage, key=coverage.__getitem__)
    if 1 - coverage[best] < (1 - evidence.hull.coverage) / CLEARLY_BETTER:
        return [f"{best} (the hull covers {evidence.hull.coverage:.0%} of the masks, {coverage[best]:.0%} then)"]
    return [f"the masks disagree with the cameras: their hull covers {evidence.hull.coverage:.0%} of them"]


def focal_factor(evidence: Evidence) -> list[str]:
    """Matches that fit another focal length far better, or none at all."""
    cameras = evidence.scene.cameras()
    if not evidence.has_matches:
        return []
    medians = {}
    for step in range(-6, 7):
        factor = 2 ** (step / 2)
        zoom = torch.tensor([[factor, factor, 1.0], [factor, factor, 1.0], [1.0, 1.0, 1.0]])
        medians[factor] = evidence.epipolar_median(Cameras(cameras.poses, cameras.intrinsics * zoom, cameras.sizes))
    best = min(medians, key=medians.__getitem__)
    given = medians[1.0]
    if medians[best] < given / BETTER_FOCAL:
        return [
            f"focal length in the wrong unit: {best:.2g} times as long, matches lie {medians[best]:.1f} pixels off "
            f"their epipolar lines, {given:.1f} as it is"
        ]
    if given < GOOD_PIXELS:
        return []
    return [f"photos disagree with the cameras: matches lie {given:.1f} pixels off their epipolar lines"]


def near_far(evidence: Evidence) -> list[str]:
    """Points of the scene in front of near or behind far."""
    scene, found = evidence.scene, scene_depths(evidence)
    if not len(found):
        return []
    low, high = found.quantile(torch.tensor([0.01, 0.99], dtype=torch.float64)).tolist()
    warnings = []
    for name, bound, share in (
        ("near", scene.near, float((found < scene.near).double().mean())),
        ("far", scene.far, float((found > scene.far).double().mean())),
    ):
        if share > CUT_SHARE:
            warnings.append(
                f"{name} cuts the scene: {share:.0%} of its points lie beyond {name} = {bound:.4g}; "
                f"they are {low:.4g} to {high:.4g} deep"
            )
    return warnings


def scene_depths(evidence: Evidence) -> Float[Tensor, "observation"]:
    """Depths, in the views that saw them, of sparse, carved or triangulated points, whichever there are."""
    cameras = evidence.scene.cameras()
    if evidence.sparse is not None:
        seen = zip(range(len(cameras.poses)), evidence.sparse.indices, strict=True)
        found = torch.cat([depths(cameras[[view]], evidence.sparse.positions[index])[0] for view, index in seen])
    elif evidence.hull is not None:
        found = depths(cameras[evidence.hull_views], evidence.hull.points).flatten()
    else:
        triangulated = triangulate_inliers(evidence)
        pairs = zip(triangulated.views, triangulated.points, strict=True)
        each = [depths(cameras[list(views)], point[None])[:, 0] for views, point in pairs]
        found = torch.cat([torch.empty(0, dtype=torch.float64), *each])
    # Quantiles of a hull need no more than this.
    return found[:: -(-len(found) // 1_000_000) or 1]


def overlap(scene: Scene) -> list[str]:
    """Views whose scene range is hardly seen by any other view."""
    best = view_overlaps(scene)
    if float(best.median()) >= MIN_OVERLAP:
        return []
    return [
        f"views do not overlap: the best neighbour of a typical view sees {float(best.median()):.0%} of what lies "
        "between its near and far"
    ]


def view_overlaps(scene: Scene) -> Float[Tensor, "view"]:
    """For up to 24 views: the largest share of their frustum, near to far, that one other view sees."""
    step = -(-scene.num_views // 24)
    cameras = scene.cameras()[::step]
    count = len(cameras.poses)
    grid = torch.cartesian_prod(torch.linspace(0.1, 0.9, 6), torch.linspace(0.1, 0.9, 6))
    bounds = torch.tensor([scene.near, scene.far]).expand(count, 2)
    rays = rays_through_pixels(cameras, grid * cameras.sizes[:, None], bounds[:, 0], bounds[:, 1])
    t = torch.linspace(scene.near, scene.far, 10)
    points = (rays.origins[:, :, None] + t[:, None] * rays.directions[:, :, None]).reshape(count, -1, 3)
    local = world_to_camera(cameras.poses[:, None], points[None])
    pixels = project(cameras.intrinsics[:, None], local)
    inside = (pixels >= 0).all(dim=-1) & (pixels < cameras.sizes[:, None, None]).all(dim=-1)
    seen = inside & (local[..., 2] > scene.near) & (local[..., 2] < scene.far)
    return seen.double().mean(dim=-1).fill_diagonal_(0).max(dim=0).values
