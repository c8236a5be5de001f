"""The pictures of a report: one target of every scene as PNG, and the choice of scenes that are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from pixelnerf.evaluation.baselines import REFINERS, Method
from pixelnerf.evaluation.evaluator import Evaluation, SceneScores, shown_target
from pixelnerf.evaluation.resolved import Item
from pixelnerf.images.pictures import depth_picture, error_picture, to_8_bits
from pixelnerf.tools.files import file_name, write_atomically

ENHANCED: tuple[Method, ...] = (*REFINERS, "bicubic")
"""The methods whose pictures are shown beside the model's."""


@dataclass(frozen=True)
class ShownRender:
    """PNG files of one target rendered from `views` photos, and the scene's PSNR in dB over all its targets.

    `others` are other methods' pictures of it.
    """

    views: int
    psnr: float
    inputs: tuple[Path, ...]
    prediction: Path
    others: dict[Method, Path]
    truth: Path
    depth: Path
    error: Path


@dataclass(frozen=True)
class Shown:
    """One scene of the report; `rank` is its place in its category by PSNR from the fewest photos."""

    group: str
    category: str
    scene: str
    rank: str
    renders: tuple[ShownRender, ...]


def save_pictures(folder: Path, item: Item, evaluation: Evaluation) -> None:
    """Writes the pictures of a scene to `<folder>/<group>/<category>/<scene>/<size>/`."""
    bounds = (item.scene.near, item.scene.far)
    for render in _files(folder, item, evaluation.result):
        shown = evaluation.shown[render.views]
        render.truth.parent.mkdir(parents=True, exist_ok=True)
        color, truth = shown.output.color.numpy(), shown.truth.numpy()
        for path, photo in zip(render.inputs, shown.inputs, strict=True):
            _write(path, photo.numpy())
        _write(render.prediction, color)
        for method, path in render.others.items():
            _write(path, shown.others[method].numpy())
        _write(render.truth, truth)
        _write(render.depth, depth_picture(shown.output.distance.numpy(), shown.output.opacity.numpy(), bounds))
        _write(render.error, error_picture(color, truth))


def choose(folder: Path, items: Sequence[Item], results: Sequence[SceneScores]) -> list[Shown]:
    """Best, median and worst scene of each category of each group; of two the best and the worst, of one the best.

    Of several sizes of a scene the first, the largest, is shown; the files of all are there.
    """
    categories: dict[tuple[str, str], list[int]] = {}
    seen: set[tuple[str, str]] = set()
    for index, result in enumerate(results):
        if (result.group, result.scene) not in seen:
            seen.add((result.group, result.scene))
            categories.setdefault((result.group, result.category), []).append(index)
    chosen = []
    for members in categories.values():
        fewest = min(results[members[0]].scores)
        ranked = sorted(members, key=lambda index: -results[index].scores[fewest]["model"].psnr)
        ranks = {0: "best"}
        if len(ranked) > 2:
            ranks[len(ranked) // 2] = "median"
        if len(ranked) > 1:
            ranks[len(ranked) - 1] = "worst"
        for position, rank in ranks.items():
            item, result = items[ranked[position]], results[ranked[position]]
            chosen.append(Shown(result.group, result.category, result.scene, rank, tuple(_files(folder, item, result))))
    return chosen


def _files(folder: Path, item: Item, result: SceneScores) -> list[ShownRender]:
    """Where a scene's pictures lie; truth and inputs are shared by the numbers of photos."""
    directory = folder / result.group / (file_name(result.category) if result.category else "scenes")
    directory = directory / file_name(result.scene) / result.size
    renders = []
    for count, inputs in sorted(item.inputs.items()):
        target = shown_target(item, count)
        stem = f"{count}view_target{target:03d}"
        renders.append(
            ShownRender(
                views=count,
                psnr=result.scores[count]["model"].psnr,
                inputs=tuple(directory / f"input{view:03d}.png" for view in inputs),
                prediction=directory / f"{stem}_prediction.png",
                others={
                    method: directory / f"{stem}_{method}.png" for method in ENHANCED if method in result.scores[count]
                },
                truth=directory / f"target{target:03d}_truth.png",
                depth=directory / f"{stem}_depth.png",
                error=directory / f"{stem}_error.png",
            )
        )
    return renders


def _write(path: Path, image: np.ndarray) -> None:
    write_atomically(path, iio.imwrite("<bytes>", to_8_bits(image), extension=".png"))
