"""Readers that users bring: a class in a Python file of theirs, named on the command line.

    python train.py dataset=own dataset.reader=my_reader.py:MyDataset dataset.options='{root: data/mine}'

Only a command line or a configuration that the user composes names such a file. A checkpoint carries the name as a note
and nothing ever runs it from there.
"""

import runpy
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
    """Runs the user's file and builds the dataset; a UserError if file, class or options do not fit."""
    file, _, name = config.reader.rpartition(":")
    if not name or not file.endswith(".py") or not Path(file).is_file():
        raise UserError(f"dataset.reader={config.reader} is not FILE.py:CLASS with a file that exists")
    readers = {
        found: value
        for found, value in runpy.run_path(file).items()
        if isinstance(value, type) and issubclass(value, SceneDataset) and value is not SceneDataset
    }
    if name not in readers:
        hint = nearest(name, list(readers)) if readers else "; it has none"
        raise UserError(f"'{file}' has no class '{name}' that is a SceneDataset{hint}")
    try:
        return readers[name](**(config.options or {}))
    except TypeError as error:
        raise UserError(f"dataset.options do not fit {config.reader}: {error}") from None
