"""Finished scenes on disk, so that an interrupted evaluation goes on where it stopped.

A stored result is used again only under its own key: the checkpoint's and the resolved's hashes, and what else decides
the numbers.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pixelnerf.errors import UserError
from pixelnerf.evaluation.evaluator import SceneScores, Scores
from pixelnerf.evaluation.resolved import Item, ResolvedProtocol
from pixelnerf.tools.files import file_digest, file_name, remove_partial, write_atomically

FOLDER = "scenes"


def result_key(checkpoint: Path, protocol_digest: str, circumstances: dict[str, Any]) -> str:
    """What a stored result depends on, as one hash."""
    parts = {
        "checkpoint": file_digest(checkpoint),
        "resolved": protocol_digest,
        **circumstances,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class ResultStore:
    """`<output>/resolved_protocol.json`, and a JSON file a scene under `<output>/scenes/`, written whole or not at all.

    Raises:
        UserError: the output folder cannot be written.
    """

    def __init__(self, output: Path, resolved: ResolvedProtocol, key: str) -> None:
        self._folder = output / FOLDER
        self._key = key
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_partial(self._folder)
            plain = {"sha256": resolved.digest(), **resolved.to_plain()}
            write_atomically(output / "resolved_protocol.json", json.dumps(plain, indent=1).encode())
        except OSError as error:
            raise UserError(
                f"cannot write into output folder '{output}': {error.strerror}; choose another with output=PATH"
            ) from None

    def load(self, index: int, item: Item) -> SceneScores | None:
        """The stored scores of a resolved's item; None if there are none that were made under this key."""
        try:
            stored = json.loads(self._path(index, item).read_text("utf-8"))
            if stored["key"] != self._key:
                return None
            return _from_plain(stored["result"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            # Absent, or not one of our files: it is measured anew and replaced.
            return None

    def save(self, index: int, item: Item, result: SceneScores) -> None:
        """Stores an item's scores."""
        plain = {"key": self._key, "result": asdict(result)}
        write_atomically(self._path(index, item), json.dumps(plain).encode())

    def _path(self, index: int, item: Item) -> Path:
        return self._folder / f"{index:05d}_{file_name(item.scene.name)}.json"


def _from_plain(plain: dict[str, Any]) -> SceneScores:
    return SceneScores(
        plain["group"],
        plain["category"],
        plain["scene"],
        plain["size"],
        {int(count): number for count, number in plain["targets"].items()},
        {
            int(count): {method: Scores(**scores) for method, scores in methods.items()}
            for count, methods in plain["scores"].items()
        },
    )
