"""The objects that a report shows: best, median and worst of each category, rendered again and saved as PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from torch import Tensor

from datasets.rendering.atomic import write_atomically
from pixelnerf.evaluation.evaluator import Evaluator, SceneScores
from pixelnerf.evaluation.pictures import depth_picture, error_picture, to_8_bits
from pixelnerf.evaluation.protocol import Item
from pixelnerf.evaluation.store import file_name

RANKS = ("best", "median", "worst")


@dataclass(frozen=True)
class ShownRender:
    """PNG files of one target rendered from `views` photos, and the scene's PSNR in dB over all its targets."""

    views: int
    psnr: float
    inputs: tuple[Path, ...]
    prediction: Path
    truth: Path
    depth: Path
    error: Path


@dataclass(frozen=True)
class Shown:
    """One object of the report; `rank` is its place in its category by PSNR from the fewest photos."""

    group: str
    category: str
    scene: str
    rank: str
    target: int
    renders: tuple[ShownRender, ...]


def choose(results: Sequence[SceneScores]) -> list[tuple[int, str]]:
    """Indices of the results to show, with their ranks, by group and category; a category of one shows its best."""
    categories: dict[tuple[str, str], list[int]] = {}
    for index, result in enumerate(results):
        categories.setdefault((result.group, result.category), []).append(index)
    chosen = []
    for members in categories.values():
        fewest = min(results[members[0]].scores)
        ranked = sorted(members, key=lambda index: -results[index].scores[fewest]["model"].psnr)
        places = {0: "best", len(ranked) // 2: "median", len(ranked) - 1: "worst"}
        if len(ranked) <= 2:
            places = dict(zip(range(len(ranked)), ("best", "worst"), strict=False))
        chosen += [(ranked[place], rank) for place, rank in sorted(places.items())]
    return chosen


def render_showcase(evaluator: Evaluator, item: Item, result: SceneScores, rank: str, folder: Path) -> Shown:
    """Renders one target of a scene, the same for every number of photos where the protocol allows it.

    Pictures go to `<folder>/<group>/<category>/<rank>_<scene>/`.
    """
    place = folder / result.group / (file_name(result.category) if result.category else "scenes")
    place = place / f"{rank}_{file_name(result.scene)}"
    place.mkdir(parents=True, exist_ok=True)
    common = set.intersection(*(set(views) for views in item.targets.values()))
    targets = [view for view in item.targets[min(item.targets)] if not common or view in common]
    target = targets[len(targets) // 2]
    renders = []
    for count, inputs in sorted(item.inputs.items()):
        shown = target if target in item.targets[count] else item.targets[count][0]
        output = evaluator.render(item.scene, inputs, [shown])[0]
        truth = evaluator.truths(item.scene, [shown])[0].numpy()
        color = output.color.numpy()
        bounds = (item.scene.near, item.scene.far)
        stem = f"{count}view_target{shown:03d}"
        renders.append(
            ShownRender(
                views=count,
                psnr=result.scores[count]["model"].psnr,
                inputs=tuple(
                    _save(place / f"input{view:03d}.png", image)
                    for view, image in zip(inputs, evaluator.truths(item.scene, inputs), strict=True)
                ),
                prediction=_save(place / f"{stem}_prediction.png", color),
                truth=_save(place / f"target{shown:03d}_truth.png", truth),
                depth=_save(place / f"{stem}_depth.png", depth_picture(output.distance.numpy(), bounds)),
                error=_save(place / f"{stem}_error.png", error_picture(color, truth)),
            )
        )
    return Shown(result.group, result.category, result.scene, rank, target, tuple(renders))


def _save(path: Path, image: np.ndarray | Tensor) -> Path:
    pixels = to_8_bits(np.asarray(image))
    write_atomically(path, iio.imwrite("<bytes>", pixels, extension=".png"))
    return path
