"""The progress bar of all long tasks except for training, whose line shows more."""

from collections.abc import Iterator
from contextlib import contextmanager

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


class Bar:
    """Counts finished items."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, note: str = "", count: int = 1) -> None:
        """Counts one or `count` more items; the note is shown beside the bar."""
        self._progress.update(self._task, advance=count, note=note)


@contextmanager
def progress_bar(title: str, total: int, console: Console | None = None) -> Iterator[Bar]:
    """A bar with the count, a note, the time spent and the time left; on stderr unless a console is given."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console or Console(stderr=True)) as progress:
        yield Bar(progress, progress.add_task(title, total=total, note=""))
