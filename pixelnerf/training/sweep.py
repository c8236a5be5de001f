"""A sweep's table and figure; runs that differ only in their seed are averaged."""

import csv
import io
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import yaml
from matplotlib import pyplot
from matplotlib.figure import Figure

from pixelnerf.errors import UserError
from pixelnerf.tools.files import write_atomically
from pixelnerf.training.callbacks import CURVE_FILE, CurvePoint, read_curve


@dataclass(frozen=True)
class Setting:
    """Overrides without the seed, and the validation curves of their runs."""

    name: str
    curves: tuple[tuple[CurvePoint, ...], ...]

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
            "psnr": f"{statistics.mean(last):.2f}",
            "psnr_spread": f"{statistics.stdev(last):.2f}" if len(last) > 1 else "",
            "best_psnr": f"{statistics.mean(max(point.psnr for point in curve) for curve in self.curves):.2f}",
            "steps": f"{statistics.mean(curve[-1].step for curve in self.curves):.0f}",
            "minutes": f"{statistics.mean(curve[-1].minutes for curve in self.curves):.1f}",
        }


def read_sweep(folder: Path) -> list[Setting]:
    """The settings in a sweep's folder, in the order they were run.

    Raises:
        UserError: the folder holds no validated run of a sweep.
    """
    curves: dict[str, list[tuple[CurvePoint, ...]]] = {}
    paths = sorted(folder.glob(f"*/{CURVE_FILE}"), key=lambda path: (len(path.parent.name), path.parent.name))
    for path in paths:
        points = read_curve(path)
        if points:
            curves.setdefault(_setting_name(path.parent), []).append(tuple(points))
    if not curves:
        raise UserError(f"{folder} holds no runs of a sweep (*/{CURVE_FILE}); name the folder that train.py -m wrote")
    return [Setting(name, tuple(found)) for name, found in _shortened(curves).items()]


def write_sweep(folder: Path, settings: list[Setting]) -> None:
    """Writes `sweep.csv`, `sweep.md` and `sweep.png`."""
    rows = [setting.row() for setting in settings]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / "sweep.csv", buffer.getvalue().encode())
    write_atomically(folder / "sweep.md", markdown(rows).encode())
    figure = draw(settings)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150)
    pyplot.close(figure)
    write_atomically(folder / "sweep.png", picture.getvalue())


def markdown(rows: list[dict[str, str]]) -> str:
    """The table in Markdown, best setting first."""
    lines = ["| setting | PSNR | seeds | steps | minutes |", "|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: -float(row["psnr"])):
        spread = f" ± {row['psnr_spread']}" if row["psnr_spread"] else ""
        lines.append(
            f"| {row['setting']} | {row['psnr']}{spread} | {row['seeds']} | {row['steps']} | {row['minutes']} |"
        )
    return "\n".join(lines) + "\n"


def draw(settings: list[Setting]) -> Figure:
    """PSNR against steps: a line for the mean over seeds, a band from the worst seed to the best."""
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for setting in settings:
        shared = set.intersection(*({point.step for point in curve} for curve in setting.curves))
        steps = sorted(shared)
        values = [[point.psnr for curve in setting.curves for point in curve if point.step == step] for step in steps]
        (line,) = axes.plot(steps, [statistics.mean(at) for at in values], label=setting.name, marker=".")
        axes.fill_between(
            steps, [min(at) for at in values], [max(at) for at in values], color=line.get_color(), alpha=0.2, lw=0
        )
    axes.set_xlabel("training step")
    axes.set_ylabel("validation PSNR / dB")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def _setting_name(run: Path) -> str:
    path = run / ".hydra" / "overrides.yaml"
    if not path.is_file():
        raise UserError(f"{run} is not a run of train.py -m: it has no .hydra/{path.name}")
    overrides = yaml.safe_load(path.read_text("utf-8"))
    # A variant's folder is its ablation's name, common to all of its runs.
    named = [re.sub(r"^variant=([^/]*/)*", "", override) for override in overrides]
    return ", ".join(override for override in named if not override.startswith("seed="))


def _shortened(curves: dict[str, list[tuple[CurvePoint, ...]]]) -> dict[str, list[tuple[CurvePoint, ...]]]:
    parts = {name: name.split(", ") for name in curves}
    shared = set.intersection(*(set(found) for found in parts.values()))
    plain = "as it is" if len(curves) > 1 else "all runs"
    return {
        ", ".join(part for part in parts[name] if part not in shared) or plain: found for name, found in curves.items()
    }
