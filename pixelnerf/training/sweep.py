"""A sweep's table and figure; runs that differ only in their seed are averaged."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import yaml
from matplotlib.figure import Figure

from pixelnerf.errors import FAILED_FILE, UserError
from pixelnerf.tools.files import csv_bytes, refusal_in_a_line, write_atomically
from pixelnerf.training.callbacks import CURVE_FILE, CurvePoint, read_curve


@dataclass(frozen=True)
class Setting:
    """Overrides without the seed, and the validation curves of their runs."""

    name: str
    curves: tuple[list[CurvePoint], ...]

    @property
    def last_psnr(self) -> list[float]:
        """Each run's PSNR in dB at its last validation."""
        return [curve[-1].psnr for curve in self.curves]

    def row(self) -> dict[str, str]:
        """The setting's row of the table; the spread is the standard deviation over seeds, empty for one seed."""
        last = self.last_psnr
        return {
            "setting": self.name,
            "seeds": str(len(last)),
            "psnr": f"{mean(last):.2f}",
            "psnr_spread": f"{stdev(last):.2f}" if len(last) > 1 else "",
            "best_psnr": f"{mean(max(point.psnr for point in curve) for curve in self.curves):.2f}",
            "steps": f"{mean(curve[-1].step for curve in self.curves):.0f}",
            "minutes": f"{mean(curve[-1].minutes for curve in self.curves):.1f}",
        }


def read_sweep(folder: Path) -> list[Setting]:
    """The settings in a sweep's folder, in the order they were run; without what `left_out` names.

    Raises:
        UserError: the folder holds no validated run of a sweep.
    """
    curves: dict[tuple[str, ...], list[list[CurvePoint]]] = {}
    for run in _runs(folder):
        points = read_curve(run / CURVE_FILE)
        if points and not (run / FAILED_FILE).is_file():
            curves.setdefault(_overrides(run), []).append(points)
    if not curves:
        raise UserError(f"{folder} holds no runs of a sweep (*/{CURVE_FILE}); name the folder that train.py -m wrote")
    shared = set.intersection(*map(set, curves))
    unnamed = "as it is" if len(curves) > 1 else "all runs"
    names = [", ".join(part for part in overrides if part not in shared) or unnamed for overrides in curves]
    return [Setting(name, tuple(found)) for name, found in zip(names, curves.values(), strict=True)]


def left_out(folder: Path) -> list[str]:
    """A line for each run in a sweep's folder that failed, or has not been validated yet: which, and why.

    A run that fails late has validations, but not as many as its neighbours to be averaged with.
    """
    lines = []
    for run in _runs(folder):
        failed = run / FAILED_FILE
        if failed.is_file():
            # Of a mistake, the only line; of a bug, the traceback's last one.
            reason = failed.read_text("utf-8").strip().splitlines()[-1:]
            lines.append(f"{run.name} ({', '.join(_overrides(run))}) failed: {''.join(reason)}")
        elif not read_curve(run / CURVE_FILE):
            lines.append(f"{run.name} ({', '.join(_overrides(run))}) has no validation")
    return lines


def write_sweep(folder: Path, settings: list[Setting]) -> None:
    """Writes `sweep.csv`, `sweep.md` and `sweep.png`.

    Raises:
        UserError: the folder cannot be written.
    """
    rows = [setting.row() for setting in settings]
    picture = io.BytesIO()
    _figure(settings).savefig(picture, format="png", dpi=150)
    with refusal_in_a_line(f"into {folder}"):
        write_atomically(folder / "sweep.csv", csv_bytes(rows[0], [row.values() for row in rows]))
        write_atomically(folder / "sweep.md", markdown(rows).encode())
        write_atomically(folder / "sweep.png", picture.getvalue())


def markdown(rows: list[dict[str, str]]) -> str:
    """The table in Markdown, best setting first."""
    lines = ["| setting | PSNR | seeds | steps | minutes |", "|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: -float(row["psnr"])):
        spread = f" ± {row['psnr_spread']}" if row["psnr_spread"] else ""
        cells = [row["setting"], row["psnr"] + spread, row["seeds"], row["steps"], row["minutes"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _figure(settings: list[Setting]) -> Figure:
    """PSNR against steps: a line for the mean over seeds, a band from the worst seed to the best."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for setting in settings:
        curves = [{point.step: point.psnr for point in curve} for curve in setting.curves]
        steps = sorted(set.intersection(*map(set, curves)))
        values = [[curve[step] for curve in curves] for step in steps]
        (line,) = axes.plot(steps, list(map(mean, values)), label=setting.name, marker=".")
        low, high = list(map(min, values)), list(map(max, values))
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, lw=0)
    axes.set(xlabel="training step", ylabel="validation PSNR / dB")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def _runs(folder: Path) -> list[Path]:
    """The folders of a sweep's runs, in the order of their numbers."""
    found = {path.parent for name in (CURVE_FILE, FAILED_FILE) for path in folder.glob(f"*/{name}")}
    found |= {path.parent for path in folder.glob("*/.hydra")}
    return sorted(found, key=lambda run: (len(run.name), run.name))


def _overrides(run: Path) -> tuple[str, ...]:
    path = run / ".hydra" / "overrides.yaml"
    if not path.is_file():
        raise UserError(f"{run} is not a run of train.py -m: it has no .hydra/{path.name}")
    # A variant's folder is its ablation's name, common to all of its runs.
    named = [re.sub(r"^variant=([^/]*/)*", "", override) for override in yaml.safe_load(path.read_text("utf-8"))]
    return tuple(override for override in named if not override.startswith("seed="))
