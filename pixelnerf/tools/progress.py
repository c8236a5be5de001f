"""The progress bar of all long tasks except for training, whose line shows more."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich import progress as rich_progress
from rich.console import Console

SPEED_PERIOD = 1800.0
"""Seconds of the past from which the time left is estimated."""


@dataclass(frozen=True)
class Bar:
    """Counts finished items."""

    progress: rich_progress.Progress
    task: rich_progress.TaskID

    def advance(self, note: str = "", count: int = 1) -> None:
        """Counts one or `count` more items; the note is shown beside the bar."""
        self.progress.update(self.task, advance=count, note=note)


@contextmanager
def progress_bar(title: str, total: int, console: Console | None = None) -> Iterator[Bar]:
    """A bar with the count, a note, the time spent and the time left; on stderr unless a console is given."""
    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("{task.fields[note]}", markup=False),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    console = console or Console(stderr=True)
    # Items can take minutes, and the time left needs two of them.
    with rich_progress.Progress(*columns, console=console, speed_estimate_period=SPEED_PERIOD) as progress:
        yield Bar(progress, progress.add_task(title, total=total, note=""))
