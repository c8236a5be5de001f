"""Training's progress line: steps, steps per second, PSNR, time left."""

from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from typing_extensions import override

from pixelnerf.training.budget import Budget

SMOOTHING = 0.98
"""Weight of the old value in the running PSNR; a single batch's is too noisy to read."""


class ProgressLine(pl.Callback):
    """A live bar in a terminal; otherwise a line after every validation."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("step {task.fields[step]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]:.1f} steps/s, {task.fields[psnr]:.2f} dB"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task("train", total=1.0, step=0, rate=0.0, psnr=float("nan"))
        self._psnr: float | None = None
        self._first_step = 0
        self._first_second = 0.0
        self._rate = 0.0

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._first_step, self._first_second = trainer.global_step, self._budget.seconds

    @override
    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        seconds = max(self._budget.seconds - self._first_second, 1e-9)
        self._rate = (trainer.global_step - self._first_step) / seconds
        pl_module.log("speed/steps_per_second", self._rate)
        value = trainer.callback_metrics.get("train/psnr")
        if value is not None:
            latest = float(value)
            self._psnr = latest if self._psnr is None else SMOOTHING * self._psnr + (1 - SMOOTHING) * latest
        if trainer.is_global_zero:
            # Started late, so that an error in the first batch is the only line.
            self._progress.start()
        self._progress.update(
            self._task,
            completed=self._budget.progress,
            step=trainer.global_step,
            rate=self._rate,
            psnr=float("nan") if self._psnr is None else self._psnr,
        )

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        value = trainer.callback_metrics.get("val/psnr")
        if value is not None and trainer.is_global_zero:
            self._console.print(
                f"step {trainer.global_step}: validation {float(value):.2f} dB, "
                f"{self._rate:.1f} steps/s, {self._budget.seconds / 60:.1f} min"
            )

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._progress.stop()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._progress.stop()
