"""What an evaluation shows in the terminal: a progress bar while it runs, a table when it is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from pixelnerf.evaluation.published import published_rows
from pixelnerf.evaluation.report import TITLES, groups_of


class Bar:
    """Counts finished scenes."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, note: str) -> None:
        """One more; the note stands beside the bar."""
        self._progress.update(self._task, advance=1, note=note)


@contextmanager
def progress_bar(console: Console, title: str, total: int) -> Iterator[Bar]:
    """A bar with the count, a note, the time spent and the time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(progress, progress.add_task(title, total=total, note=""))


def results_table(metrics: dict[str, Any], comparable: bool) -> Table:
    """The summary of `metrics.json`, with published rows where they are comparable."""
    table = Table(title=metrics["protocol"])
    for name in ("scenes", "photos", "method"):
        table.add_column(name)
    for name in ("PSNR", "SSIM", "LPIPS", "objects"):
        table.add_column(name, justify="right")
    for group in groups_of(metrics, next(iter(metrics["views"]))):
        for views, numbers in metrics["views"].items():
            _add(table, group, views, TITLES["model"], numbers[group])
            # Scenes without categories have them only where a protocol measures several sizes.
            for size, scores in numbers[group]["categories"].items() if group == "all" else ():
                _add(table, group, views, f"  at {size}", scores)
            for method, scores in numbers["baselines"].items():
                _add(table, group, views, TITLES[method], scores[group])
            objects = numbers[group]["objects"]
            for row in published_rows(metrics["protocol"], int(views), group, objects) if comparable else ():
                _add(table, group, views, f"{row.method} (published)", row.model_dump())
        table.add_section()
    return table


def _add(table: Table, group: str, views: str, method: str, scores: dict[str, Any]) -> None:
    numbers = ["-" if scores[name] is None else f"{scores[name]:.3f}" for name in ("ssim", "lpips")]
    table.add_row(group, views, method, f"{scores['psnr']:.2f}", *numbers, str(scores["objects"] or ""))
