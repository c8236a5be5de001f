"""Readers that users bring: a class in a Python file of theirs, named on the command line.

    python train.py dataset=own dataset.reader=my_reader.py:MyDataset dataset.options='{root: data/mine}'

Only a command line or a configuration that the user composes names such a file. A checkpoint carries the name as a note
and nothing ever runs it from there.
"""

import importlib.util
from pathlib import Path
from typing import Any, Literal

from pixelnerf.config import Config, nearest
from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import SceneDataset


class OwnConfig(Config):
    """Configuration of a reader that is not ours.

    Attributes:
        reader: the Python file and the class in it, "my_reader.py:MyDataset"; the class is a `SceneDataset`.
        options: its keyword arguments; None for none.
    """

    name: Literal["own"]
    reader: str
    options: dict[str, Any] | None


def open_own(config: OwnConfig) -> SceneDataset:
    """Runs the user's file and builds the dataset.

    Raises:
        UserError: no such file or class, a class that is no `SceneDataset`, or options that it does not take.
    """
    file, _, name = config.reader.rpartition(":")
    path = Path(file)
    if not name or not path.is_file():
        raise UserError(f"dataset.reader={config.reader} is not FILE.py:CLASS with a file that exists")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UserError(f"dataset.reader={config.reader}: '{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reader = getattr(module, name, None)
    if not (isinstance(reader, type) and issubclass(reader, SceneDataset)):
        ours = [found for found, value in vars(module).items() if _is_reader(value)]
        hint = nearest(name, ours) if ours else "; it has none"
        raise UserError(f"'{path}' has no class '{name}' that is a SceneDataset{hint}")
    try:
        return reader(**(config.options or {}))
    except TypeError as error:
        raise UserError(f"dataset.options do not fit {config.reader}: {error}") from None


def _is_reader(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, SceneDataset) and value is not SceneDataset
