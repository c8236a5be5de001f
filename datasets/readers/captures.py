"""What captures of single places have in common: optional bounds, held-out views, one folder or a folder of them."""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from datasets.folder import FolderConfig
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Split


class CaptureConfig(FolderConfig):
    """Options of captures. The root is one capture's folder, or a folder of such folders.

    Attributes:
        near: where rays begin, in units of t; None to take it from the capture.
        far: where they end; None likewise.
        scale_world: scale the world so that the nearest bound lies at 4/3, and move it to the cameras; else it is the
            file's. A model with position codes in the world needs a scale that it is made for.
        downscale: photos are shrunk by this whole number when they are read.
        leave_out: photos that are not used, by their numbers in the capture's order, from 0: single ones or ranges with
            both ends included, for instance [3, "14-34"]. What goes by number or order (`test_every`, an input view)
            counts the others.
        test_every: every so many views, the first included, one is held out for validation and test alike; with 0 all
            views belong to all splits, and the protocol says which are given and which are asked for.
    """

    near: float | None = Field(gt=0)
    far: float | None = Field(gt=0)
    scale_world: bool
    downscale: int = Field(ge=1)
    leave_out: tuple[int | str, ...]
    test_every: int = Field(ge=0)

    @model_validator(mode="after")
    def _near_is_before_far(self) -> "CaptureConfig":
        if self.near is not None and self.far is not None and self.near >= self.far:
            raise ValueError(f"near = {self.near} is not before far = {self.far}")
        return self

    @field_validator("leave_out")
    @classmethod
    def _are_ranges(cls, given: tuple[int | str, ...]) -> tuple[int | str, ...]:
        for item in given:
            first, last = _ends(item)
            if last < first:
                raise ValueError(f"'{item}' ends before it begins")
        return given


def used_views(count: int, config: CaptureConfig, path: Path) -> list[int]:
    """The photos of a capture that are not left out, by their numbers in the capture's order.

    Raises:
        UserError: one that the capture does not have is to be left out, or all are.
    """
    left_out: set[int] = set()
    for item in config.leave_out:
        first, last = _ends(item)
        if last >= count:
            raise UserError(f"dataset.leave_out has '{item}', but '{path}' has the photos 0 to {count - 1}")
        left_out.update(range(first, last + 1))
    if len(left_out) == count:
        raise UserError(f"dataset.leave_out leaves no photo of '{path}'")
    return [view for view in range(count) if view not in left_out]


def split_views(used: Sequence[int], split: Split, test_every: int) -> list[int]:
    """Those of the used views that belong to a split; see `CaptureConfig.test_every`."""
    if test_every == 0:
        return list(used)
    return [view for position, view in enumerate(used) if (position % test_every == 0) == (split != "train")]


def _ends(item: int | str) -> tuple[int, int]:
    """First and last of a number or a range."""
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", str(item).strip())
    if found is None:
        raise ValueError(f"'{item}' is neither a photo's number nor a range such as 14-34")
    return int(found[1]), int(found[2] or found[1])


def scene_folders(root: Path, marker: str) -> list[str]:
    """Names, relative to the root, of the folders that hold a file or folder `marker`: the root itself, or some in it.

    Raises:
        UserError: there are none.
    """
    if (root / marker).exists():
        return ["."]
    names = sorted(folder.name for folder in root.iterdir() if (folder / marker).exists())
    if not names:
        raise UserError(f"neither '{root}' nor a folder in it holds '{marker}': set dataset.root=PATH")
    return names


def scene_name(root: Path, name: str) -> str:
    """What a scene is called: its folder, by its own name if it is the root."""
    return root.resolve().name if name == "." else name


def listed_images(folder: Path) -> Sequence[Path]:
    """The photos in a folder, by name.

    Raises:
        UserError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise UserError(f"no image folder '{folder}'")
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not images:
        raise UserError(f"no PNG or JPEG images in '{folder}'")
    return images
