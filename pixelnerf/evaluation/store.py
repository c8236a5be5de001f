"""Finished objects on disk, so that an interrupted evaluation continues where it stopped."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pixelnerf.errors import UserError
from pixelnerf.evaluation.protocol import Item, ResolvedProtocol
from pixelnerf.evaluation.results import ObjectResult
from pixelnerf.tools.files import file_name, plain_digest, remove_partial, write_atomically

# A file holds the key and the result.
_CONTENTS = TypeAdapter(tuple[str, ObjectResult])


class ResultStore:
    """`<output>/resolved_protocol.json`, and a JSON file an item under `<output>/scenes/`, written whole or not at all.

    A stored result is used again only under its own key: a digest of the resolved protocol and of `decisive`, plain
    values that decide the numbers, too.

    Raises:
        UserError: the output folder cannot be written.
    """

    def __init__(self, output: Path, resolved: ResolvedProtocol, decisive: dict[str, Any]) -> None:
        self._folder = output / "scenes"
        self._key = plain_digest({"protocol": resolved.digest(), **decisive})
        plain = {"sha256": resolved.digest(), **resolved.to_plain()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_partial(self._folder)
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
