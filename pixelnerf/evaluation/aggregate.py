"""From scores of scenes to the numbers that are reported.

The mean over scenes is instance-weighted, as the papers' is: a category counts as often as it has objects.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pixelnerf.evaluation.baselines import BASELINES, Method
from pixelnerf.evaluation.evaluator import SceneScores, Scores

METHODS = ("model", *BASELINES)
METRICS = ("psnr", "ssim", "lpips")


def metrics_json(
    protocol: str, checkpoint: str, results: Sequence[SceneScores], notes: dict[str, str]
) -> dict[str, Any]:
    """The contents of `metrics.json` (DESIGN, section 6).

    `notes` says why a value is null (by the metric's name) and what else a reader must know.
    """
    views = {}
    for count in sorted(results[0].scores):
        present = results[0].scores[count]
        baselines = {method: _groups(results, count, method) for method in BASELINES if method in present}
        views[str(count)] = {**_groups(results, count, "model"), "baselines": baselines}
    return {"protocol": protocol, "checkpoint": checkpoint, "views": views, "notes": notes}


def per_object_csv(results: Sequence[SceneScores]) -> str:
    """One line for each scene, number of input views and method; an empty field was not measured."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["group", "category", "object", "views", "targets", "method", *METRICS])
    for result in results:
        for count, methods in sorted(result.scores.items()):
            for method, scores in sorted(methods.items(), key=lambda entry: METHODS.index(entry[0])):
                values = [_rounded(value) for value in asdict(scores).values()]
                writer.writerow(
                    [result.group, result.category, result.scene, count, result.targets[count], method, *values]
                )
    return buffer.getvalue()


def mean_scores(scores: Sequence[Scores]) -> dict[str, Any]:
    """The mean of each metric over scenes, None where a scene has none, and the number of scenes."""
    means: dict[str, Any] = {}
    for metric in METRICS:
        values = [getattr(score, metric) for score in scores]
        means[metric] = None if None in values else sum(values) / len(values)
    return {**means, "objects": len(scores)}


def _groups(results: Sequence[SceneScores], count: int, method: Method) -> dict[str, Any]:
    """By group in the protocol's order: the mean over scenes, and the same for each category."""
    groups = {}
    for group in dict.fromkeys(result.group for result in results):
        members = [result for result in results if result.group == group]
        by_category: dict[str, list[Scores]] = {}
        for result in members:
            by_category.setdefault(result.category, []).append(result.scores[count][method])
        groups[group] = {
            **mean_scores([result.scores[count][method] for result in members]),
            "categories": {name: mean_scores(scores) for name, scores in by_category.items() if name},
        }
    return groups


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
