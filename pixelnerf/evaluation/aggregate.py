"""From scores of scenes to the numbers that are reported.

The mean over scenes is instance-weighted, as the papers' is: a category counts as often as it has objects. Where each
scene is measured at several sizes, the mean is over scenes and then sizes, as mip-NeRF's.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from pixelnerf.evaluation.baselines import BASELINES, REFINERS, Method
from pixelnerf.evaluation.evaluator import SceneScores, Scores

METHODS = ("model", *REFINERS, *BASELINES)
METRICS = ("psnr", "ssim", "lpips", "sharpness", "seconds")


def metrics_json(
    protocol: str, checkpoint: str, results: Sequence[SceneScores], notes: dict[str, str]
) -> dict[str, Any]:
    """The contents of `metrics.json` (DESIGN, section 6).

    `notes` says why a value is null (by the metric's name) and what else a reader must know.
    """
    views = {}
    for count in sorted(results[0].scores):
        present = results[0].scores[count]
        refined, baselines = (
            {method: _groups(results, count, method) for method in methods if method in present}
            for methods in (REFINERS, BASELINES)
        )
        views[str(count)] = {
            **_groups(results, count, "model"),
            **({"refined": refined} if refined else {}),
            "baselines": baselines,
        }
    return {"protocol": protocol, "checkpoint": checkpoint, "views": views, "notes": notes}


def per_object_csv(results: Sequence[SceneScores]) -> str:
    """One line for each scene, number of input views and method; an empty field was not measured."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["group", "category", "object", "size", "views", "targets", "method", *METRICS])
    for result in results:
        for count, methods in sorted(result.scores.items()):
            for method, scores in sorted(methods.items(), key=lambda entry: METHODS.index(entry[0])):
                values = [_rounded(value) for value in asdict(scores).values()]
                writer.writerow(
                    [
                        *(result.group, result.category, result.scene, result.size),
                        *(count, result.targets[count], method, *values),
                    ]
                )
    return buffer.getvalue()


def mean_scores(scores: Sequence[Scores]) -> dict[str, Any]:
    """The mean of each metric over scenes, None where a scene has none."""
    means: dict[str, Any] = {}
    for metric in METRICS:
        values = [getattr(score, metric) for score in scores]
        means[metric] = None if None in values else sum(values) / len(values)
    return means


def _groups(results: Sequence[SceneScores], count: int, method: Method) -> dict[str, Any]:
    """By group in the protocol's order: the mean over scenes, and the same for each category and of several sizes."""
    groups = {}
    for group in dict.fromkeys(result.group for result in results):
        members = [result for result in results if result.group == group]
        categories = _parts(members, count, method, lambda result: result.category)
        sizes = _parts(members, count, method, lambda result: result.size)
        groups[group] = {
            **_mean(members, count, method),
            "categories": {name: means for name, means in categories.items() if name},
            **({"sizes": sizes} if len(sizes) > 1 else {}),
        }
    return groups


def _parts(
    results: Sequence[SceneScores], count: int, method: Method, part_of: Callable[[SceneScores], str]
) -> dict[str, dict[str, Any]]:
    """The means of the parts that results fall into, in the order of their first ones."""
    parts: dict[str, list[SceneScores]] = {}
    for result in results:
        parts.setdefault(part_of(result), []).append(result)
    return {name: _mean(members, count, method) for name, members in parts.items()}


def _mean(results: Sequence[SceneScores], count: int, method: Method) -> dict[str, Any]:
    """Means over results, and the number of scenes that they are of."""
    means = mean_scores([result.scores[count][method] for result in results])
    return {**means, "objects": len({result.scene for result in results})}


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
