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
from pixelnerf.evaluation.renders import render_file, scene_folder
from pixelnerf.evaluation.results import ObjectResult, Strip, method_title
from pixelnerf.images.pictures import depth_picture, error_picture, rounded_to_8_bits, to_8_bits
from pixelnerf.tools.files import file_name, plain_digest, refusal_in_a_line, remove_partial, write_atomically

# Raise it when pictures change: stored results are then measured again.
VERSION = 3
RENDERS, PICTURES, OBJECTS = "renders", "pictures", "objects"
"""Folders: every picture that a model rendered, what a report shows, and its turntables and their pages."""


def _save_pictures(output: Path, item: Item, evaluation: Evaluation, eight_bits: bool) -> ObjectResult:
    """Writes an item's renders, and the report's pictures of it to `<output>/pictures/<scene>/<size>/`.

    Scores are of renders cut off to 8 bits or, without `eight_bits`, of numbers, which are rounded to be near them.
    """
    scene, folder = item.scene, PICTURES / scene_folder(item)
    in_8_bits = to_8_bits if eight_bits else rounded_to_8_bits

    def save(path: Path, image: np.ndarray) -> str:
        (output / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output / path, iio.imwrite("<bytes>", in_8_bits(image), extension=".png"))
        return path.as_posix()

    renders = {
        (count, view): save(RENDERS / render_file(item, count, view), image.numpy())
        for count, images in evaluation.renders.items()
        for view, image in zip(item.targets[count], images, strict=True)
    }
    strips = []
    for shown in evaluation.shown:
        color, truth = shown.color.numpy(), shown.truth.numpy()
        target = f"target{shown.target:03d}"
        render = f"{shown.views}view_{target}"
        prediction = renders.get((shown.views, shown.target))
        pictures = {"prediction": prediction or save(folder / f"{render}_prediction.png", color)}
        for name, image in shown.enhanced.items():
            pictures[method_title(name)] = save(folder / f"{render}_{name}.png", image.numpy())
        pictures["truth"] = save(folder / f"{target}_truth.png", truth)
        if shown.output is not None:
            distance, opacity = shown.output.distance.numpy(), shown.output.opacity.numpy()
            depth = depth_picture(distance, opacity, (scene.near, scene.far))
            pictures["depth"] = save(folder / f"{render}_depth.png", depth)
        pictures["error"] = save(folder / f"{render}_error.png", error_picture(color, truth))
        photos = zip(item.inputs[shown.views], shown.photos, strict=True)
        inputs = tuple(save(folder / f"input{view:03d}.png", photo.numpy()) for view, photo in photos)
        strips.append(Strip(shown.views, inputs, pictures))
    return ObjectResult(evaluation.measurements, tuple(strips))


@dataclass(frozen=True)
class Damaged:
    """Stands for the result of a scene that was left out, and says why."""

    message: str


# A file holds the key and the result.
_CONTENTS = TypeAdapter(tuple[str, ObjectResult | Damaged])


def output_refusal(output: Path) -> AbstractContextManager[None]:
    """Makes the system's refusal to write into the output folder a UserError."""
    return refusal_in_a_line(f"into output folder '{output}'", "; choose another with output=PATH")


def write_resolved(output: Path, resolved: ResolvedProtocol) -> None:
    """Writes `<output>/resolved_protocol.json`: every scene, input and target.

    Raises:
        UserError: the output folder cannot be written.
    """
    plain = {"sha256": resolved.digest(), **resolved.to_plain()}
    with output_refusal(output):
        output.mkdir(parents=True, exist_ok=True)
        write_atomically(output / "resolved_protocol.json", json.dumps(plain, indent=1).encode())


class ResultStore:
    """A JSON file an item under `<output>/scenes/`, written whole or not at all.

    A stored result is used again only under its own key: a digest of the resolved protocol and of `decisive`, plain
    values that decide the numbers, too. Several processes can store results of different items in one folder.

    Attributes:
        key: that of these results.

    Raises:
        UserError: the output folder cannot be written.
    """

    def __init__(self, output: Path, resolved: ResolvedProtocol, decisive: dict[str, Any]) -> None:
        self._output = output
        self._eight_bits = resolved.protocol.eight_bits
        self._folder = output / "scenes"
        self.key = plain_digest({"protocol": resolved.digest(), "store": VERSION, **decisive})
        self._names = [f"{index:05d}_{file_name(item.scene.name)}.json" for index, item in enumerate(resolved.items)]
        self._stamps: dict[str, int] = {}
        self._done: set[str] = set()
        with output_refusal(output):
            self._folder.mkdir(parents=True, exist_ok=True)

    def load(self, index: int) -> ObjectResult | Damaged | None:
        """The stored result of an item; None if there is none that was made under this key."""
        return self._read(self._names[index])

    def save(self, index: int, item: Item, found: Evaluation | Damaged) -> ObjectResult | Damaged:
        """Stores an item's result, and its pictures.

        Raises:
            UserError: the disk refuses; what was stored before is kept.
        """
        with output_refusal(self._output):
            # Pictures first: a stored result says that they are there.
            result = (
                found if isinstance(found, Damaged) else _save_pictures(self._output, item, found, self._eight_bits)
            )
            write_atomically(self._folder / self._names[index], _CONTENTS.dump_json((self.key, result)))
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
        with output_refusal(self._output):
            for folder in (self._folder, *(self._output / name for name in (RENDERS, PICTURES, OBJECTS))):
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
        return result if key == self.key else None
