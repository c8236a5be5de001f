"""What a reader says: which view is at fault and how to leave it out, and what it noticed in a scene's files."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pixelnerf.errors import UserError

logger = logging.getLogger(__name__)

Notes = dict[str, list[str]]
"""What was noticed, and where."""

_collected: ContextVar[Notes | None] = ContextVar("notes", default=None)


def note(what: str, where: object) -> None:
    """Records that a file has something that its reader does not use, or that it had to decide on.

    Reported once a scene by `collected_notes`; outside of it, in the log.
    """
    notes = _collected.get()
    if notes is None:
        logger.warning("'%s': %s", where, what)
    elif str(where) not in (places := notes.setdefault(what, [])):
        places.append(str(where))


@contextmanager
def collected_notes() -> Iterator[list[str]]:
    """The notes of the block, one line for each kind of them, in a list that is filled when the block ends."""
    lines: list[str] = []
    notes: Notes = {}
    token = _collected.set(notes)
    try:
        yield lines
    finally:
        _collected.reset(token)
        for what, places in notes.items():
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            lines.append(f"'{places[0]}'{more}: {what}")


@contextmanager
def named_view(number: int | None) -> Iterator[None]:
    """Adds to a UserError about one view how the view is left out, if views of the dataset can be."""
    try:
        yield
    except UserError as error:
        if number is None or "dataset.leave_out=" in str(error):
            raise
        raise UserError(f"{error}; dataset.leave_out=[{number}] leaves it out") from None
