"""The table that an evaluation prints."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from pixelnerf.evaluation.published import published_rows
from pixelnerf.evaluation.report import TITLES, groups_of, other_methods
from pixelnerf.images.metrics import average_error


def results_table(metrics: dict[str, Any], comparable: bool) -> Table:
    """The summary of `metrics.json`, with published rows where they are comparable.

    LPIPS has a column where it was measured, and beside it "Avg", mip-NeRF's one number of the three means in a row.
    Sharpness and seconds stand where methods of super-resolution are compared; `metrics.json` and the report always
    have them.
    """
    views = metrics["views"]
    groups = groups_of(metrics, next(iter(views)))
    with_lpips = any(numbers[group]["lpips"] is not None for numbers in views.values() for group in groups)
    with_cost = any("refined" in numbers or "bicubic" in numbers["baselines"] for numbers in views.values())
    table = Table(title=metrics["protocol"])
    for name in ("scenes", "photos", "method"):
        table.add_column(name)
    optional = [*(["LPIPS", "Avg"] if with_lpips else []), *(["sharp", "s/view"] if with_cost else [])]
    for name in ("PSNR", "SSIM", *optional, "objects"):
        table.add_column(name, justify="right")
    for group in groups:
        for count, numbers in views.items():
            for method, scores in _rows(metrics["protocol"], count, group, numbers, comparable):
                table.add_row(group, count, method, *_cells(scores, with_lpips, with_cost))
        table.add_section()
    return table


def _rows(
    protocol: str, count: str, group: str, numbers: dict[str, Any], comparable: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Methods and their scores for a number of photos: the model, also by size, the baselines, the papers."""
    yield TITLES["model"], numbers[group]
    for size, scores in numbers[group].get("sizes", {}).items():
        yield f"  at {size}", scores
    for method, scores in other_methods(numbers).items():
        yield TITLES[method], scores[group]
    for row in published_rows(protocol, int(count), group, numbers[group]["objects"]) if comparable else ():
        yield f"{row.method} (published)", row.model_dump()
        for size, scores in row.sizes.items():
            yield f"  at {size}", scores.model_dump()


def _cells(scores: dict[str, Any], with_lpips: bool, with_cost: bool) -> list[str]:
    values = [(scores["psnr"], 2), (scores["ssim"], 3)]
    if with_lpips:
        three = [scores[name] for name in ("psnr", "ssim", "lpips")]
        values += [(scores["lpips"], 3), (None if None in three else average_error(*three), 4)]
    if with_cost:
        values += [(scores.get("sharpness"), 3), (scores.get("seconds"), 2)]
    cells = ["-" if value is None else f"{value:.{digits}f}" for value, digits in values]
    return [*cells, str(scores["objects"] or "")]
