"""Scenes with damaged files: the run stops, or they are skipped and counted."""

import logging
from collections.abc import Iterator, Sized
from contextlib import contextmanager

from pixelnerf.errors import UserError
from pixelnerf.scenes.scene import OnError

logger = logging.getLogger(__name__)


class DamagedScenes:
    """Counts the scenes that `on_error: skip` skips, with the first message of each."""

    def __init__(self, on_error: OnError) -> None:
        self.on_error = on_error
        self.messages: dict[tuple[int, int], str] = {}
        # Kept alive so that no other sequence gets the same id.
        self._kept: list[Sized] = []

    @contextmanager
    def guard(self, scenes: Sized, index: int) -> Iterator[None]:
        """Guards the reading of one scene; swallows its UserError if damaged scenes are skipped.

        Raises:
            UserError: damaged scenes are not skipped, or none is left.
        """
        try:
            yield
        except UserError as error:
            if self.on_error == "raise":
                raise
            self._add(scenes, index, str(error))

    def _add(self, scenes: Sized, index: int, message: str) -> None:
        key = (id(scenes), index)
        if key in self.messages:
            return
        self.messages[key] = message
        self._kept.append(scenes)
        logger.warning("skipped scene %d (%d so far): %s", index, len(self.messages), message)
        if sum(group == key[0] for group, _ in self.messages) == len(scenes):
            raise UserError(f"all {len(scenes)} scenes are damaged; the last one: {message}")
