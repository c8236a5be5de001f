"""Poses of photos without cameras: `pose_photos` writes a COLMAP model beside them, which `dataset=colmap` reads."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from pixelnerf.app.frames import VIDEO_SUFFIXES, sample_frames
from pixelnerf.app.photo_files import check_pixels
from pixelnerf.app.structure_from_motion import (
    Progress,
    jumps,
    load_pycolmap,
    pairs_of_all,
    pairs_of_neighbours,
    reconstruct,
)
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading
from pixelnerf.tools.files import file_digest, folder_written_whole, refusal_in_a_line, remove_partial

if TYPE_CHECKING:
    import pycolmap

Matching = Literal["auto", "exhaustive", "sequential"]

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

MODEL = Path("sparse/0")
"""The model's folder in a capture's."""
_REPLACED = ".replaced"
_IMAGES = "images"
_MOST_EXHAUSTIVE = 100
"""Photos up to which every pair is matched; 4,950 pairs."""
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")
_CLOSER = "each photo should show at least two thirds of what the one before shows; or give a video"


@dataclass(frozen=True)
class PosedPhotos:
    """A capture with a COLMAP model.

    Attributes:
        root: the capture's folder, `dataset.root` of `dataset=colmap`.
        images: the photos' folder in it, `dataset.images`; "." if they lie in the root.
        model: the model's folder, `root / "sparse/0"`.
        placed: the photos that have a pose, by name.
        left_out: those that have none.
        error: the mean reprojection error of the model's points, in pixels of the photos.
        num_points: how many points the model has.
        notes: what the user should know, a short sentence each.
    """

    root: Path
    images: str
    model: Path
    placed: tuple[str, ...]
    left_out: tuple[str, ...]
    error: float
    num_points: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Capture:
    root: Path
    images: str
    photos: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def pose_photos(
    source: Path | Sequence[Path],
    matching: Matching = "auto",
    frames: int = 60,
    overwrite: bool = False,
    progress: Progress = lambda step, done, total: None,
) -> PosedPhotos:
    """Recovers the cameras of overlapping photos of one place, and writes them to `sparse/0` in the photos' folder.

    The model is written whole or not at all, and the same photos give the same model. Photos are only read.

    Args:
        source: a folder that holds photos, or a folder `images` with photos; or photos of one folder; or a video,
            whose sharp frames are written to `<video without its suffix>/images` first.
        matching: "exhaustive" matches every pair of photos; "sequential" each with the ten that follow it by name;
            "auto" is exhaustive up to 100 photos, unless that lays sides that look alike over each other.
        frames: how many frames of a video are used.
        overwrite: replace a model that is already there.
        progress: called with a step ("frames", "reading", "features", "matches", "cameras"), how much is done, and of
            how much.

    Raises:
        UserError: no photos, fewer than two, one twice, one that cannot be read, a model that is already there, a
            folder that cannot be written, photos of which no two can be placed, no pycolmap.
    """
    load_pycolmap()
    paths = [Path(source)] if isinstance(source, str | Path) else [Path(path) for path in source]
    capture = _find_capture(paths, frames, overwrite, progress)
    names = [photo.name for photo in capture.photos]
    _check_photos(capture)
    target = capture.root / MODEL
    _check_target(target, overwrite)
    model, notes = _best_model(capture.photos, matching, progress)
    if model is None:
        raise UserError(f"no two of the {len(names)} photos in '{_folder(capture)}' can be placed: {_CLOSER}")
    _write(model, target)
    placed = sorted(image.name for image in model.images.values() if image.has_pose)
    left_out = sorted(set(names) - set(placed))
    error = float(model.compute_mean_reprojection_error())
    notes = [*capture.notes, *notes]
    if left_out:
        notes.append(f"{len(left_out)} of {len(names)} photos could not be placed ({_listed(left_out)}): {_CLOSER}")
    return PosedPhotos(
        capture.root, capture.images, target, tuple(placed), tuple(left_out), error, model.num_points3D(), tuple(notes)
    )


def _best_model(
    photos: Sequence[Path], matching: Matching, progress: Progress
) -> tuple["pycolmap.Reconstruction | None", list[str]]:
    """The model by a way of matching, and what to say about it."""
    in_order = matching == "sequential" or (matching == "auto" and len(photos) > _MOST_EXHAUSTIVE)
    model = _model_of(photos, in_order, progress)
    if model is None or not (found := jumps(model, photos)):
        return model, []
    first, second, angle = found[0]
    note = f"'{first}' and '{second}' follow each other but were placed {angle:.0f} degrees apart"
    if matching == "auto" and not in_order:
        again = _model_of(photos, True, progress)
        if again is not None and again.num_reg_images() >= model.num_reg_images() and not jumps(again, photos):
            return again, [
                f"{note}, as sides that look alike mislead matching: each photo was matched with the next ten"
            ]
    way_out = "leave one side out" if in_order else "match sequentially"
    return model, [f"{note}: if these photos were taken one after the other, the poses are wrong; {way_out}"]


def _model_of(photos: Sequence[Path], in_order: bool, progress: Progress) -> "pycolmap.Reconstruction | None":
    pairs = (pairs_of_neighbours if in_order else pairs_of_all)(len(photos))
    with tempfile.TemporaryDirectory(prefix="pixelnerf-pose-") as scratch:
        return reconstruct(photos, pairs, Path(scratch), progress)


def _find_capture(paths: Sequence[Path], frames: int, overwrite: bool, progress: Progress) -> _Capture:
    if len(paths) == 1 and paths[0].is_dir():
        for images in (_IMAGES, "."):
            if photos := _photos_in(paths[0] / images):
                return _Capture(paths[0], images, photos)
        raise UserError(f"no photos in '{paths[0]}': it needs {', '.join(PHOTO_SUFFIXES)} files")
    if len(paths) == 1 and paths[0].suffix.lower() in VIDEO_SUFFIXES:
        root = paths[0].with_suffix("")
        if (root / _IMAGES).exists():
            raise UserError(f"'{root / _IMAGES}' is never overwritten: pose the frames in '{root}', or move it away")
        _check_target(root / MODEL, overwrite)
        taken = sample_frames(paths[0], root / _IMAGES, frames, lambda done, total: progress("frames", done, total))
        return _Capture(root, _IMAGES, taken.paths, taken.notes)
    folders = sorted({path.parent for path in paths})
    if len(folders) > 1:
        raise UserError(f"the photos lie in {len(folders)} folders ('{folders[0]}', '{folders[1]}'): put them in one")
    for path in paths:
        if path.suffix.lower() not in PHOTO_SUFFIXES:
            raise UserError(f"'{path}' is no photo: give {', '.join(PHOTO_SUFFIXES)} files, their folder, or a video")
    if not paths:
        raise UserError("no photos to pose: give photos, their folder, or a video")
    return _Capture(folders[0], ".", tuple(sorted(paths, key=_by_number)))


def _photos_in(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    files = sorted((path for path in folder.iterdir() if path.is_file() and path.name[0] != "."), key=_by_number)
    if phone := [path for path in files if path.suffix.lower() in (".heic", ".heif")]:
        raise UserError(f"'{phone[0]}' is HEIC, which is not read: export the photos as JPEG")
    return tuple(path for path in files if path.suffix.lower() in PHOTO_SUFFIXES)


def _check_photos(capture: _Capture) -> None:
    if len(capture.photos) < 2:
        raise UserError(f"'{_folder(capture)}' gives 1 photo, and poses need two or more: {_CLOSER}")
    first_of: dict[str, Path] = {}
    for photo in capture.photos:
        with reading("image", photo), Image.open(photo) as image:
            check_pixels(image.size, f"image '{photo}'")
            image.load()
            mode = image.mode
        if mode in _DEEP_MODES:
            raise UserError(f"image '{photo}' has more than 8 bits a channel (mode {mode}): convert it to 8 bits")
        earlier = first_of.setdefault(file_digest(photo), photo)
        if earlier is not photo:
            raise UserError(f"'{earlier}' and '{photo}' are the same photo: remove one of them")


def _check_target(target: Path, overwrite: bool) -> None:
    """Before minutes of work. What a killed run left goes, and the model that it was about to replace comes back."""
    old = target.with_name(f"{target.name}{_REPLACED}")
    with refusal_in_a_line(f"'{target}'"):
        remove_partial(target.parent)
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    if target.exists() and not overwrite:
        raise UserError(f"'{target}' already holds a model: use it, or replace it with overwrite")
    nearest = next(folder for folder in target.parents if folder.exists())
    with refusal_in_a_line(f"'{target}'", "; copy the photos to a folder of your own"):
        tempfile.TemporaryFile(dir=nearest).close()


def _write(model: "pycolmap.Reconstruction", target: Path) -> None:
    made_parent = not target.parent.exists()
    old = target.with_name(f"{target.name}{_REPLACED}")
    try:
        with refusal_in_a_line(f"'{target}'"), folder_written_whole(target) as partial:
            model.write_binary(str(partial))
            if target.exists():
                # A folder cannot replace one that holds files; the old model is deleted when the new one is there.
                target.rename(old)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        if made_parent:
            with suppress(OSError):
                target.parent.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def _folder(capture: _Capture) -> Path:
    return capture.root / capture.images


def _by_number(path: Path) -> list[tuple[int, str]]:
    """A photo's order in its capture: IMG_9 comes before IMG_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", path.name)]


def _listed(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
