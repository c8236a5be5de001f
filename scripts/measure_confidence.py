"""How well confidence tells where pictures are wrong: `python scripts/measure_confidence.py checkpoint=PATH`.

Takes the configuration of `eval_fewshot.py`, whose protocol says which objects, photos and views. For each group and
number of photos it prints the rank correlation of confidence with the absolute error, over all pixels inside the
object's or the render's outline and as the median over images, and the share of right pixels among those of some
confidence. Last, the constants of `pixelnerf.app.confidence` as these pixels would have them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import spearmanr
from torch import Tensor

from datasets.registry import build_dataset, parse_dataset
from pixelnerf.app.api import Model, Scene
from pixelnerf.app.confidence import CLOSE, find_doubts
from pixelnerf.app.framing import FramedPhoto
from pixelnerf.app.training_world import Placement
from pixelnerf.config import parse_config
from pixelnerf.entry import run_entry
from pixelnerf.evaluation.protocol import Item, ProtocolConfig, resolve
from pixelnerf.scenes.scene import DamagedScenes
from pixelnerf.scenes.scene import Scene as ObjectViews
from pixelnerf.tools.progress import progress_bar
from pixelnerf.types import View

LEVELS = (0.0, 0.5, 0.7, 0.8, 0.9, 1.0)
"""Ends of the ranges of confidence that are compared with the share of right pixels."""


@dataclass(frozen=True)
class MeasuredView:
    """Pixels inside an outline: their confidence, mean absolute error, and the terms of the formula."""

    group: str
    photos: int
    confidence: Float[ndarray, "pixel"]
    error: Float[ndarray, "pixel"]
    terms: Float[ndarray, "pixel 4"]


def main(composed: dict[str, Any]) -> None:
    """Renders, compares and prints."""
    dataset = build_dataset(parse_dataset(composed["dataset"]))
    protocol = parse_config(ProtocolConfig, composed["protocol"], "protocol")
    model = Model(composed["checkpoint"], composed["device"])
    items = resolve(protocol, dataset, DamagedScenes("raise")).items
    measured: list[MeasuredView] = []
    with progress_bar("measure", len(items)) as bar:
        for item in items:
            measured += _measure(model, item)
            bar.advance()
    console = Console()
    console.print(_table(measured))
    fitted = _fitted(
        np.concatenate([view.terms for view in measured]), np.concatenate([view.error for view in measured])
    )
    names = ("CERTAINTY", "SPREAD", "UNSEEN", "DISAGREEMENT", "EDGE")
    found = ", ".join(f"{name} {value:.3g}" for name, value in zip(names, fitted, strict=True))
    console.print(f"fitted to these: {found}")


def encode_views(model: Model, own: ObjectViews, views: Sequence[int]) -> Scene:
    """An object of a dataset from some of its views, in the dataset's world."""
    images, masks, cameras = own.images(views), own.masks(views), own.cameras()
    assert masks is not None, "the datasets of objects have masks"
    framed = [
        FramedPhoto(image, mask.float(), cameras[view], (), ())
        for image, mask, view in zip(images, masks, views, strict=True)
    ]
    return Scene(model, framed, Placement(torch.zeros(3), 1.0, torch.eye(3)))


def _measure(model: Model, item: Item) -> Iterator[MeasuredView]:
    own = item.scene
    cameras = own.cameras()
    for count, inputs in item.inputs.items():
        scene = encode_views(model, own, inputs)
        targets = item.targets[count]
        truths, outlines = own.images(targets), own.masks(targets)
        assert outlines is not None
        for view, truth, outline in zip(targets, truths, outlines, strict=True):
            picture = scene.render(cameras[view])
            inside = outline | (picture.opacity > 0.5)
            error = (picture.color - truth.movedim(0, -1)).abs().mean(-1)
            terms = _terms(scene, own.view_of(cameras[view]))
            yield MeasuredView(
                item.group,
                count,
                picture.confidence[inside].numpy(),
                error[inside].numpy(),
                terms[inside].numpy(),
            )


def _terms(scene: Scene, view: View) -> Float[Tensor, "height width 4"]:
    """Spread, unseen, disagreement and edge, as the formula has them."""
    unseen = find_doubts(scene.volume, scene.evidence.unseen, view)
    differing = find_doubts(scene.volume, scene.evidence.disagreement, view)
    edge = 4 * unseen.opacity * (1 - unseen.opacity)
    return torch.stack([unseen.spread, unseen.unexplained, differing.unexplained, edge], dim=-1)


def _table(measured: Sequence[MeasuredView]) -> Table:
    table = Table("group", "photos", "all", "an image", title="rank correlation; share of right pixels by confidence")
    for low, high in pairwise(LEVELS):
        table.add_column(f"{low:g} to {high:g}")
    for group, photos in sorted({(view.group, view.photos) for view in measured}):
        views = [view for view in measured if (view.group, view.photos) == (group, photos)]
        certain, error = (np.concatenate([getattr(view, key) for view in views]) for key in ("confidence", "error"))
        each = [float(np.asarray(spearmanr(view.confidence, view.error))[0]) for view in views]
        shares = []
        for low, high in pairwise(LEVELS):
            chosen = (certain >= low) & (certain < high)
            shares.append(f"{(error[chosen] < CLOSE).mean():.0%}" if chosen.any() else "-")
        overall = float(np.asarray(spearmanr(certain, error))[0])
        table.add_row(group, str(photos), f"{overall:.2f}", f"{np.median(each):.2f}", *shares)
    return table


def _fitted(terms: Float[ndarray, "pixel 4"], error: Float[ndarray, "pixel"]) -> Float[ndarray, "5"]:
    """Certainty and weights, none negative, that make the pixels' being right or wrong most probable."""
    right = error < CLOSE

    def loss(values: Float[ndarray, "5"]) -> tuple[float, Float[ndarray, "5"]]:
        odds = values[0] - terms @ values[1:]
        slope = (expit(odds) - right) / len(right)
        return float(np.logaddexp(0, np.where(right, -odds, odds)).mean()), np.append(slope.sum(), -terms.T @ slope)

    return minimize(loss, np.ones(5), jac=True, method="L-BFGS-B", bounds=[(0, None)] * 5).x


if __name__ == "__main__":
    run_entry(main, "eval_fewshot", "../conf")
