"""Shows what a reader understood of photos with cameras: `pixelnerf inspect FOLDER`.

Of any other dataset by its name: `pixelnerf inspect dataset=nmr dataset.root=PATH`. Prints numbers and warnings, and
draws each scene's cameras, its box and points in the photos, and epipolar lines between two views. With `--fix` it
writes corrected copies of camera files instead, where it is sure.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from datasets.inspection.fixing import Fix, fix_all
from datasets.inspection.measures import Row
from datasets.inspection.run import InspectionConfig, inspect
from pixelnerf.app.capture import capture_split, find_format, looked_for, reader_values
from pixelnerf.app.installation import config_folder
from pixelnerf.config import parse_config
from pixelnerf.entry import printable, run_entry, run_plain
from pixelnerf.errors import UserError
from pixelnerf.tools.command_line import override_of

ALONE = ("--fix", "-m", "--multirun", "--resolve")
"""Options without a value; one that follows another option is that option's."""


def main(composed: dict[str, Any]) -> None:
    """Validates the composed configuration, inspects, and prints."""
    config = parse_config(InspectionConfig, composed, "")
    console = Console(highlight=False)
    if config.fix:
        _fix(config, console)
        return
    rows, reports = inspect(config)
    console.print(_table(f"dataset {config.dataset.name}", rows))
    warned = 0
    for report in reports:
        console.print(_table(report.rows[0][1], report.rows[1:]))
        for warning in report.warnings:
            console.print(f"WARNING {warning}", style="bold red", soft_wrap=True, markup=False)
        console.print(f"figure: {report.figure}", soft_wrap=True, markup=False)
        warned += bool(report.warnings)
    console.print(f"{warned} scenes with warnings" if warned else "no warnings")


def _table(title: str, rows: list[Row]) -> Table:
    # Text, because names may hold what Rich takes for markup.
    table = Table(title=Text(title), title_justify="left", show_header=False)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _fix(config: InspectionConfig, console: Console) -> None:
    """Corrects camera files and says what was wrong; a UserError if there is doubt about one."""
    doubts = []
    for fix in fix_all(config.dataset, config.scenes, config.pairs):
        console.print(_before_and_after(fix))
        for line in fix.notes:
            _say(console, f"noticed: {line}")
        if fix.unjudged:
            _say(console, f"poses were not judged: {fix.unjudged}")
        for line in fix.changes:
            _say(console, f"changed: {line}")
        for copy in fix.copies:
            _say(console, f"written: {copy.path}; to use it, {copy.use}")
        if fix.doubt:
            doubts.append(f"nothing is written for '{fix.path}': {fix.doubt}")
        elif not fix.copies:
            _say(console, "nothing to correct")
    if doubts:
        raise UserError(doubts[0] + (f" (and {len(doubts) - 1} more)" if len(doubts) > 1 else ""))


def _before_and_after(fix: Fix) -> Table:
    table = Table(title=Text(printable(str(fix.path))), title_justify="left")
    before, after = dict(fix.before), dict(fix.after)
    for heading in ("measure", "before", "after") if fix.changes else ("measure", "as it is"):
        table.add_column(heading)
    for name in {**before, **after}:
        values = (before.get(name, ""), after.get(name, ""))[: len(table.columns) - 1]
        table.add_row(*map(Text, (name, *values)))
    return table


def _say(console: Console, line: str) -> None:
    console.print(printable(line), soft_wrap=True, markup=False)


def _overrides(arguments: Sequence[str]) -> list[str]:
    """Arguments as Hydra reads them: a folder becomes its format, root and photos.

    Raises:
        UserError: a folder is missing, or no file in it holds cameras.
    """
    given: list[str] = []
    of_folder: list[str] = []
    for before, argument in zip(("", *arguments[:-1]), arguments, strict=True):
        if before.startswith("-") and before not in ALONE:
            given.append(argument)
        elif argument == "--fix":
            given.append("fix=true")
        elif Path(argument).is_dir():
            of_folder += _overrides_of(Path(argument))
        elif "=" in argument or argument.startswith(("-", "~")):
            given.append(argument)
        else:
            raise UserError(f"no folder '{argument}'; give photos with cameras, or dataset=NAME dataset.root=PATH")
    # What is given by its key counts more.
    return of_folder + given


def _overrides_of(folder: Path) -> list[str]:
    reader = find_format(folder)
    if reader is None:
        raise UserError(
            f"no cameras in {folder} (looked for {looked_for()}); a dataset of several scenes needs its format's name, "
            f"as in dataset=nmr dataset.root={folder}"
        )
    values = reader_values(folder, reader)
    return [
        f"dataset={reader}",
        *(override_of(f"dataset.{key}", value) for key, value in values.items()),
        f"split={capture_split(folder, reader)}",
    ]


def run() -> NoReturn:
    """The program."""

    def inspect_or_fix() -> None:
        sys.argv[1:] = _overrides(sys.argv[1:])
        run_entry(main, "inspect_dataset", str(config_folder()))

    run_plain(inspect_or_fix)


if __name__ == "__main__":
    run()
