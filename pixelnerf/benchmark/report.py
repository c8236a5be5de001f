"""What the benchmark found, as a table and as a figure."""

import io
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text


def print_results(results: dict[str, Any], console: Console) -> None:
    """Prints seconds, PSNR, what the worst object loses against `exact` at any size, ratios, and frames a second."""
    qualities = results["qualities"]
    names = ("encode", "grid", "view", "frame", "dB 1/1", "1/2", "1/4")
    columns = [Column(name, justify="right") for name in (*names, "worst")]
    title = f"{results['checkpoint']}, {results['precision']}, {results['device']}, {results['threads']} threads"
    table = Table(
        "photos", "quality", *columns, title=Text(title), title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0)
    )
    for count, rows in qualities.items():
        exact = rows["exact"]["psnr"]
        cells = {f"{cells} wide": row for cells, row in results["cells"][count].items()}
        for name, row in (rows | cells).items():
            times = [f"{row[f'{step}_seconds']:.4f}" for step in names[:4]]
            means = [f"{fmean(values):.2f}" for values in row["psnr"].values()]
            table.add_row(str(count), name, *times, *means, f"{max(losses(row['psnr'], exact)):.2f}")
        table.add_section()
    console.print(table)
    for name in ("training_step", "view"):
        for precision, found in results[name].items():
            old, new = found["original"], found["ours"]
            times, flops = (f"{old[key] / new[key]:.1f}x" for key in ("seconds", "flops"))
            console.print(
                f"{name}, {precision}: {old['seconds']:.3f} s to {new['seconds']:.3f} s, {times}; FLOPs {flops}"
            )
    for threads, sides in results["frames_per_second"].items():
        rates = ", ".join(f"{rate:.3g} at {side}x{side}" for side, rate in sides.items())
        console.print(f"baked frames a second, threads={threads}: {rates}")


def losses(psnr: dict[int, list[float]], exact: dict[int, list[float]]) -> list[float]:
    """How many dB each object loses against exact rendering, at all sizes."""
    return [there - here for scale in psnr for there, here in zip(exact[scale], psnr[scale], strict=True)]


def figure_png(results: dict[str, Any]) -> bytes:
    """Cells of baked objects against PSNR and seconds of baking, and baked frames a second against pixels."""
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    loss_panel, seconds_panel, rate_panel = figure.subplots(1, 3)
    for index, (count, rows) in enumerate(results["cells"].items()):
        exact, style = results["qualities"][count]["exact"], {"color": f"C{index}", "marker": "."}
        label = f"{count} photo{'s' if count > 1 else ''}"
        for line, reduce, name in (("-", fmean, label), (":", max, f"{label}, worst object")):
            lost = [-reduce(losses({1: row["psnr"][1]}, exact["psnr"])) for row in rows.values()]
            loss_panel.plot(rows.keys(), lost, linestyle=line, label=name, **style)
        seconds_panel.plot(rows.keys(), [row["grid_seconds"] for row in rows.values()], label=label, **style)
        seconds_panel.axhline(
            2 * exact["view_seconds"], color=style["color"], linestyle=":", label=f"two exact views, {label}"
        )
    for threads, sides in results["frames_per_second"].items():
        rate_panel.plot(sides.keys(), sides.values(), marker=".", label=f"threads: {threads}")
    loss_panel.axhline(0, color="gray", linewidth=0.8)
    loss_panel.set(xlabel="cells", ylabel="PSNR against exact / dB")
    seconds_panel.set(xlabel="cells", ylabel="baking / s", yscale="log")
    rate_panel.set(xlabel="pixels across", ylabel="baked frames a second", yscale="log")
    rate_panel.set_xscale("log", base=2)
    for axes in (loss_panel, seconds_panel, rate_panel):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small")
    figure.savefig(buffer := io.BytesIO(), format="png", dpi=120)
    return buffer.getvalue()
