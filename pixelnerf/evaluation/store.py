"""Finished objects on disk, so that an interrupted evaluation continues where it stopped.

A stored result is used again only under its own key: a digest of everything that decides the numbers.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pixelnerf.errors import UserError
from pixelnerf.evaluation.resolved import Item, ResolvedProtocol
from pixelnerf.evaluation.results import ObjectResult
from pixelnerf.tools.files import file_name, remove_partial, write_atomically

FOLDER = "scenes"


# A file holds the key and the result.
_CONTENTS = TypeAdapter(tuple[str, ObjectResult])


class ResultStore:
    """`<output>/resolved_protocol.json`, and a JSON file a scene under `<output>/scenes/`, written whole or not at all.

    `decisive` are plain values that decide the numbers besides the resolved protocol.

    Raises:
        UserError: the output folder cannot be written.
    """

    def __init__(self, output: Path, resolved: ResolvedProtocol, decisive: dict[str, Any]) -> None:
        self._folder = output / FOLDER
        digest = resolved.digest()
        self._key = hashlib.sha256(json.dumps({"protocol": digest, **decisive}, sort_keys=True).encode()).hexdigest()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_partial(self._folder)
            plain = {"sha256": digest, **resolved.to_plain()}
            write_atomically(output / "resolved_protocol.json", json.dumps(plain, indent=1).encode())
        except OSError as error:
            raise UserError(
                f"cannot write into output folder '{output}': {error.strerror}; choose another with output=PATH"
            ) from None

    def load(self, index: int, item: Item) -> ObjectResult | None:
        """The stored result of an item; None if there is none that was made under this key."""
        try:
            key, result = _CONTENTS.validate_json(self._path(index, item).read_bytes())
        except (FileNotFoundError, ValidationError):
            # Absent, or not one of our files: it is measured anew and replaced.
            return None
        return result if key == self._key else None

    def save(self, index: int, item: Item, result: ObjectResult) -> None:
        """Stores an item's result."""
        write_atomically(self._path(index, item), _CONTENTS.dump_json((self._key, result)))

    def _path(self, index: int, item: Item) -> Path:
        return self._folder / f"{index:05d}_{file_name(item.scene.name)}.json"
