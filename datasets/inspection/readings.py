"""Every way to read a file of cameras, what photos say about each, and the one that is sure.

A reading is taken only if it fits the photos (matches between them, or the hull of their masks), and if no other does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from datasets.image_cache import ImageCache
from datasets.image_files import read_size
from datasets.inspection.camera_changes import KEPT, Change, convention_line, conventions, focal_changes
from datasets.inspection.camera_set import CameraSet, Convention, Matrices
from datasets.inspection.diagnosis import BETTER_FOCAL, CLEARLY_BETTER, GOOD_COVERAGE, PLAUSIBLE_VIEW, fits_matches
from datasets.inspection.evidence import Evidence, gather
from datasets.readers.camera_files import check_intrinsics, make_cameras
from datasets.readers.captures import kept_world
from datasets.readers.file_scene import FileScene, PhotoFiles
from datasets.readers.folder_dataset import FolderConfig
from datasets.readers.lens import Lens
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene

# Principal points farther from a photo's middle than this share of its sides belong to a photo of another size.
OFF_MIDDLE = 0.2
# Of a rival, scores below these say no more than that it fits: pixels off epipolar lines, uncovered share of masks.
FLOOR_PIXELS, FLOOR_UNCOVERED = 0.1, 0.02
# Focal lengths that differ by less than this factor are the same.
SAME_FOCAL = 0.01


@dataclass(frozen=True)
class Reading:
    """What a file holds if its focal lengths and its poses were meant in some way, and what photos say about that."""

    focal: Change
    convention: Convention
    read: CameraSet
    """With focal lengths so meant, and poses as they are."""
    evidence: Evidence

    @property
    def is_given(self) -> bool:
        """Whether the file says so itself."""
        return self.focal is KEPT and self.convention == self.read.convention

    @property
    def lines(self) -> list[str]:
        """What was wrong."""
        return [line for line in (self.focal.line, convention_line(self.convention, self.read.convention)) if line]

    @property
    def cameras(self) -> CameraSet:
        """What the file ought to hold."""
        own, matrices = self.read.convention, self.read.matrices()
        if self.convention == own:
            return self.read
        return self.read.with_matrices(own.encoded(self.convention.decoded(matrices)))

    @cached_property
    def score(self) -> float:
        """How badly cameras fit: pixels off epipolar lines, or the share of the masks outside the hull."""
        if self.evidence.has_matches:
            return self.evidence.epipolar_median(self.evidence.cameras)
        return 1 - (self.evidence.hull.coverage if self.evidence.hull is not None else 0.0)

    @property
    def fit(self) -> str:
        """The score in words."""
        if self.evidence.has_matches:
            return f"{self.score:.2f} px off epipolar lines"
        return f"{1 - self.score:.0%} of the masks covered"

    @property
    def is_plausible(self) -> bool:
        """Whether lenses like these exist."""
        matrices, sizes = self.evidence.cameras.intrinsics, self.evidence.cameras.sizes
        views = torch.rad2deg(2 * torch.arctan(sizes[:, 0] / 2 / matrices[:, 0, 0]))
        middle = (matrices[:, :2, 2] / sizes - 0.5).abs().max()
        lowest, highest = PLAUSIBLE_VIEW
        return bool(views.min() >= lowest and views.max() <= highest and middle < OFF_MIDDLE)


def all_readings(cameras: CameraSet, config: FolderConfig, pairs: int) -> tuple[list[Reading], UserError | None]:
    """Every way to read some cameras that is possible, the file's own first, or why that cannot be read."""
    photos = [read_size(cameras.image(view)) for view in range(len(cameras))]
    own, matrices = cameras.convention, cameras.matrices()
    first: Evidence | None = None
    refusal = None
    found: list[Reading] = []
    for focal in focal_changes(cameras, photos[0]):
        try:
            changed = focal.apply(cameras)
            lenses = [changed.lens(view, size) for view, size in enumerate(photos)]
            for view, lens in enumerate(lenses):
                check_intrinsics(lens.straight, f"frame {view} in '{cameras.path}'")
        except UserError as error:
            refusal = error if focal is KEPT else refusal
            continue
        scene = _scene(changed, own.decoded(matrices), lenses, config)
        if first is None or any(lens.distortion is not None for lens in lenses):
            # Other focal lengths straighten photos in another way.
            evidence = first = gather(scene, pairs)
        else:
            evidence = Evidence(scene, first.matches, None, first.masks)
        if any(_same_focal(evidence, other.evidence) for other in found):
            continue
        kept = Reading(focal, own, changed, evidence)
        if not kept.is_plausible and focal is not KEPT:
            continue
        found.append(kept)
        for convention in conventions(own)[1:] if kept.is_plausible else ():
            scene = _scene(changed, convention.decoded(matrices), lenses, config)
            found.append(Reading(focal, convention, changed, Evidence(scene, first.matches, None, first.masks)))
    return found, refusal


def _scene(cameras: CameraSet, poses: Matrices, lenses: Sequence[Lens], config: FolderConfig) -> Scene:
    """All views, without bounds, by camera-to-world poses in OpenCV's axes."""
    placed = make_cameras(
        kept_world(poses, cameras.path).poses(poses),
        np.stack([lens.straight for lens in lenses]),
        np.array([lens.size for lens in lenses]),
        cameras.path,
        config.pixel_center,
    )
    files = [PhotoFiles(lens.photo, cameras.mask(view), lens) for view, lens in enumerate(lenses)]
    return FileScene(
        str(cameras.path),
        files,
        placed,
        (0.0, 1.0),
        config.background,
        ImageCache(config.cache_gib),
        mask_from_background=cameras.mask_from_background,
    )


def _same_focal(first: Evidence, second: Evidence) -> bool:
    return torch.allclose(first.cameras.intrinsics, second.cameras.intrinsics, rtol=SAME_FOCAL, atol=SAME_FOCAL)


def is_judged(evidence: Evidence) -> bool:
    """Whether photos say anything about poses."""
    return evidence.has_matches or bool(evidence.masks)


def sure_reading(readings: Sequence[Reading], refusal: UserError | None) -> Reading:
    """The reading that is sure.

    Raises:
        UserError: none is; says why.
    """
    plausible = [reading for reading in readings if reading.is_plausible]
    if not plausible:
        focal = float(readings[0].evidence.cameras.intrinsics[0, 0, 0]) if readings else 0.0
        raise refusal or UserError(f"no unit explains the focal length ({focal:.4g} pixels as it is read)")
    evidence = plausible[0].evidence
    if not evidence.has_matches:
        plausible = _of_one_focal(plausible)
    if not is_judged(evidence):
        return plausible[0]
    best = min(plausible, key=lambda reading: reading.score)
    floor = FLOOR_PIXELS if evidence.has_matches else FLOOR_UNCOVERED
    what = f"it may be that {'; '.join(best.lines)}" if best.lines else "the cameras are the best as they are"
    given = plausible[0]
    if given.is_given:
        clearly = best.score < given.score / CLEARLY_BETTER
        if _is_good(given) and not clearly:
            return given
        if best is not given and not clearly:
            raise UserError(f"{what}, but that fits hardly better ({best.fit}, {given.fit} as it is)")
    if not _is_good(best):
        raise UserError(f"photos disagree with the cameras, in whatever convention ({best.fit} at best)")
    limit = BETTER_FOCAL * max(best.score, floor)
    for rival in plausible:
        if rival is not best and rival.score < limit:
            other = "; ".join(rival.lines) or "it is right"
            raise UserError(f"{what}, or that {other}: both fit ({best.fit}, {rival.fit})")
    return best


def _is_good(reading: Reading) -> bool:
    """Whether cameras fit the photos well enough to be right."""
    return fits_matches(reading.evidence) if reading.evidence.has_matches else reading.score <= 1 - GOOD_COVERAGE


def _of_one_focal(plausible: list[Reading]) -> list[Reading]:
    """Readings by the file's own focal length or, if that is impossible, by the one unit that makes it possible.

    Masks, and photos without matches, hardly tell focal lengths apart.
    """
    focals = dict.fromkeys(reading.focal.line for reading in plausible)
    if KEPT.line not in focals and len(focals) > 1:
        raise UserError(f"too few matches tell whether {' or '.join(focals)}")
    chosen = KEPT.line if KEPT.line in focals else next(iter(focals))
    return [reading for reading in plausible if reading.focal.line == chosen]
