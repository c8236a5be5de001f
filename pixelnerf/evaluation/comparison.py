"""One page for several evaluations: their means side by side, their turntables, and links to their reports."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from pixelnerf.errors import UserError
from pixelnerf.evaluation.report import GROUPS, template_environment
from pixelnerf.evaluation.results import Results, Row, method_title
from pixelnerf.tools.files import refusal_in_a_line, write_atomically


def read_results(folder: Path) -> Results:
    """The results that an evaluation wrote into a folder.

    Raises:
        UserError: there are none, or `metrics.json` is not one of ours.
    """
    path = folder / "metrics.json"
    try:
        return TypeAdapter(Results).validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"no results '{path}': {error.strerror}; evaluate into '{folder}' first") from None
    except ValidationError:
        raise UserError(f"'{path}' holds no results of an evaluation by this version; evaluate again") from None


def write_comparison(path: Path, folders: Mapping[str, Path], title: str) -> None:
    """Writes a page that shows files of the evaluations by relative links, so it stays where it is written.

    Args:
        path: of the page.
        folders: of the evaluations' results by their titles.
        title: of the page.

    Raises:
        UserError: results are missing or of different protocols, or the page cannot be written.
    """
    results = {name: read_results(folder) for name, folder in folders.items()}
    if len(protocols := sorted({one.protocol for one in results.values()})) > 1:
        raise UserError(f"evaluations under different protocols cannot be compared: {', '.join(protocols)}")

    def link(name: str, file: str) -> str:
        return quote(Path(os.path.relpath(folders[name] / file, path.parent)).as_posix())

    page = (
        template_environment()
        .get_template("comparison.html.j2")
        .render(title=title, results=results, link=link, group_titles=GROUPS, tables=_tables(results))
    )
    with refusal_in_a_line(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page.encode())


def _tables(results: Mapping[str, Results]) -> dict[str, dict[str, dict[int, float]]]:
    """PSNR in dB by group, line of its table and number of photos: the evaluations, then the baselines of the first."""
    tables: dict[str, dict[str, dict[int, float]]] = {}

    def add(line: str, row: Row) -> None:
        tables.setdefault(row.group, {}).setdefault(line, {})[row.views] = row.means.psnr

    for name, one in results.items():
        for row in one.rows:
            if row.kind == "model":
                add(name, row)
    for row in next(iter(results.values())).rows:
        if row.kind == "baseline":
            add(method_title(row.method), row)
    return tables
