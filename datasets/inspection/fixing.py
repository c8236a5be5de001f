"""Corrected copies of transforms.json and its kin, where it is sure what their writer meant.

Every way to read a file (the units of its focal lengths, the conventions of its poses) is judged by what the photos
show: matches between them, or the hull of their masks. A reading is taken only if it fits, and if nothing else does.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datasets.image_cache import ImageCache
from datasets.image_files import read_size
from datasets.inspection.camera_changes import (
    KEPT,
    LISTS,
    Change,
    Content,
    focal_changes,
    pose_changes,
    renamed,
    without_missing,
)
from datasets.inspection.diagnosis import (
    BETTER_FOCAL,
    CLEARLY_BETTER,
    GOOD_COVERAGE,
    GOOD_PIXELS,
    PLAUSIBLE_VIEW,
    wrong_cameras,
)
from datasets.inspection.evidence import Evidence, gather
from datasets.inspection.measures import Row, agreement_rows, camera_rows
from datasets.messages import collected_notes
from datasets.readers.blender import BlenderConfig, BlenderDataset
from datasets.readers.camera_files import check_intrinsics, make_cameras, read_json
from datasets.readers.captures import kept_world
from datasets.readers.file_scene import FileScene, PhotoFiles
from datasets.readers.folder_dataset import scene_folders
from datasets.readers.frames import FIX_KEY, Frames
from datasets.readers.lens import Lens
from datasets.readers.transforms import TransformsConfig, TransformsDataset
from datasets.registry import DatasetConfig
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SPLITS, Scene
from pixelnerf.tools.files import plain_digest, refusal_in_a_line, write_atomically
from pixelnerf.tools.spacing import spread

FixableConfig = TransformsConfig | BlenderConfig

# Principal points farther from a photo's middle than this share of its sides belong to a photo of another size.
OFF_MIDDLE = 0.2
# Of a rival, scores below these say no more than that it fits: pixels off epipolar lines, uncovered share of masks.
FLOOR_PIXELS, FLOOR_UNCOVERED = 0.1, 0.02
# Focal lengths that differ by less than this factor are the same.
SAME_FOCAL = 0.01


@dataclass(frozen=True)
class Fix:
    """One file: what was wrong in it, the measures of `inspect` before and after, and its corrected copy if one is due.

    `doubt` says why nothing is written though something may be wrong, `unjudged` why poses were not judged, and `notes`
    what the reader does not use.
    """

    path: Path
    before: list[Row]
    after: list[Row]
    changes: tuple[str, ...] = ()
    copy: Path | None = None
    doubt: str = ""
    unjudged: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """What a file holds if its focal lengths and its poses were meant in some way, and what photos say about that."""

    focal: Change
    pose: Change
    content: Content
    evidence: Evidence

    @property
    def is_given(self) -> bool:
        return self.focal is KEPT and self.pose is KEPT

    @property
    def lines(self) -> list[str]:
        return [change.line for change in (self.focal, self.pose) if change.line]

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


def fix_all(config: DatasetConfig, scenes: int, pairs: int) -> Iterator[Fix]:
    """Corrects the camera files of some scenes, evenly spread, and writes copies beside them.

    Raises:
        UserError: the dataset has no such files, or a copy cannot be written.
    """
    if not isinstance(config, FixableConfig):
        raise UserError(
            "--fix corrects transforms.json (dataset=transforms) and transforms_<split>.json (dataset=blender), "
            f"which dataset={config.name} has not"
        )
    files = _camera_files(config)
    return (_fixed(file, config, pairs) for index in spread(len(files), scenes) for file in files[index])


def _camera_files(config: FixableConfig) -> list[list[Path]]:
    """Those of each scene."""
    if not config.root.is_dir():
        raise UserError(f"no data folder '{config.root}': set dataset.root=PATH; {config.how_to_get}")
    if isinstance(config, TransformsConfig):
        folders = scene_folders(config.root, TransformsDataset.marker)
        return [[config.root / folder / TransformsDataset.marker] for folder in folders]
    names = [BlenderDataset.marker.format(split=split) for split in SPLITS]
    first = next((name for name in names if any(config.root.glob(f"**/{name}"))), names[0])
    folders = [config.root / folder for folder in scene_folders(config.root, first)]
    return [[folder / name for name in names if (folder / name).exists()] for folder in folders]


def _fixed(path: Path, config: FixableConfig, pairs: int) -> Fix:
    with collected_notes() as notes:
        fix = _judged(path, config, pairs)
    return replace(fix, notes=tuple(notes))


def _judged(path: Path, config: FixableConfig, pairs: int) -> Fix:
    before: list[Row] = []
    try:
        given = Frames.read(path, {"ply_file_path", *LISTS})
        content, lines = dict(given.content), []
        for find in (renamed, without_missing):
            if change := find(_frames(path, content)):
                content = change.apply(content)
                lines.append(change.line)
        readings, refusal = _readings(path, content, config, pairs)
        before = _rows_of_given(given, readings, refusal)
        chosen = _chosen(readings, refusal)
        if warnings := wrong_cameras(chosen.evidence):
            raise UserError(warnings[0])
    except UserError as error:
        return Fix(path, before, [], doubt=str(error))
    unjudged = "" if _is_judged(chosen.evidence) else "too few matches, and no masks"
    lines += chosen.lines
    if not lines:
        return Fix(path, before, before, unjudged=unjudged)
    copy = _write(path, chosen.content, lines)
    return Fix(path, before, _rows(chosen), tuple(lines), copy, unjudged=unjudged)


def _frames(path: Path, content: Content) -> Frames:
    return Frames(path, content, content["frames"])


def _readings(
    path: Path, content: Content, config: FixableConfig, pairs: int
) -> tuple[list[_Reading], UserError | None]:
    """Every way to read a file, the file's own first, or why that cannot be read."""
    frames = _frames(path, content)
    photos = [read_size(frames.image(view)) for view in range(len(frames))]
    first: Evidence | None = None
    refusal = None
    found: list[_Reading] = []
    for focal in focal_changes(content, photos[0]):
        changed = focal.apply(content)
        frames = _frames(path, changed)
        try:
            lenses = [
                frames.lens(view, frames.image(view), photos[view], config.pixel_center) for view in range(len(frames))
            ]
            for view, lens in enumerate(lenses):
                check_intrinsics(lens.straight, f"frame {view} in '{path}'")
        except UserError as error:
            refusal = error if focal is KEPT else refusal
            continue
        scene = _scene(frames, lenses, config)
        if first is None or any(lens.distortion is not None for lens in lenses):
            # Other focal lengths straighten photos in another way.
            evidence = first = gather(scene, pairs)
        else:
            evidence = Evidence(scene, first.matches, None, first.masks)
        if any(_same_focal(evidence, other.evidence) for other in found):
            continue
        for pose in pose_changes():
            both = pose.apply(changed)
            moved = Evidence(_scene(_frames(path, both), lenses, config), evidence.matches, None, evidence.masks)
            found.append(_Reading(focal, pose, both, moved))
    return found, refusal


def _scene(frames: Frames, lenses: Sequence[Lens], config: FixableConfig) -> Scene:
    """All views of a file, without bounds, whatever the dataset's options leave out."""
    poses = np.stack([frames.pose(view) for view in range(len(frames))])
    cameras = make_cameras(
        kept_world(poses, frames.path).poses(poses),
        np.stack([lens.straight for lens in lenses]),
        np.array([lens.size for lens in lenses]),
        frames.path,
        config.pixel_center,
    )
    files = [PhotoFiles(lens.photo, frames.mask(view), lens) for view, lens in enumerate(lenses)]
    return FileScene(str(frames.path), files, cameras, (0.0, 1.0), config.background, ImageCache(config.cache_gib))


def _same_focal(first: Evidence, second: Evidence) -> bool:
    return torch.allclose(first.cameras.intrinsics, second.cameras.intrinsics, rtol=SAME_FOCAL, atol=SAME_FOCAL)


def _is_judged(evidence: Evidence) -> bool:
    return evidence.has_matches or bool(evidence.masks)


def _chosen(readings: Sequence[_Reading], refusal: UserError | None) -> _Reading:
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
    if not _is_judged(evidence):
        return plausible[0]
    good, floor = (GOOD_PIXELS, FLOOR_PIXELS) if evidence.has_matches else (1 - GOOD_COVERAGE, FLOOR_UNCOVERED)
    best = min(plausible, key=lambda reading: reading.score)
    what = f"it may be that {'; '.join(best.lines)}" if best.lines else "the cameras are the best as they are"
    given = plausible[0]
    if given.is_given:
        clearly = best.score < given.score / CLEARLY_BETTER
        if given.score <= good and not clearly:
            return given
        if best is not given and not clearly:
            raise UserError(f"{what}, but that fits hardly better ({best.fit}, {given.fit} as it is)")
    if best.score > good:
        raise UserError(f"photos disagree with the cameras, in whatever convention ({best.fit} at best)")
    limit = BETTER_FOCAL * max(best.score, floor)
    for rival in plausible:
        if rival is not best and rival.score < limit:
            other = "; ".join(rival.lines) or "it is right"
            raise UserError(f"{what}, or that {other}: both fit ({best.fit}, {rival.fit})")
    return best


def _of_one_focal(plausible: list[_Reading]) -> list[_Reading]:
    """Readings by the file's own focal length or, if that is impossible, by the one unit that makes it possible.

    Masks, and photos without matches, hardly tell focal lengths apart.
    """
    focals = dict.fromkeys(reading.focal.line for reading in plausible)
    if KEPT.line not in focals and len(focals) > 1:
        raise UserError(f"too few matches tell whether {' or '.join(focals)}")
    chosen = KEPT.line if KEPT.line in focals else next(iter(focals))
    return [reading for reading in plausible if reading.focal.line == chosen]


def _rows(reading: _Reading) -> list[Row]:
    return [
        ("views", str(reading.evidence.scene.num_views)),
        *camera_rows(reading.evidence),
        *agreement_rows(reading.evidence),
    ]


def _rows_of_given(given: Frames, readings: Sequence[_Reading], refusal: UserError | None) -> list[Row]:
    """The measures of the file as it is, or why it cannot be read."""
    try:
        for view in range(len(given)):
            read_size(given.image(view))
    except UserError as error:
        refusal = error
    if refusal is not None:
        return [("cannot be read", str(refusal))]
    return _rows(readings[0])


def _write(path: Path, content: Content, lines: Sequence[str]) -> Path:
    """Writes the corrected copy beside a file, unless it is there already."""
    copy = path.with_name(f"{path.stem}.fixed{path.suffix}")
    plain = {key: value for key, value in content.items() if key != FIX_KEY}
    earlier = content[FIX_KEY]["changes"] if _is_note(content.get(FIX_KEY)) else []
    note = {"changes": [*earlier, *lines], "digest": plain_digest(plain)}
    data = json.dumps({FIX_KEY: note, **plain}, indent=1).encode()
    with refusal_in_a_line(f"'{copy}'"):
        if not copy.exists():
            write_atomically(copy, data)
        elif copy.read_bytes() != data:
            if not _is_ours(copy):
                raise UserError(f"'{copy}' exists, and --fix did not write it as it is: move it away")
            write_atomically(copy, data)
    return copy


def _is_note(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("changes"), list) and isinstance(value.get("digest"), str)


def _is_ours(path: Path) -> bool:
    """Whether a file is as `_write` left it."""
    try:
        content = read_json(path)
    except UserError:
        return False
    if not isinstance(content, dict) or not _is_note(note := content.pop(FIX_KEY, None)):
        return False
    return note["digest"] == plain_digest(content)
