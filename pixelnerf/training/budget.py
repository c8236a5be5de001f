"""How long a run trains, when its state is saved, and what stops it: steps, minutes, or a signal."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
import torch
from typing_extensions import override

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""A terminal's Ctrl-C, what schedulers send before they kill, and what SLURM can send some time before its limit."""


class CutShortError(BaseException):
    """A signal stopped the run where its state cannot be saved; the last checkpoint is from just before.

    Like KeyboardInterrupt, it passes through what handles all errors.
    """


class Budget(pl.Callback):
    """Counts steps and minutes across resumes, saves the run's state, and stops it.

    After a signal (`STOPPING`) the step is finished and the state saved; a second SIGINT stops at once. A validation is
    not finished: the state saved before it says that it is due, so that the resumed run begins with it. It is therefore
    Lightning's only limit of steps, because Lightning would not validate after its own.
    """

    def __init__(self, max_steps: int, max_minutes: float | None, save_every: int, last_checkpoint: Path) -> None:
        self.max_steps = max_steps
        self.max_minutes = max_minutes
        self.stopped_by: signal.Signals | None = None
        self.saved_step: int | None = None
        self._save_every = save_every
        self._last_checkpoint = last_checkpoint
        self._seconds_before = 0.0
        self._started: float | None = None
        self._steps = 0
        self._counted_seconds = 0.0
        self._validation_due = False

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return self._seconds_before + (time.monotonic() - self._started if self._started is not None else 0.0)

    @property
    def progress(self) -> float:
        """The share spent of steps or minutes, whichever is larger; in [0, 1]."""
        by_time = self._counted_seconds / (60 * self.max_minutes) if self.max_minutes is not None else 0.0
        return min(max(self._steps / self.max_steps, by_time), 1.0)

    @contextmanager
    def signals_noted(self) -> Iterator[None]:
        """Signals stop the run in good order inside the block."""
        before = self._note_signals()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Again, because Lightning has put its own handlers before ours: they leave in the middle of a step.
        self._note_signals()
        self._steps, self._counted_seconds = trainer.global_step, self._seconds_before
        if self._last_checkpoint.is_file():
            self.saved_step = self._steps
        self._started = time.monotonic()
        if self._validation_due:
            validation = trainer.fit_loop.epoch_loop.val_loop
            validation.restarting = False
            trainer.validating = True
            validation.run()
            trainer.training = True
        trainer.should_stop = self.progress >= 1.0

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any, **kwargs: Any) -> None:
        self._steps = trainer.global_step
        self._agree(trainer)
        done = self.progress >= 1.0
        self._validation_due = done or self._steps % trainer.val_check_interval == 0
        if self.stopped_by is not None:
            # Nobody wants to wait for a validation.
            trainer.limit_val_batches = 0
        if done or self.stopped_by is not None:
            trainer.should_stop = True
        if trainer.should_stop or self._validation_due or self._steps % self._save_every == 0:
            trainer.save_checkpoint(self._last_checkpoint)
            self.saved_step = self._steps

    @override
    def on_validation_batch_start(self, trainer: pl.Trainer, *args: Any, **kwargs: Any) -> None:
        self._agree(trainer)
        if self.stopped_by is not None:
            raise CutShortError

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "validation_due": self._validation_due}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seconds_before = state_dict["seconds"]
        # Files from before there was such a key were validated after they were saved, or never.
        self._validation_due = state_dict.get("validation_due", False)

    def _agree(self, trainer: pl.Trainer) -> None:
        """Processes that train together go by the first one's clock, and all stop if one has got a signal."""
        if trainer.world_size == 1:
            self._counted_seconds = self.seconds
            return
        own = (self.stopped_by or 0, self.seconds if trainer.is_global_zero else 0.0)
        values = torch.tensor(own, dtype=torch.float64).to(trainer.strategy.root_device)
        stop, self._counted_seconds = trainer.strategy.reduce(values, reduce_op="max").tolist()
        self.stopped_by = signal.Signals(int(stop)) if stop else None

    def _note_signals(self) -> dict[signal.Signals, Any]:
        return {number: signal.signal(number, self._stop) for number in STOPPING}

    def _stop(self, signal_number: int, frame: FrameType | None) -> None:
        if self.stopped_by is not None and signal_number == signal.SIGINT:
            raise CutShortError
        self.stopped_by = self.stopped_by or signal.Signals(signal_number)
