"""Warnings by name about cameras that do not fit their photos.

Wrong conventions are found by trying the others: one that explains the photos several times better than the given
cameras is what the file meant.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datasets.inspection.evidence import Evidence, Observations, reprojection_errors
from datasets.inspection.two_views import projected
from pixelnerf.geometry.rays import rays_through_pixels
from pixelnerf.scenes.scene import Scene
from pixelnerf.tools.spacing import spread
from pixelnerf.types import Cameras

# Cameras are good if the median distance of matches from epipolar lines, in pixels, is below this.
GOOD_PIXELS = 2.0
# So they are where the hull covers this share of the masks and a quarter of the matches is nearer: repeated parts, as
# studs of lego, are matched wrongly. Positions that are off by 1 % of the object's size leave a quarter within 1.2.
SURE_COVERAGE, SHARP_PIXELS = 0.99, 0.5
# Another convention must be this many times better than the given one.
CLEARLY_BETTER = 3.0
# Narrow views hardly tell focal lengths apart, so less is asked of a better one.
BETTER_FOCAL = 1.6
# The hull of right cameras covers at least this share of the masks.
GOOD_COVERAGE = 0.9
# Fields of view outside this range, in degrees, come from a focal length in another unit.
PLAUSIBLE_VIEW = (3.0, 140.0)
# Larger shares of points beyond near or far, and smaller ones of a view seen by its best neighbour, call for a warning.
CUT_SHARE = 0.05
MIN_OVERLAP = 0.15
# Sparse points with smaller errors, in pixels of the photos as they are read, need no lenses of the photos' own.
GOOD_SPARSE_PIXELS = 0.5
# Lenses of the photos' own must leave at most this share of the error. With LLFF's one focal length for a phone's
# photos it is 0.22 of 0.84 pixels.
OWN_LENS_ERROR = 0.5
FEWEST_LENS_POINTS = 20
OVERLAP_VIEWS = 24

FLIP = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
CONVENTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "y/z flipped: the poses are in OpenGL axes where OpenCV ones are expected, or the other way round": (
        lambda poses: poses @ FLIP
    ),
    "world-to-camera given for camera-to-world: invert the matrices": torch.linalg.inv,
    "world-to-camera given for camera-to-world, and y/z flipped: invert the matrices and flip both axes": (
        lambda poses: torch.linalg.inv(poses) @ FLIP
    ),
}


def diagnose(evidence: Evidence) -> list[str]:
    """Warnings about one scene. Depths and overlap follow from the cameras, so they are judged only if these hold."""
    return wrong_cameras(evidence) or [*own_lenses(evidence), *near_far(evidence), *overlap(evidence.scene)]


def wrong_cameras(evidence: Evidence) -> list[str]:
    """The warning that cameras do not fit their photos, if they do not."""
    return focal_unit(evidence.cameras) or convention(evidence) or focal_factor(evidence)


def focal_unit(cameras: Cameras) -> list[str]:
    """A focal length that no lens has."""
    widths, focal = cameras.sizes[:, 0], cameras.intrinsics[:, 0, 0]
    views = torch.rad2deg(2 * torch.arctan(widths / 2 / focal))
    worst = float(views.max() if views.max() > PLAUSIBLE_VIEW[1] else views.min())
    warning = (
        f"focal length in the wrong unit: {float(focal[0]):.4g} pixels for a photo {int(widths[0])} pixels wide is a "
        f"field of view of {worst:.4g} degrees"
    )
    return [] if PLAUSIBLE_VIEW[0] <= worst <= PLAUSIBLE_VIEW[1] else [warning]


def fits_matches(evidence: Evidence) -> bool:
    """Whether the given cameras are good by the matches, with the masks where many of these are wrong."""
    distances = evidence.off_epipolar_lines(evidence.cameras)
    if distances.median() < GOOD_PIXELS:
        return True
    by_masks = evidence.hull is not None and evidence.hull.coverage > SURE_COVERAGE
    return by_masks and bool(distances.quantile(0.25) < SHARP_PIXELS)


def convention(evidence: Evidence) -> list[str]:
    """Poses that fit the photos only in another convention, or in none."""
    given = evidence.cameras
    others = {name: Cameras(change(given.poses), given.intrinsics, given.sizes) for name, change in CONVENTIONS.items()}
    if evidence.has_matches:
        median = evidence.epipolar_median(given)
        best, name = min((evidence.epipolar_median(cameras), name) for name, cameras in others.items())
        if fits_matches(evidence) or best > median / CLEARLY_BETTER:
            return []
        return [f"{name} (matches lie {median:.1f} pixels off their epipolar lines, {best:.1f} then)"]
    if evidence.hull is None or evidence.hull.coverage > GOOD_COVERAGE:
        return []
    coverage = evidence.hull.coverage
    best, name = max((evidence.hull_by(cameras).coverage, name) for name, cameras in others.items())
    if 1 - best < (1 - coverage) / CLEARLY_BETTER:
        return [f"{name} (the hull covers {coverage:.0%} of the masks, {best:.0%} then)"]
    return [f"the masks disagree with the cameras: their hull covers {coverage:.0%} of them"]


def focal_factor(evidence: Evidence) -> list[str]:
    """Matches that fit another focal length far better, or none at all."""
    if not evidence.has_matches:
        return []
    given = evidence.cameras
    medians = {}
    for factor in (2 ** (step / 2) for step in range(-6, 7)):
        intrinsics = given.intrinsics.clone()
        intrinsics[:, :2, :2] *= factor
        medians[factor] = evidence.epipolar_median(Cameras(given.poses, intrinsics, given.sizes))
    best, median = min(medians, key=medians.__getitem__), medians[1.0]
    if medians[best] < median / BETTER_FOCAL:
        return [
            f"focal length in the wrong unit: {best:.2g} times as long, matches lie {medians[best]:.1f} pixels off "
            f"their epipolar lines, {median:.1f} as it is"
        ]
    warning = f"photos disagree with the cameras: matches lie {median:.1f} pixels off their epipolar lines"
    return [] if fits_matches(evidence) else [warning]


def own_lenses(evidence: Evidence) -> list[str]:
    """Sparse points that lie where a lens of each photo's own would show them, and not where the cameras do."""
    errors = reprojection_errors(evidence.observations)
    given = float(errors.mean()) if len(errors) else 0.0
    if given < GOOD_SPARSE_PIXELS:
        return []
    views = zip(evidence.observations, evidence.cameras.intrinsics, strict=True)
    own = float(torch.cat([_own_lens_errors(view, intrinsics) for view, intrinsics in views]).mean())
    warning = (
        f"photos have lenses that the cameras leave out: sparse points lie {given:.2f} pixels off, {own:.2f} with a "
        "focal length and a distortion for each photo; read the COLMAP model itself if there is one (dataset=colmap)"
    )
    return [warning] if own <= OWN_LENS_ERROR * given else []


def _own_lens_errors(view: Observations, intrinsics: Float[Tensor, "3 3"]) -> Float[Tensor, "point"]:
    """Reprojection errors that remain, in pixels, after a zoom and a radial distortion are fitted to one view."""
    seen, expected = view.seen - intrinsics[:2, 2], view.projected - intrinsics[:2, 2]
    if len(seen) >= FEWEST_LENS_POINTS:
        squared_radius = (expected / intrinsics[0, 0]).square().sum(dim=-1, keepdim=True)
        terms = torch.stack([expected, expected * squared_radius], dim=-1)
        fitted = torch.linalg.lstsq(terms.reshape(-1, 2), seen.reshape(-1, 1)).solution
        expected = (terms @ fitted)[..., 0]
    return (expected - seen).norm(dim=-1)


def near_far(evidence: Evidence) -> list[str]:
    """Points of the scene in front of near or behind far."""
    scene, depths = evidence.scene, evidence.landmarks[1].numpy()
    if not len(depths):
        return []
    low, high = np.quantile(depths, [0.01, 0.99])
    cut = (("near", scene.near, (depths < scene.near).mean()), ("far", scene.far, (depths > scene.far).mean()))
    return [
        f"{name} cuts the scene: {share:.0%} of its points lie beyond {name} = {bound:.4g}; "
        f"they are {low:.4g} to {high:.4g} deep"
        for name, bound, share in cut
        if share > CUT_SHARE
    ]


def overlap(scene: Scene) -> list[str]:
    """Views that hardly any other view overlaps."""
    if scene.num_views < 2:
        return []
    typical = float(view_overlaps(scene).median())
    warning = f"the best neighbour of a typical view sees {typical:.0%} of what lies between its near and far"
    return [f"views do not overlap: {warning}"] if typical < MIN_OVERLAP else []


def view_overlaps(scene: Scene) -> Float[Tensor, "view"]:
    """For up to 24 views: the largest share of their frustum, near to far, that one other view sees."""
    cameras = scene.cameras()[spread(scene.num_views, OVERLAP_VIEWS)]
    grid = torch.cartesian_prod(torch.linspace(0.1, 0.9, 6), torch.linspace(0.1, 0.9, 6))
    near, far = torch.tensor([scene.near, scene.far]).expand(len(cameras.poses), 2).unbind(-1)
    rays = rays_through_pixels(cameras, grid * cameras.sizes[:, None], near, far)
    t = torch.linspace(scene.near, scene.far, 10)
    points = (rays.origins[:, :, None] + t[:, None] * rays.directions[:, :, None]).flatten(1, 2)
    pixels, depths = projected(cameras[:, None], points[None])
    inside = (pixels >= 0).all(dim=-1) & (pixels < cameras.sizes[:, None, None]).all(dim=-1)
    seen = inside & (depths > scene.near) & (depths < scene.far)
    return seen.double().mean(dim=-1).fill_diagonal_(0).max(dim=0).values
