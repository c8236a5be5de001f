"""What an evaluation keeps of every scene: its pictures and its scores, which several processes can write at once."""

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from pydantic import TypeAdapter, ValidationError

from pixelnerf.evaluation.evaluator import Evaluation
from pixelnerf.evaluation.protocol import Item, ResolvedProtocol
from pixelnerf.evaluation.results import ObjectResult, Strip, method_title
from pixelnerf.images.pictures import depth_picture, error_picture, to_8_bits
from pixelnerf.tools.files import file_name, plain_digest, refusal_in_a_line, remove_partial, write_atomically

PICTURES = ("renders",)
"""The folders of pictures."""


def _save_pictures(output: Path, item: Item, evaluation: Evaluation) -> ObjectResult:
    """Writes the pictures of an item to `<output>/renders/<group>/<category>/<scene>/<size>/`."""
    scene = item.scene
    folder = Path("renders", item.group, file_name(scene.category or "scenes"), file_name(scene.name), item.size)
    (output / folder).mkdir(parents=True, exist_ok=True)

    def save(name: str, image: np.ndarray) -> str:
        path = folder / f"{name}.png"
        write_atomically(output / path, iio.imwrite("<bytes>", to_8_bits(image), extension=".png"))
        return path.as_posix()

    strips = []
    for shown in evaluation.shown:
        color, truth = shown.output.color.numpy(), shown.truth.numpy()
        distance, opacity = shown.output.distance.numpy(), shown.output.opacity.numpy()
        target = f"target{shown.target:03d}"
        render = f"{shown.views}view_{target}"
        pictures = {
            "prediction": save(f"{render}_prediction", color),
            **{method_title(name): save(f"{render}_{name}", image.numpy()) for name, image in shown.enhanced.items()},
            "truth": save(f"{target}_truth", truth),
            "depth": save(f"{render}_depth", depth_picture(distance, opacity, (scene.near, scene.far))),
            "error": save(f"{render}_error", error_picture(color, truth)),
        }
        photos = zip(item.inputs[shown.views], shown.photos, strict=True)
        inputs = tuple(save(f"input{view:03d}", photo.numpy()) for view, photo in photos)
        strips.append(Strip(shown.views, inputs, pictures))
    return ObjectResult(evaluation.measurements, tuple(strips))


@dataclass(frozen=True)
class Damaged:
    """Stands for the result of a scene that was left out, and says why."""

    message: str


# A file holds the key and the result.
_CONTENTS = TypeAdapter(tuple[str, ObjectResult | Damaged])


class ResultStore:
    """`<output>/resolved_protocol.json`, and a JSON file an item under `<output>/scenes/`, written whole or not at all.

    A stored result is used again only under its own key: a digest of the resolved protocol and of `decisive`, plain
    values that decide the numbers, too. Several processes can store results of different items in one folder.

    Raises:
        UserError: the output folder cannot be written.
    """

    def __init__(self, output: Path, resolved: ResolvedProtocol, decisive: dict[str, Any]) -> None:
        self._output = output
        self._folder = output / "scenes"
        self._key = plain_digest({"protocol": resolved.digest(), **decisive})
        self._names = [f"{index:05d}_{file_name(item.scene.name)}.json" for index, item in enumerate(resolved.items)]
        self._stamps: dict[str, int] = {}
        self._done: set[str] = set()
        plain = {"sha256": resolved.digest(), **resolved.to_plain()}
        with self._refusal():
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(output / "resolved_protocol.json", json.dumps(plain, indent=1).encode())

    def load(self, index: int) -> ObjectResult | Damaged | None:
        """The stored result of an item; None if there is none that was made under this key."""
        return self._read(self._names[index])

    def save(self, index: int, item: Item, found: Evaluation | Damaged) -> ObjectResult | Damaged:
        """Stores an item's result, and its pictures.

        Raises:
            UserError: the disk refuses; what was stored before is kept.
        """
        with self._refusal():
            # Pictures first: a stored result says that they are there.
            result = found if isinstance(found, Damaged) else _save_pictures(self._output, item, found)
            write_atomically(self._folder / self._names[index], _CONTENTS.dump_json((self._key, result)))
        return result

    def count(self) -> int:
        """How many items have a result under this key, whoever stored it."""
        names = set(self._names)
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name not in names or self._stamps.get(entry.name) == (stamp := entry.stat().st_mtime_ns):
                    continue
                self._stamps[entry.name] = stamp
                (self._done.discard if self._read(entry.name) is None else self._done.add)(entry.name)
        return len(self._done)

    def foreign(self) -> int:
        """How many items had a result under another key when they were counted last."""
        return len(self._stamps.keys() - self._done)

    def finish(self, files: Mapping[str, bytes], alone: bool) -> None:
        """Writes files into the output folder by their name, and deletes what killed processes left half-written.

        All items must have a result: as long as one has not, another process may be writing it. Unless this process is
        `alone`, another one may be writing the same files, with the same contents.

        Raises:
            UserError: the disk refuses.
        """
        with self._refusal():
            for folder in (self._folder, *(self._output / name for name in PICTURES)):
                remove_partial(folder, deep=True)
            if alone:
                remove_partial(self._output)
            for name, contents in files.items():
                write_atomically(self._output / name, contents)

    def _read(self, name: str) -> ObjectResult | Damaged | None:
        try:
            key, result = _CONTENTS.validate_json((self._folder / name).read_bytes())
        except (FileNotFoundError, ValidationError):
            # Absent, or not one of our files: it is measured anew and replaced.
            return None
        return result if key == self._key else None

    def _refusal(self) -> AbstractContextManager[None]:
        return refusal_in_a_line(f"into output folder '{self._output}'", "; choose another with output=PATH")
