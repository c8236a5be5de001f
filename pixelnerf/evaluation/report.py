"""What people look at after an evaluation: the table, and `report.html`."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.table import Column, Table
from rich.text import Text

from pixelnerf.evaluation.results import (
    Means,
    ObjectResult,
    Rank,
    Results,
    Row,
    Turntable,
    method_title,
    ranked,
    title,
)

COLUMNS = {
    "PSNR": ("psnr", 2),
    "SSIM": ("ssim", 3),
    "LPIPS": ("lpips", 3),
    "Avg": ("average", 4),
    "sharpness": ("sharpness", 3),
    "s/view": ("seconds", 2),
    "objects": ("objects", 0),
}
"""The heading of each mean, its attribute, and its digits."""
GROUPS = {"seen": "seen categories", "unseen": "unseen categories", "all": "all scenes"}


def results_table(results: Results) -> Table:
    """The summary of the results, with published rows where they are comparable.

    LPIPS has a column where it was measured, and sharpness and seconds where methods of super-resolution are compared;
    `metrics.json` and the report always have them.
    """
    shown = dict(COLUMNS)
    if all(row.means.lpips is None for row in results.rows):
        del shown["LPIPS"], shown["Avg"]
    if not any(row.kind == "refined" or row.method == "bicubic" for row in results.rows):
        del shown["sharpness"], shown["s/view"]
    metrics = (Column(heading, justify="right") for heading in shown)
    table = Table("scenes", "photos", "method", *metrics, title=Text(results.protocol))
    for group in results.groups():
        for row in results.table(group):
            published = row.kind == "published"
            lines = {f"{row.method} (published)" if published else method_title(row.method): row.means}
            if published or row.kind == "model":
                lines |= {f"  at {size}": means for size, means in row.sizes.items()}
            for name, means in lines.items():
                cells = (group, str(row.views), name, *(_cell(means, *column) for column in shown.values()))
                table.add_row(*map(Text, cells))
        table.add_section()
    return table


def report_html(results: Results, objects: Sequence[ObjectResult], output: Path, facts: dict[str, str]) -> str:
    """The report of an evaluation: one file with every picture inside it, which fetches nothing.

    It links the pages of turntables, which lie beside it.

    `objects` are those whose pictures may be shown, with files relative to `output`; `facts` are lines of the
    report's head (checkpoint, time).
    """
    environment = template_environment()
    environment.filters |= {"cell": _cell, "embedded": lambda path: _embedded(output / path)}
    return environment.get_template("report.html.j2").render(
        results=results,
        facts=facts,
        columns=COLUMNS,
        group_titles=GROUPS,
        title=title,
        compared=lambda group, parts: _compared(results, group, parts),
        ranked=_ranked(objects),
        photos_of=lambda turntable: _photos_of(objects, turntable),
    )


def template_environment() -> Environment:
    """For this room's templates, in which everything from outside is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["photos"] = lambda count: f"{count} photo{'' if count == 1 else 's'}"
    return environment


def _embedded(path: Path) -> str:
    """A picture as a URL that holds it, by the format that its name ends with."""
    return f"data:image/{path.suffix[1:]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _cell(means: Means | None, attribute: str, digits: int) -> str:
    value = None if means is None else getattr(means, attribute)
    return "–" if value is None else f"{value:.{digits}f}"


def _compared(results: Results, group: str, parts: Literal["categories", "sizes"]) -> list[Row]:
    """The model's rows for each number of photos, then others for the fewest that are known by these parts."""
    rows = results.table(group)
    others = [row for row in rows if row.kind != "model" and row.views == rows[0].views and getattr(row, parts)]
    return [*(row for row in rows if row.kind == "model"), *others]


def _ranked(results: Sequence[ObjectResult]) -> dict[tuple[str, str], dict[Rank, ObjectResult]]:
    """Best, median and worst scene by PSNR from the fewest photos, for each group and category."""
    categories: dict[tuple[str, str], list[ObjectResult]] = {}
    for result in results:
        subject = result.measurements[0]
        categories.setdefault((subject.group, subject.category), []).append(result)
    return {key: ranked(members) for key, members in categories.items()}


def _photos_of(objects: Sequence[ObjectResult], turntable: Turntable) -> tuple[str, ...]:
    """The files of the photos that a turntable's object was made from."""
    for result in objects:
        subject = result.measurements[0]
        if (subject.group, subject.object) == (turntable.group, turntable.object):
            return next(strip.inputs for strip in result.strips if strip.views == turntable.views)
    return ()
