"""What is shown and kept of how a run goes: the progress line and the validation curve."""

import csv
import math
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from typing_extensions import override

from pixelnerf.tools.files import csv_bytes, refusal_in_a_line, write_atomically
from pixelnerf.training.budget import Budget

CURVE_FILE = "validation.csv"


class CurvePoint(NamedTuple):
    """A validation: the training step, minutes of training so far, and PSNR in dB."""

    step: int
    minutes: float
    psnr: float


class ValidationCurve(pl.Callback):
    """Keeps `validation.csv` in the run's folder, across resumes."""

    def __init__(self, run_dir: Path, budget: Budget) -> None:
        self._path = run_dir / CURVE_FILE
        self._budget = budget

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        value = trainer.callback_metrics.get("val/psnr")
        if value is None or not trainer.is_global_zero:
            return
        # Steps repeated by a resumed run replace the interrupted run's.
        earlier = [point for point in read_curve(self._path) if point.step < trainer.global_step]
        points = [*earlier, CurvePoint(trainer.global_step, self._budget.seconds / 60, float(value))]
        rows = [(point.step, f"{point.minutes:.3f}", f"{point.psnr:.4f}") for point in points]
        with refusal_in_a_line(str(self._path), "; make room, and continue with resume=PATH"):
            write_atomically(self._path, csv_bytes(CurvePoint._fields, rows))


def read_curve(path: Path) -> list[CurvePoint]:
    """The points of a curve file; empty if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [CurvePoint(int(row["step"]), float(row["minutes"]), float(row["psnr"])) for row in csv.DictReader(file)]


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
        self._task = self._progress.add_task("train", total=1.0, step=0, rate=0.0, psnr=math.nan)
        self._psnr = math.nan
        self._rate = 0.0

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._first_step, self._first_second = trainer.global_step, self._budget.seconds

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any, **kwargs: Any) -> None:
        step, seconds = trainer.global_step, self._budget.seconds - self._first_second
        self._rate = (step - self._first_step) / max(seconds, 1e-9)
        pl_module.log("speed/steps_per_second", self._rate)
        if "train/psnr" in trainer.callback_metrics:
            latest = float(trainer.callback_metrics["train/psnr"])
            self._psnr = latest if math.isnan(self._psnr) else SMOOTHING * self._psnr + (1 - SMOOTHING) * latest
        if trainer.is_global_zero:
            # Started late, so that an error in the first batch is the only line.
            self._progress.start()
        done = self._budget.progress
        self._progress.update(self._task, completed=done, step=step, rate=self._rate, psnr=self._psnr)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        value = trainer.callback_metrics.get("val/psnr")
        if value is not None and trainer.is_global_zero:
            self._console.print(
                f"step {trainer.global_step}: validation {float(value):.2f} dB, "
                f"{self._rate:.1f} steps/s, {self._budget.seconds / 60:.1f} min"
            )

    @override
    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        self._progress.stop()

    on_exception = on_train_end
