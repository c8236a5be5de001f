"""What captures of single places have in common: optional bounds, held-out views, one folder or a folder of them."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, model_validator

from datasets.folder import FolderConfig
from datasets.scene import Split
from pixelnerf.errors import UserError


class CaptureConfig(FolderConfig):
    """Options of captures. The root is one capture's folder, or a folder of such folders.

    Attributes:
        near: where rays begin, in units of t; None to take it from the capture.
        far: where they end; None likewise.
        shrink: photos are shrunk by this whole number when they are read.
        test_every: every so many views, the first included, one is held out for validation and test alike; with 0 all
            views belong to all splits, and the protocol says which are given and which are asked for.
    """

    near: float | None = Field(default=None, gt=0)
    far: float | None = Field(default=None, gt=0)
    shrink: int = Field(default=1, ge=1)
    test_every: int = Field(default=8, ge=0)

    @model_validator(mode="after")
    def _near_is_before_far(self) -> "CaptureConfig":
        if self.near is not None and self.far is not None and self.near >= self.far:
            raise ValueError(f"near = {self.near} is not before far = {self.far}")
        return self


def split_views(count: int, split: Split, test_every: int) -> list[int]:
    """The views of a split; see `CaptureConfig.test_every`."""
    if test_every == 0:
        return list(range(count))
    return [view for view in range(count) if (view % test_every == 0) == (split != "train")]


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
