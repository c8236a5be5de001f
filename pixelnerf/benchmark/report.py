"""What the benchmark found, as tables and as one figure."""

import io
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from pixelnerf.benchmark.measure import PARTS

MEBI = 1024**2


def print_results(results: dict[str, Any], console: Console) -> None:
    """Prints the ratios, the times behind them, and where the time goes."""
    if not results["trained_weights"]:
        console.print("note: weights are random, so space is nowhere empty: give checkpoint=PATH for rendering figures")
    if results["widened"]:
        console.print(
            "note: the trained net is smaller than the timed one; it was widened to it by zeros, which keeps its "
            "pictures and its empty space, at the larger net's cost"
        )
    training, views = results["training_step"], results["views"]
    table = Table(title=f"{results['model']} against the original, {results['device']}", title_justify="left")
    for name in ("", "original", "ours", "ratio"):
        table.add_column(name, justify="left" if not name else "right")
    original, view, frame = (views[name] for name in ("original_view_seconds", "view_seconds", "frame_seconds"))
    rows = (
        (f"training step, {training['rays']} rays", training["original_seconds"], training["seconds"]),
        ("one view, fast", original, view),
        (f"a frame of {views['frames']}, fast", original, frame),
    )
    for name, theirs, ours in rows:
        table.add_row(name, f"{theirs:.3f} s", f"{ours:.3f} s", f"{theirs / ours:.1f}x")
    table.add_row(
        "training step, memory",
        *(f"{training[name] / MEBI:.0f} MiB" for name in ("original_peak_bytes", "peak_bytes")),
    )
    table.add_row("training step, GFLOP", *(f"{training[name] / 1e9:.0f}" for name in ("original_flops", "flops")))
    table.add_row("training, samples/s", "", f"{training['samples_per_second']:.0f}")
    table.add_row("rendering, rays/s", f"{views['original_rays_per_second']:.0f}", f"{views['rays_per_second']:.0f}")
    console.print(table)
    console.print(_parts_table(results["profile"]))
    console.print("PSNR: " + ", ".join(f"{name} {value:.2f} dB" for name, value in results["psnr"].items()))
    console.print(f"MLP: {results['mlp_share_of_peak']:.0%} of the matrix-product peak, ", end="")
    console.print(f"{results['profile']['peak_flops_per_second'] / 1e9:.0f} GFLOP/s in this process")
    console.print(f"the trained net at 64x64, fast: {results['fps_64']:.1f} frames a second")


def figure_png(results: dict[str, Any]) -> bytes:
    """Seconds and memory of a view against pixels, photos and samples."""
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    panels = figure.subplots(1, 4)
    kinds = (
        ("pixels", "pixels across"),
        ("views", "photos"),
        ("samples", "coarse samples of exact"),
    )
    for quality, sweeps in results["sweeps"].items():
        for axes, (kind, label) in zip(panels, kinds, strict=False):
            axes.plot(*_line(sweeps[kind], 1), marker=".", label=quality)
            axes.set(xlabel=label, ylabel="seconds a view", yscale="log")
    panels[3].plot(*_line(results["memory_bytes"], MEBI), marker=".", label="fast")
    panels[0].set_xscale("log", base=2)
    panels[3].set_xscale("log", base=2)
    panels[3].set(xlabel="pixels across", ylabel="peak memory / MiB")
    panels[3].set_ylim(bottom=0)
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _line(points: dict[int, float], unit: float) -> tuple[list[int], list[float]]:
    return list(points), [value / unit for value in points.values()]


def _parts_table(profile: dict[str, Any]) -> Table:
    columns = {
        "original": "original_seconds_by_part",
        "one view": "view_seconds_by_part",
        "a frame": "frame_seconds_by_part",
    }
    table = Table(title="where the time goes, rendering", title_justify="left")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for part in (*PARTS, "other"):
        row = []
        for key in columns.values():
            total = sum(profile[key].values())
            row.append(f"{profile[key][part]:.3f} s {profile[key][part] / total:4.0%}")
        table.add_row(part, *row)
    return table
