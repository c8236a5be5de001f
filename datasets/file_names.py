"""Names of files: which of them are data, which belong together, and where one is that another file names."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from datasets.messages import note
from pixelnerf.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
# What archives and file servers leave behind; hidden files (macOS's `._x`, `.DS_Store`) begin with a dot.
LEFTOVERS = ("__MACOSX", "@eaDir")


def is_data(name: str) -> bool:
    """Whether a file or folder of that name may be data, and is not hidden or left behind by another program."""
    return not name.startswith(".") and name not in LEFTOVERS


def visible(folder: Path) -> list[Path]:
    """What is in a folder, by name, but for what is no data."""
    return sorted(path for path in folder.iterdir() if is_data(path.name))


def files_below(folder: Path, _above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Files at any depth below a folder, by name, through links too, but for what is no data; none without a folder."""
    real = folder.resolve()
    if real in _above or not folder.is_dir():  # a link to a folder that it is in
        return
    for path in visible(folder):
        if path.is_dir():
            yield from files_below(path, (*_above, real))
        else:
            yield path


def numbered(name: str) -> list[int | str]:
    """A key that sorts names by the numbers in them.

    >>> sorted(["10.png", "2.png"], key=numbered)
    ['2.png', '10.png']
    """
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def image_stem(name: str) -> str:
    """A photo's file name without the suffix of its type; other dots belong to the name.

    >>> image_stem("frame.0003"), image_stem("frame.0003.JPG")
    ('frame.0003', 'frame.0003')
    """
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in IMAGE_SUFFIXES else name


def photo_key(name: str) -> str:
    """What photos have in common that are the same in another folder, of another type, or in another spelling."""
    return image_stem(unicodedata.normalize("NFC", name)).casefold()


def number_of(path: Path) -> int | None:
    """The last number in a file's name."""
    found = re.findall(r"\d+", image_stem(path.name))
    return int(found[-1]) if found else None


def paired(photos: Sequence[Path], others: Sequence[Path], kind: str) -> list[Path]:
    """For each photo the file of another kind with its number or, where numbers are not unique, with its name.

    Raises:
        UserError: a photo or another file is alone.
    """
    key = pair_key(photos, others)
    by_photo, by_other = ({key(path): path for path in paths} for paths in (photos, others))
    alone = [by_photo[one] for one in by_photo.keys() - by_other] + [
        by_other[one] for one in by_other.keys() - by_photo
    ]
    if alone:
        first = min(alone, key=lambda path: numbered(path.name))
        raise UserError(
            f"'{photos[0].parent.parent}' has {len(photos)} images but {len(others)} {kind}, which belong together by "
            f"number; alone is '{first.parent.name}/{first.name}': restore or remove it"
        )
    return [by_other[key(path)] for path in photos]


def pair_key(photos: Sequence[Path], others: Sequence[Path]) -> Callable[[Path], int | str | None]:
    """What a photo and its file of another kind share: the number or, where numbers are not unique, the name."""
    if any(len({number_of(path) for path in paths} - {None}) < len(paths) for paths in (photos, others)):
        return lambda path: path.stem.casefold()
    return number_of


def named(folder: Path, name: str) -> Path:
    """The path that a file in a folder names, with slashes or (as Windows writes it) backslashes."""
    if "\\" in name and not os.path.exists(folder / name):  # noqa: PTH110 - Path's raises if a name is too long
        name = name.replace("\\", "/")
    path = folder / name
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)):
        note("lies outside of the folder of the file that names it", path)
    return path


def view_key(name: str) -> PurePosixPath:
    """What names of one photo in a file have in common: slashes or backslashes, with or without "./" in front."""
    return PurePosixPath(name.replace("\\", "/"))


def found_image(path: Path) -> Path:
    """The image at a path, or the one beside it with the same name in another case, of another type or without one."""
    if os.path.isfile(path) or not os.path.isdir(path.parent):  # noqa: PTH112, PTH113 - likewise
        return path
    wanted, suffix = photo_key(path.name), path.suffix.lower()
    same = [
        other
        for other in visible(path.parent)
        if other.suffix.lower() in IMAGE_SUFFIXES and photo_key(other.name) == wanted
    ]
    # The type that is named, else the one without losses.
    return min(same, key=lambda other: (other.suffix.lower() != suffix, other.suffix.lower() != ".png"), default=path)


def listed_images(folder: Path, way_out: str = "") -> list[Path]:
    """The photos in a folder, by name; there is at least one, and none is there twice."""
    if not folder.is_dir():
        raise UserError(f"no image folder '{folder}'{way_out}")
    images = [path for path in visible(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise UserError(f"no PNG or JPEG images in '{folder}'{way_out}")
    by_stem: dict[str, Path] = {}
    for path in images:
        if (first := by_stem.setdefault(path.stem, path)) is not path:
            raise UserError(f"'{folder}' has two copies of a photo, '{first.name}' and '{path.name}': remove one type")
    return images


def folder_with(root: Path, marker: str, depth: int = 3) -> str:
    """What to set dataset.root to if what was looked for lies some levels below: the folder, or that of several."""
    level = [root]
    for _ in range(depth):
        level = [folder for parent in level for folder in visible(parent) if folder.is_dir()]
        if holding := [folder for folder in level if (folder / marker).exists()]:
            several = len(holding) > 1 and holding[0].parent != root
            return f"set dataset.root={holding[0].parent if several else holding[0]}"
    return "set dataset.root=PATH"
