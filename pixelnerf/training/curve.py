"""The validation curve of a run as a file, for later tables and figures."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import lightning.pytorch as pl
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
