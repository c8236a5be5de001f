"""What an evaluation writes: pictures and scores of every scene; and what people look at: the table, `report.html`."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import imageio.v3 as iio
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import TypeAdapter, ValidationError
from rich.table import Column, Table

from pixelnerf.errors import UserError
from pixelnerf.evaluation.evaluator import Evaluation
from pixelnerf.evaluation.protocol import Item, ResolvedProtocol
from pixelnerf.evaluation.results import Means, ObjectResult, Results, Row, Strip, method_title, title
from pixelnerf.images.pictures import depth_picture, error_picture, to_8_bits
from pixelnerf.tools.files import file_name, plain_digest, remove_partial, write_atomically

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
    table = Table("scenes", "photos", "method", *metrics, title=results.protocol)
    for group in results.groups():
        for row in results.table(group):
            published = row.kind == "published"
            lines = {f"{row.method} (published)" if published else method_title(row.method): row.means}
            if published or row.kind == "model":
                lines |= {f"  at {size}": means for size, means in row.sizes.items()}
            for name, means in lines.items():
                table.add_row(group, str(row.views), name, *(_cell(means, *column) for column in shown.values()))
        table.add_section()
    return table


def save_pictures(output: Path, item: Item, evaluation: Evaluation) -> ObjectResult:
    """Writes the pictures of an item to `<output>/renders/<group>/<category>/<scene>/<size>/`."""
    scene = item.scene
    folder = Path("renders", item.group, file_name(scene.category or "scenes"), file_name(scene.name), item.size)
    (output / folder).mkdir(parents=True, exist_ok=True)

    def save(name: str, image: np.ndarray) -> str:
        path = folder / f"{name}.png"
        write_atomically(output / path, iio.imwrite("<bytes>", to_8_bits(image), extension=".png"))
        return path.as_posix()

    strips = []
    for shown in evaluation.shown:
        color, truth = shown.output.color.numpy(), shown.truth.numpy()
        distance, opacity = shown.output.distance.numpy(), shown.output.opacity.numpy()
        target = f"target{shown.target:03d}"
        render = f"{shown.views}view_{target}"
        pictures = {
            "prediction": save(f"{render}_prediction", color),
            **{method_title(name): save(f"{render}_{name}", image.numpy()) for name, image in shown.enhanced.items()},
            "truth": save(f"{target}_truth", truth),
            "depth": save(f"{render}_depth", depth_picture(distance, opacity, (scene.near, scene.far))),
            "error": save(f"{render}_error", error_picture(color, truth)),
        }
        photos = zip(item.inputs[shown.views], shown.photos, strict=True)
        inputs = tuple(save(f"input{view:03d}", photo.numpy()) for view, photo in photos)
        strips.append(Strip(shown.views, inputs, pictures))
    return ObjectResult(evaluation.measurements, tuple(strips))


# A file holds the key and the result.
_CONTENTS = TypeAdapter(tuple[str, ObjectResult])


class ResultStore:
    """`<output>/resolved_protocol.json`, and a JSON file an item under `<output>/scenes/`, written whole or not at all.

    A stored result is used again only under its own key: a digest of the resolved protocol and of `decisive`, plain
    values that decide the numbers, too.

    Raises:
        UserError: the output folder cannot be written.
    """

    def __init__(self, output: Path, resolved: ResolvedProtocol, decisive: dict[str, Any]) -> None:
        self._folder = output / "scenes"
        self._key = plain_digest({"protocol": resolved.digest(), **decisive})
        plain = {"sha256": resolved.digest(), **resolved.to_plain()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_partial(self._folder)
            write_atomically(output / "resolved_protocol.json", json.dumps(plain, indent=1).encode())
        except OSError as error:
            raise UserError(
                f"cannot write into output folder '{output}': {error.strerror}; choose another with output=PATH"
            ) from None

    def load(self, index: int, item: Item) -> ObjectResult | None:
        """The stored result of an item; None if there is none that was made under this key."""
        try:
            key, result = _CONTENTS.validate_json(self._path(index, item).read_bytes())
        except (FileNotFoundError, ValidationError):
            # Absent, or not one of our files: it is measured anew and replaced.
            return None
        return result if key == self._key else None

    def save(self, index: int, item: Item, result: ObjectResult) -> None:
        """Stores an item's result."""
        write_atomically(self._path(index, item), _CONTENTS.dump_json((self._key, result)))

    def _path(self, index: int, item: Item) -> Path:
        return self._folder / f"{index:05d}_{file_name(item.scene.name)}.json"


def report_html(results: Results, objects: Sequence[ObjectResult], output: Path, facts: dict[str, str]) -> str:
    """The report of an evaluation: one file with every picture inside it, which fetches nothing.

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
    environment.filters |= {
        "cell": _cell,
        "photos": lambda count: f"{count} photo{'' if count == 1 else 's'}",
        "embedded": lambda path: f"data:image/png;base64,{base64.b64encode((output / path).read_bytes()).decode()}",
    }
    return environment.get_template("report.html.j2").render(
        results=results,
        facts=facts,
        columns=COLUMNS,
        group_titles=GROUPS,
        title=title,
        compared=lambda group, parts: _compared(results, group, parts),
        ranked=_ranked(objects),
    )


def _cell(means: Means | None, attribute: str, digits: int) -> str:
    value = None if means is None else getattr(means, attribute)
    return "–" if value is None else f"{value:.{digits}f}"


def _compared(results: Results, group: str, parts: Literal["categories", "sizes"]) -> list[Row]:
    """The model's rows for each number of photos, then others for the fewest that are known by these parts."""
    rows = results.table(group)
    others = [row for row in rows if row.kind != "model" and row.views == rows[0].views and getattr(row, parts)]
    return [*(row for row in rows if row.kind == "model"), *others]


def _ranked(results: Sequence[ObjectResult]) -> dict[tuple[str, str], dict[str, ObjectResult]]:
    """Best, median and worst scene by PSNR from the fewest photos, for each group and category.

    Of two the best and the worst, of one the best. Of several sizes of a scene the first, the largest, is chosen.
    """
    categories: dict[tuple[str, str], dict[str, ObjectResult]] = {}
    for result in results:
        subject = result.measurements[0]
        categories.setdefault((subject.group, subject.category), {}).setdefault(subject.object, result)
    chosen = {}
    for key, objects in categories.items():
        order = sorted(objects.values(), key=lambda result: -result.psnr())
        # Later names win: of two the second is the worst, of one the only one is the best.
        ranks = {len(order) // 2: "median", len(order) - 1: "worst"} | {0: "best"}
        chosen[key] = {rank: order[index] for index, rank in sorted(ranks.items())}
    return chosen
