"""Shows what a reader understood of a dataset: `python scripts/inspect_dataset.py dataset=colmap dataset.root=PATH`.

Prints numbers and warnings by name, and draws each scene's cameras, its box and points in the photos, and epipolar
lines between two views.
"""

from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasets.inspection.run import InspectionConfig, Row, inspect
from pixelnerf.app.installation import config_folder
from pixelnerf.config import parse_config
from pixelnerf.entry import run_entry


def main(composed: dict[str, Any]) -> None:
    """Validates the composed configuration, inspects, and prints."""
    config = parse_config(InspectionConfig, composed, "")
    console = Console(highlight=False)
    rows, reports = inspect(config)
    console.print(_table(f"dataset {config.dataset.name}", rows))
    warned = 0
    for report in reports:
        console.print(_table(report.rows[0][1], report.rows[1:]))
        for warning in report.warnings:
            console.print(f"WARNING {warning}", style="bold red", markup=False)
        console.print(f"figure: {report.figure}", soft_wrap=True, markup=False)
        warned += bool(report.warnings)
    console.print(f"{warned} scenes with warnings" if warned else "no warnings")


def _table(title: str, rows: list[Row]) -> Table:
    # Text, because names may hold what Rich takes for markup.
    table = Table(title=Text(title), title_justify="left", show_header=False)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def run() -> NoReturn:
    """The program."""
    run_entry(main, "inspect_dataset", str(config_folder()))


if __name__ == "__main__":
    run()
