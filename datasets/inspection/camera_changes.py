"""What cameras in a file may have meant: changes of a set of cameras, each with the line that says what was wrong."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import get_args

from datasets.file_names import IMAGE_SUFFIXES, files_below, found_image, image_stem, named, photo_key, visible
from datasets.inspection.camera_set import AXES, CameraSet, Convention, Direction, Pinhole, Unit, times
from pixelnerf.errors import UserError

# The names of Blender's frames leave out this type.
UNNAMED_SUFFIX = ".png"
# Focal lengths "in millimetres" are those of 35 mm film.
FILM = (36.0, 24.0)
# Focal lengths below this are no pixels but fractions of a side; longer ones than 3000 mm have no lens.
LARGEST_FRACTION = 10.0
# Photos are given to others shrunk by these numbers.
SIZE_RATIOS = (2.0, 3.0, 4.0, 8.0)


@dataclass(frozen=True)
class Change:
    """What was wrong, in one line, and how a set of cameras is changed."""

    line: str
    apply: Callable[[CameraSet], CameraSet]


KEPT = Change("", lambda cameras: cameras)


def conventions(own: Convention) -> list[Convention]:
    """Those that poses of a format are mistaken for; its own is the first."""
    every = [Convention(direction, axes) for direction in get_args(Direction) for axes in AXES]
    return [own, *(other for other in every if other != own)]


def convention_line(other: Convention, own: Convention) -> str:
    """What was wrong with poses that had another convention than their format's; nothing if it was its own."""
    if other == own:
        return ""
    if other.direction == own.direction:
        return f"poses had {other.axes}'s axes where the format has {own.axes}'s: they are converted"
    what, done = other.direction, "inverted"
    if other.direction == "mixture":
        what, done = "world-to-camera rotations beside the cameras' positions", own.direction
    axes = (f" in {other.axes}'s axes", f", and converted to {own.axes}'s") if other.axes != own.axes else ("", "")
    return f"poses were {what}{axes[0]}: they are {done}{axes[1]}"


def focal_changes(cameras: CameraSet, photo: tuple[int, int]) -> list[Change]:
    """The units that focal lengths are mistaken for, if photos have a size (width, height); the first is none."""
    changes = [KEPT]
    if pinholes := [pinhole for pinhole in cameras.pinholes() if any(pinhole.focal)]:
        changes += [_in_unit(line, unit) for line, unit in _units(pinholes, photo)]
    return changes + [Change(line, lambda _, changed=changed: changed) for line, changed in cameras.units()]


def _in_unit(line: str, unit: Unit) -> Change:
    return Change(line, lambda cameras: cameras.with_unit(unit))


def _units(pinholes: Sequence[Pinhole], photo: tuple[int, int]) -> Iterator[tuple[str, Unit]]:
    width, height = pinholes[0].size
    if max(focal for pinhole in pinholes for focal in pinhole.focal if focal is not None) < LARGEST_FRACTION:
        for sides in ("width", "width and height"):
            yield f"focal lengths were fractions of the photo's {sides}: they are pixels now", _fractions(sides)
    yield "focal lengths were millimetres of 35 mm film: they are pixels now", _millimetres
    ratios = {*SIZE_RATIOS, *(1 / ratio for ratio in SIZE_RATIOS), photo[0] / width if width > 0 else 1.0} - {1.0}
    for ratio in sorted(ratios):
        sizes = f"{round(ratio * width)}x{round(ratio * height)}, not {round(width)}x{round(height)}"
        yield f"focal lengths and centres were of photos of {sizes}", _of_size(ratio)


def _fractions(sides: str) -> Unit:
    def apply(camera: Pinhole) -> Pinhole:
        width, height = camera.size
        focal = times(camera.focal, (width, height if sides != "width" else width))
        return replace(camera, focal=focal, center=times(camera.center, camera.size, lambda value, _: 0 < value <= 1))

    return apply


def _millimetres(camera: Pinhole) -> Pinhole:
    width, height = camera.size
    scale = max(width, height) / FILM[0], max(width, height) / FILM[0]
    film = FILM if width >= height else FILM[::-1]
    center = times(camera.center, scale, lambda value, axis: abs(value - film[axis] / 2) < film[axis] / 8)
    return replace(camera, focal=times(camera.focal, scale), center=center)


def _of_size(ratio: float) -> Unit:
    def apply(camera: Pinhole) -> Pinhole:
        width, height = camera.size
        return replace(camera, size=(round(ratio * width), round(ratio * height)))

    return apply


def without_missing(cameras: CameraSet) -> Change | None:
    """Leaves out frames whose photo does not exist; None if there are none.

    Raises:
        UserError: photos seem to be elsewhere, so that leaving frames out would lose them.
    """
    gone = [view for view in range(len(cameras)) if not cameras.image(view).is_file()]
    if not gone:
        return None
    first = cameras.name(gone[0])
    if 2 * len(gone) >= len(cameras):
        raise UserError(
            f"{len(gone)} of {len(cameras)} photos are missing, '{first}' first: are they in another folder?"
        )
    for view in gone:
        if not (folder := cameras.image(view).parent).is_dir():
            raise UserError(f"frame {view} names '{cameras.name(view)}', but there is no folder '{folder}'")
    line = f"frames without a file are left out: '{first}'{_more(len(gone))}"
    return Change(line, lambda cameras: cameras.without(gone))


def moved(cameras: CameraSet) -> Change | None:
    """Names pictures by the folders that they are in; None if that is not known or as they are named.

    Raises:
        UserError: they may be in several.
    """
    found: dict[str, str] = {}
    for names in cameras.pictures():
        missing = [name for name in names if not found_image(named(cameras.folder, name)).is_file()]
        if 2 * len(missing) > len(names):
            files = [_keys(path.as_posix()) for path in _images_below(cameras.folder)]
            found |= _with_folder(cameras.folder, missing, files) or _without_folders(missing, files)
    return _renaming("names have the folder of their files", found)


def _with_folder(folder: Path, names: Sequence[str], files: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """New names for pictures of which most are in one folder that names leave out."""
    keys = [_keys(name) for name in names]
    by_last: dict[str, list[tuple[str, ...]]] = {}
    for file in files:
        by_last.setdefault(file[-1], []).append(file)
    places = Counter(file[: -len(key)] for key in keys for file in by_last.get(key[-1], ()) if file[-len(key) :] == key)
    most = ["/".join(place) for place, count in places.items() if 2 * count > len(names)]
    if len(most) > 1:
        where = " or ".join(f"'{folder / place}'" for place in sorted(most))
        raise UserError(f"'{names[0]}' is missing; it may be in {where}: move the others away")
    return {name: "/".join((place, *_parts(name))) for place in most for name in names}


def _without_folders(names: Sequence[str], files: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """New names for pictures of which most are where the last parts of their names say: as many parts as can be."""
    there = set(files)
    parts = {name: _parts(name) for name in names}
    for cut in range(1, max(map(len, parts.values()), default=0)):
        new = {name: "/".join(one[cut:]) for name, one in parts.items() if len(one) > cut}
        found = [name for name, other in new.items() if _keys(other) in there]
        if 2 * len(found) > len(names) and len(set(new.values())) == len(new):
            # What has lost its file is named like the others.
            folders = {parts[name][:cut] for name in found}
            return {name: other for name, other in new.items() if parts[name][:cut] in folders}
    return {}


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts


def _keys(name: str) -> tuple[str, ...]:
    """What names of one picture have in common, whatever its type."""
    *folders, last = _parts(name) or ("",)
    return *folders, photo_key(last)


def _images_below(folder: Path) -> Iterator[PurePosixPath]:
    """All images in a folder and the folders in it, relative to it."""
    for path in files_below(folder):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            yield PurePosixPath(path.relative_to(folder).as_posix())


def renamed(cameras: CameraSet) -> Change | None:
    """Names pictures by the suffix that their files have; None if all are named so.

    Raises:
        UserError: a picture is there in several types.
    """
    pictures = dict.fromkeys(name for names in cameras.pictures() for name in names)
    names = {name: _name_on_disk(cameras, name) for name in pictures}
    return _renaming("names have the suffix of their files", {old: new for old, new in names.items() if new != old})


def _renaming(line: str, names: dict[str, str]) -> Change | None:
    if not names:
        return None
    old, new = next(iter(names.items()))
    return Change(f"{line}: '{old}'{_more(len(names))} is '{new}'", lambda cameras: cameras.with_names(names))


def _more(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""


def _name_on_disk(cameras: CameraSet, name: str) -> str:
    """A name with the suffix of the one file that it can mean; as it is if the reader needs no other."""
    path = named(cameras.folder, name)
    stem = image_stem(path.name)
    found = found_image(path)
    if path.is_file() or not found.is_file() or (stem == path.name and found.suffix == UNNAMED_SUFFIX):
        return name
    same = [other.name for other in _beside(found) if photo_key(other.name) == photo_key(path.name)]
    if len(same) > 1:
        raise UserError(f"'{cameras.path}' names '{name}', which may be {' or '.join(map(repr, same))}: remove one")
    return name[: len(name) - len(path.name)] + found.name


def _beside(path: Path) -> Sequence[Path]:
    return [other for other in visible(path.parent) if other.suffix.lower() in IMAGE_SUFFIXES]
