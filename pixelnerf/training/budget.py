"""Stopping training: after steps or minutes, or by signal; always with a checkpoint."""

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
from typing_extensions import override


class Budget(pl.Callback):
    """Counts steps and minutes, across resumes, and stops the trainer between two steps.

    After the first SIGINT or SIGTERM the step is finished, the checkpoint written and `interrupted` set. A second
    SIGINT stops at once.
    """

    def __init__(self, max_steps: int, max_minutes: float | None, last_checkpoint: Path) -> None:
        self.max_steps = max_steps
        self.max_minutes = max_minutes
        self.interrupted = False
        self._last_checkpoint = last_checkpoint
        self._seconds_before = 0.0
        self._started: float | None = None
        self._steps = 0
        self._handlers: dict[int, Any] = {}

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        running = time.monotonic() - self._started if self._started is not None else 0.0
        return self._seconds_before + running

    @property
    def progress(self) -> float:
        """The share spent of steps or minutes, whichever is larger; in [0, 1]."""
        by_time = self.seconds / (60 * self.max_minutes) if self.max_minutes is not None else 0.0
        return min(max(self._steps / self.max_steps, by_time), 1.0)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._steps = trainer.global_step
        self._started = time.monotonic()

        def request(signal_number: int, frame: FrameType | None) -> None:
            if self.interrupted and signal_number == signal.SIGINT:
                raise KeyboardInterrupt
            self.interrupted = True

        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, request)

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._steps = trainer.global_step
        if self.interrupted:
            # After an interrupt, nobody wants to wait for a validation.
            trainer.limit_val_batches = 0
        if self.interrupted or self.progress >= 1.0:
            trainer.should_stop = True
            trainer.save_checkpoint(self._last_checkpoint)

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restore_handlers()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._restore_handlers()

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seconds_before = state_dict["seconds"]

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
