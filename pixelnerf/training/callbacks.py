"""What a run shows and keeps after each validation: a progress line, a curve on disk, panels in W&B."""

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import lightning.pytorch as pl
from jaxtyping import UInt8
from lightning.pytorch.loggers import WandbLogger
from numpy import ndarray
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from typing_extensions import override

from pixelnerf.tools.files import write_atomically
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
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(CurvePoint._fields)
        writer.writerows((point.step, f"{point.minutes:.3f}", f"{point.psnr:.4f}") for point in points)
        write_atomically(self._path, buffer.getvalue().encode())


def read_curve(path: Path) -> list[CurvePoint]:
    """The points of a curve file; empty if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [CurvePoint(int(row["step"]), float(row["minutes"]), float(row["psnr"])) for row in csv.DictReader(file)]


@runtime_checkable
class ShowsValidation(Protocol):
    """A module that can show its last validation."""

    def validation_strips(self, count: int) -> dict[str, UInt8[ndarray, "height width 3"]]:
        """Strips of pictures of the first frozen views, by name."""
        ...


class ValidationPanels(pl.Callback):
    """Logs the strips of the first frozen views after each validation."""

    def __init__(self, count: int) -> None:
        self._count = count

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not isinstance(trainer.logger, WandbLogger):
            return
        assert isinstance(pl_module, ShowsValidation), "modules that are trained with panels have some to show"
        strips = pl_module.validation_strips(self._count)
        if strips:
            trainer.logger.log_image(
                "val/panels", list(strips.values()), step=trainer.global_step, caption=list(strips)
            )


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
