"""What a further photo gains from where it is advised: `python scripts/measure_next_photo.py checkpoint=PATH`.

Takes the configuration of `eval_fewshot.py`; of each category of its protocol's groups one object is tried, from one
photo and from two at a right angle. Candidates stand every 45 degrees on the ring of the dataset's cameras, and a
gain is that of the mean PSNR over eight other views. Rendered from the baked volume.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from measure_confidence import encode_views
from rich.console import Console
from rich.table import Table

from datasets.registry import build_dataset, parse_dataset
from pixelnerf.app.api import Model, Scene
from pixelnerf.config import parse_config
from pixelnerf.entry import run_entry
from pixelnerf.evaluation.protocol import ProtocolConfig, resolve
from pixelnerf.images.metrics import psnr
from pixelnerf.scenes.scene import DamagedScenes
from pixelnerf.scenes.scene import Scene as ObjectViews
from pixelnerf.tools.progress import progress_bar

VIEWS = 24
"""Of each object, on a ring."""
PHOTOS = ((0,), (0, 6))
CANDIDATES = range(0, VIEWS, 3)
TARGETS = range(1, VIEWS, 3)


@dataclass(frozen=True)
class Trial:
    """One object from some photos.

    Attributes:
        photos: their number.
        gains: of each candidate, in dB.
        advised: the candidate that `Scene.next_photo` names.
        least_certain: the candidate whose own picture has the lowest mean confidence.
        back: the candidate opposite to the first photo.
    """

    photos: int
    gains: Mapping[int, float]
    advised: int
    least_certain: int
    back: int


def main(composed: dict[str, Any]) -> None:
    """Encodes, renders and prints."""
    dataset = build_dataset(parse_dataset(composed["dataset"]))
    protocol = parse_config(ProtocolConfig, composed["protocol"], "protocol")
    model = Model(composed["checkpoint"], composed["device"])
    scenes: dict[str, ObjectViews] = {}
    for item in resolve(protocol, dataset, DamagedScenes("raise")).items:
        scenes.setdefault(item.scene.name.partition("/")[0], item.scene)
    trials: list[Trial] = []
    with progress_bar("measure", len(scenes)) as bar:
        for own in scenes.values():
            trials += [_tried(model, own, photos) for photos in PHOTOS]
            bar.advance()
    Console().print(_table(trials), f"{len(scenes)} objects, one of each category")


def _tried(model: Model, own: ObjectViews, photos: Sequence[int]) -> Trial:
    cameras = own.cameras()
    truths = own.images(list(TARGETS))

    def quality(scene: Scene) -> float:
        pictures = [scene.render(cameras[view]).color for view in TARGETS]
        return float(np.mean([psnr(p, t.movedim(0, -1)) for p, t in zip(pictures, truths, strict=True)]))

    scene = encode_views(model, own, photos)
    candidates = [view for view in CANDIDATES if view not in photos]
    x, y, _ = cameras.poses[:, :3, 3].unbind(-1)
    azimuths = torch.atan2(y, x).rad2deg()
    azimuths = azimuths - azimuths[photos[0]]

    def nearest(azimuth: float) -> int:
        return min(candidates, key=lambda view: abs((float(azimuths[view]) - azimuth + 180) % 360 - 180))

    def certainty(view: int) -> float:
        picture = scene.render(cameras[view])
        return float((picture.opacity * picture.confidence).sum() / picture.opacity.sum().clamp_min(1e-6))

    alone = quality(scene)
    gains = {view: quality(encode_views(model, own, [*photos, view])) - alone for view in candidates}
    return Trial(
        len(photos), gains, nearest(scene.next_photo().azimuth), min(candidates, key=certainty), nearest(180.0)
    )


def _table(trials: Sequence[Trial]) -> Table:
    table = Table("photos", "advised", "mean of all candidates", "best", "the least certain", "the back")
    for photos in sorted({trial.photos for trial in trials}):
        own = [trial for trial in trials if trial.photos == photos]
        columns = [
            [trial.gains[trial.advised] for trial in own],
            [float(np.mean([*trial.gains.values()])) for trial in own],
            [max(trial.gains.values()) for trial in own],
            [trial.gains[trial.least_certain] for trial in own],
            [trial.gains[trial.back] for trial in own],
        ]
        table.add_row(str(photos), *(f"{np.mean(column):.2f}" for column in columns))
    return table


if __name__ == "__main__":
    run_entry(main, "eval_fewshot", "../conf")
