"""`report.html`: one file that opens from disk, with every picture inside it and nothing fetched."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pixelnerf.evaluation.results import ObjectResult, Results, title
from pixelnerf.evaluation.showcase import ranked

GROUPS = {"seen": "seen categories", "unseen": "unseen categories", "all": "all scenes"}


def report_html(results: Results, objects: Sequence[ObjectResult], output: Path, facts: dict[str, str]) -> str:
    """The report of an evaluation.

    `objects` are those whose pictures may be shown, with files relative to `output`; `facts` are lines of the
    report's head (checkpoint, time).
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "photos": _photos, "embedded": lambda path: _embedded(output / path)}
    return environment.get_template("report.html.j2").render(
        results=results,
        facts=facts,
        group_titles=GROUPS,
        title=title,
        parts={kind: _parts(results, kind) for kind in ("categories", "sizes")},
        ranked=ranked(objects),
    )


def _parts(results: Results, kind: Literal["categories", "sizes"]) -> dict[str, dict[str, Any]]:
    """By group: PSNR by category or size of the model for each number of photos, then of others for the fewest."""
    tables = {}
    for group in results.groups():
        rows = results.table(group)
        parts = [
            (row, getattr(row, kind))
            for row in rows
            if row.kind == "model" or (row.views == rows[0].views and getattr(row, kind))
        ]
        parts.sort(key=lambda part: part[0].kind != "model")
        names = list(parts[0][1])
        if names:
            tables[group] = {
                "columns": [_photos(row.views) if row.kind == "model" else title(row) for row, _ in parts],
                "lines": [
                    (
                        name,
                        [means[name].psnr if name in means else None for _, means in parts],
                        parts[0][1][name].objects,
                    )
                    for name in names
                ],
            }
    return tables


def _photos(count: int) -> str:
    return f"{count} photo{'' if count == 1 else 's'}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _embedded(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
