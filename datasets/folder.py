"""What every dataset in a folder has: its options, its categories, its lists."""

import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, model_validator

from datasets.image_files import reading
from pixelnerf.config import Config, nearest
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import OnError

Color = tuple[float, float, float]

logger = logging.getLogger(__name__)


class FolderConfig(Config):
    """Options that all readers share; the values belong to the dataset's protocol and stand in conf/dataset.

    Attributes:
        root: the folder that holds the dataset in its published layout.
        background: colour in [0, 1] that photos are composited on, once, by the reader.
        pixel_center: where the published cameras have the centre of the first pixel: 0.5, or 0.0 for corners.
        cache_gib: decoded photos kept in memory, in GiB for each process.
        on_error: what a scene with damaged files does to training: stop it, or be left out and counted.
        how_to_get: one sentence for whoever has no such folder.
    """

    root: Path
    background: Color
    pixel_center: float = Field(ge=0, le=0.5)
    cache_gib: float = Field(ge=0)
    on_error: OnError
    how_to_get: str


class BoundedConfig(FolderConfig):
    """A dataset whose protocol fixes where rays begin (`near`) and end (`far`), in units of t."""

    near: float = Field(gt=0)
    far: float = Field(gt=0)

    @model_validator(mode="after")
    def _near_is_before_far(self) -> "BoundedConfig":
        if self.near >= self.far:
            raise ValueError(f"near = {self.near} is not before far = {self.far}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Near and far."""
        return self.near, self.far


def check_categories(categories: Sequence[str] | None, known: Sequence[str]) -> None:
    """Raises a UserError for the first category that a dataset does not have."""
    for category in categories or ():
        if category not in known:
            hint = nearest(category, list(known)) if known else "; it has none"
            raise UserError(f"unknown category '{category}'{hint}")


def read_list(path: Path) -> list[str]:
    """The non-empty lines of a list file."""
    with reading("list file", path):
        lines = path.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def present_names(path: Path, names: Sequence[str], found: set[str], on_error: OnError) -> list[str]:
    """Those names of a list file that are there; the others are an error, or skipped and logged in one line.

    Two listings are compared, so 40,000 objects cost one system call a folder and not one each.
    """
    absent = [name for name in names if name not in found]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        message = f"list file '{path}' names '{absent[0]}'{more}, but '{path.parent}' has no such folder"
        if on_error == "raise":
            raise UserError(message + "; dataset.on_error=skip leaves them out")
        logger.warning("skipped: %s", message)
    return [name for name in names if name in found]
