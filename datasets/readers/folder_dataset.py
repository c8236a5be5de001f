"""What every reader of files does: it lists the folders of a split's scenes, and opens a scene when it is asked for."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from datasets.file_names import folder_with, visible
from datasets.image_cache import ImageCache
from datasets.image_files import read_text
from datasets.messages import collected_notes
from datasets.readers.file_scene import Color, FileScene
from pixelnerf.config import Config, WrittenPath, nearest
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import OnError, Scene, SceneDataset, SceneList, Split

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

    root: WrittenPath
    background: Color
    pixel_center: float = Field(ge=0, le=0.5)
    cache_gib: float = Field(ge=0)
    on_error: OnError
    how_to_get: str

    @field_validator("far", check_fields=False)
    @classmethod
    def _is_behind_near(cls, far: float | None, info: ValidationInfo) -> float | None:
        near = info.data.get("near")
        if near is not None and far is not None and near >= far:
            raise ValueError(f"near = {near} is not before far = {far}")
        return far


class BoundedConfig(FolderConfig):
    """A dataset whose protocol fixes where rays begin (`near`) and end (`far`), in units of t."""

    near: float = Field(gt=0)
    far: float = Field(gt=0)

    @property
    def bounds(self) -> tuple[float, float]:
        """Near and far."""
        return self.near, self.far


ConfigType = TypeVar("ConfigType", bound=FolderConfig)


class FolderDataset(SceneDataset, Generic[ConfigType]):
    """A dataset under one root folder, whose scenes share a cache of decoded photos.

    A reader names the `marker`, a file or folder that every scene's folder holds ("{split}" in it is the split), or
    lists the folders itself (`folders`), and opens each as `_scene(name, files, cameras, bounds)`.
    """

    marker: str
    categories: Sequence[str] = ()

    def __init__(self, config: ConfigType) -> None:
        if not config.root.is_dir():
            raise UserError(f"no data folder '{config.root}': set dataset.root=PATH; {config.how_to_get}")
        self.on_error = config.on_error
        self._config = config
        self._root = config.root
        self._scene = partial(FileScene, background=config.background, images=ImageCache(config.cache_gib))
        self._said: set[str] = set()

    @override
    def scenes(self, split: Split, categories: Sequence[str] | None = None) -> Sequence[Scene]:
        for category in categories or ():
            if category not in self.categories:
                hint = nearest(category, list(self.categories)) if self.categories else "; it has none"
                raise UserError(f"unknown category '{category}'{hint}")
        return SceneList(self.folders(split, categories), partial(self._open_folder, split=split))

    def folders(self, split: Split, categories: Sequence[str] | None) -> Sequence[str]:
        """The folders of a split's scenes, relative to the root; the categories are known ones."""
        return scene_folders(self._root, self.marker.format(split=split))

    def _listed(self, path: Path) -> list[str]:
        """The names of a list file, as `_present` has them."""
        if not path.is_file():
            raise UserError(f"missing list file '{path}': {folder_with(self._root, path.name)}")
        return self._present(read_list(path), path.parent, f"list file '{path}'")

    def _present(self, names: Sequence[str], folder: Path, source: str) -> list[str]:
        """Those names that a folder has; the others are an error, or skipped and logged in one line.

        Two listings are compared, so 40,000 objects cost one system call a folder and not one each.
        """
        found = {entry.name for entry in folder.iterdir()}
        absent = [name for name in names if name not in found]
        if absent:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            message = f"{source} names '{absent[0]}'{more}, but '{folder}' has no such folder"
            if self.on_error == "raise":
                raise UserError(message + "; dataset.on_error=skip leaves them out")
            logger.warning("skipped: %s", message)
        return [name for name in names if name in found]

    def _open_folder(self, folder: str, split: Split) -> Scene:
        # A scene that lies in the root itself has the root's name.
        name = self._root.resolve().name if folder == "." else folder
        with collected_notes() as notes:
            scene = self._open(name, self._root / folder, split)
        if split == "train" and scene.num_views < 2:
            raise UserError(f"scene '{name}' has 1 view: training takes two, one to give and one to ask for")
        scene.notes = tuple(notes)
        for line in notes:
            # Once, however many splits open the scene.
            if line not in self._said:
                logger.warning("%s", line)
                self._said.add(line)
        return scene

    @abstractmethod
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        """The scene of that name in a folder."""


def scene_folders(root: Path, marker: str) -> list[str]:
    """The folders that hold a file or folder `marker`, relative to the root: the root itself, or some in it."""
    if (root / marker).exists():
        return ["."]
    names = [folder.name for folder in visible(root) if (folder / marker).exists()]
    if not names:
        raise UserError(f"neither '{root}' nor a folder in it holds '{marker}': {folder_with(root, marker)}")
    return names


def read_list(path: Path) -> list[str]:
    """The non-empty lines of a list file."""
    return [line.strip() for line in read_text("list file", path).splitlines() if line.strip()]
