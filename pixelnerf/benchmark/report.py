"""What the benchmark found, as tables and as one figure."""

import io
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Column, Table

MEBI = 1024**2


def print_results(results: dict[str, Any], console: Console) -> None:
    """Prints the ratios, the times behind them, and where the time goes."""
    if not results["trained_weights"]:
        console.print("note: weights are random, so space is nowhere empty: give checkpoint=PATH for rendering figures")
    if results["borrowed_empty_space"]:
        console.print("note: the timed net is untrained; it skips what the trained one finds empty, at its own cost")
    training, views = results["training_step"], results["views"]
    original_view = views["original_view_seconds"]
    compared = [
        (f"training step, {training['rays']} rays", training["original_seconds"], training["seconds"]),
        ("one view, fast", original_view, views["view_seconds"]),
        (f"a frame of {views['frames']}, fast", original_view, views["frame_seconds"]),
    ]
    memory, work = ([training[f"original_{key}"], training[key]] for key in ("peak_bytes", "flops"))
    rows = [[name, f"{old:.3f} s", f"{new:.3f} s", f"{old / new:.1f}x"] for name, old, new in compared]
    rows.append(["training step, memory", *(f"{value / MEBI:.0f} MiB" for value in memory)])
    rows.append(["training step, GFLOP", *(f"{value / 1e9:.0f}" for value in work)])
    title = f"{results['model']} against the original, {results['device']}"
    _print_table(console, title, ("original", "ours", "ratio"), rows)
    parts = list(results["profile"].values())
    rows = [
        [name, *(f"{part[name]:.3f} s {part[name] / sum(part.values()):4.0%}" for part in parts)] for name in parts[0]
    ]
    _print_table(console, "where the time goes, rendering", tuple(results["profile"]), rows)
    console.print("PSNR: " + ", ".join(f"{name} {value:.2f} dB" for name, value in results["psnr"].items()))
    console.print(f"the trained net at 64x64, fast: {results['fps_64']:.1f} frames a second")


def figure_png(results: dict[str, Any]) -> bytes:
    """Seconds and memory of a view against pixels, photos and samples."""
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    *panels, memory_panel = figure.subplots(1, 4)
    labels = {"pixels": "pixels across", "views": "photos", "samples": "coarse samples of exact"}
    for axes, (kind, label) in zip(panels, labels.items(), strict=True):
        for quality, sweeps in results["sweeps"].items():
            axes.plot(sweeps[kind].keys(), sweeps[kind].values(), marker=".", label=quality)
            axes.set_xticks(list(sweeps[kind]))
        axes.set(xlabel=label, ylabel="seconds a view", yscale="log")
    memory = {side: used / MEBI for side, used in results["memory_bytes"].items()}
    memory_panel.plot(memory.keys(), memory.values(), marker=".", label="fast")
    memory_panel.set(xlabel="pixels across", ylabel="peak memory / MiB", ylim=(0, 1.1 * max(memory.values())))
    for axes in (panels[0], memory_panel):
        axes.set_xscale("log", base=2)
    for axes in (*panels, memory_panel):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _print_table(console: Console, title: str, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    table = Table("", *(Column(name, justify="right") for name in columns), title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
