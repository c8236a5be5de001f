"""What every reader of files does: it finds its scenes' folders, and opens a scene when it is asked for."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from datasets.folder import FolderConfig, check_categories
from datasets.image_cache import ImageCache
from datasets.readers.file_scene import FileScene
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import Scene, SceneDataset, SceneList, Split

ConfigType = TypeVar("ConfigType", bound=FolderConfig)


class FolderDataset(SceneDataset, Generic[ConfigType]):
    """A dataset under one root folder, whose scenes share a cache of decoded photos.

    A reader lists its scenes' folders by `_listed`, and opens each as `_scene(name, files, cameras, bounds)`.
    """

    def __init__(self, config: ConfigType) -> None:
        if not config.root.is_dir():
            raise UserError(f"no data folder '{config.root}': set dataset.root=PATH; {config.how_to_get}")
        self.on_error = config.on_error
        self._config = config
        self._root = config.root
        self._scene = partial(FileScene, background=config.background, images=ImageCache(config.cache_gib))

    @abstractmethod
    def _open(self, name: str, folder: Path, split: Split) -> Scene:
        """The scene of that name in a folder."""

    def _listed(
        self, names: Sequence[str], split: Split, categories: Sequence[str] | None, known: Sequence[str] = ()
    ) -> SceneList:
        """The scenes in these folders, relative to the root, if the asked categories are known ones."""
        check_categories(categories, known)
        return SceneList(names, partial(self._open_folder, split=split))

    def _open_folder(self, folder: str, split: Split) -> Scene:
        # A scene that lies in the root itself has the root's name.
        name = self._root.resolve().name if folder == "." else folder
        return self._open(name, self._root / folder, split)


def scene_folders(root: Path, marker: str) -> list[str]:
    """The folders that hold a file or folder `marker`, relative to the root: the root itself, or some in it."""
    if (root / marker).exists():
        return ["."]
    names = sorted(folder.name for folder in root.iterdir() if (folder / marker).exists())
    if not names:
        raise UserError(f"neither '{root}' nor a folder in it holds '{marker}': set dataset.root=PATH")
    return names


def listed_images(folder: Path) -> Sequence[Path]:
    """The photos in a folder, by name; there is at least one."""
    if not folder.is_dir():
        raise UserError(f"no image folder '{folder}'")
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not images:
        raise UserError(f"no PNG or JPEG images in '{folder}'")
    return images
