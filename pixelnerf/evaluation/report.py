"""`report.html`: one file that opens from disk, with every picture inside it and nothing fetched."""

import base64
import struct
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from pixelnerf.evaluation.published import PublishedRow, published_rows
from pixelnerf.evaluation.showcase import Shown, ShownRender

STYLE = Path(__file__).with_name("report.css")
PICTURE_HEIGHT = 96  # pixels on the page, as in the style sheet
TITLES = {
    "model": "this model",
    "codebook": "+ codebook refiner",
    "reference": "+ reference refiner",
    "bicubic": "its low-resolution render, bicubic",
    "nearest_view": "nearest input view, copied",
    "background": "background only",
}
GROUPS = {"seen": "seen categories", "unseen": "unseen categories", "all": "all scenes"}


def report_html(metrics: dict[str, Any], shown: Sequence[Shown], facts: dict[str, str], comparable: bool) -> str:
    """The report of an evaluation.

    `facts` are lines of its head (checkpoint, time). `comparable` is false where the protocol was altered: then
    published numbers stay out.
    """
    protocol = metrics["protocol"]
    parts = [
        f"<h1>Few-shot evaluation: {escape(protocol)}</h1>",
        _facts(facts),
        *(f'<p class="note">{escape(note)}</p>' for note in metrics["notes"].values()),
        "<h2>Results</h2>",
        *_summary(metrics, comparable),
        "<h2>By category and size</h2>",
        *_parts(metrics, "categories", comparable),
        *_parts(metrics, "sizes", comparable),
        "<h2>Pictures</h2>",
        "<p>Best, median and worst object of each category by PSNR from the fewest photos. Depth: near is bright. "
        "Error: mean absolute difference, the scale ends at 0.5. The number is the object's PSNR over all its targets."
        "</p>",
        *_pictures(shown),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(protocol)}</title>\n<style>\n{STYLE.read_text('utf-8')}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def margin(metrics: dict[str, Any], views: str, group: str) -> float:
    """How far the model's PSNR, in dB, lies above the better baseline's."""
    numbers = metrics["views"][views]
    return numbers[group]["psnr"] - max(groups[group]["psnr"] for groups in numbers["baselines"].values())


def groups_of(metrics: dict[str, Any], views: str) -> list[str]:
    """The groups of scenes that were evaluated."""
    return [name for name in metrics["views"][views] if name not in ("refined", "baselines")]


def other_methods(numbers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What is measured beside the model for a number of photos: refined renders, then baselines."""
    return {**numbers.get("refined", {}), **numbers["baselines"]}


def _facts(facts: dict[str, str]) -> str:
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f"<dl>{cells}</dl>"


def _summary(metrics: dict[str, Any], comparable: bool) -> Iterator[str]:
    for group in groups_of(metrics, next(iter(metrics["views"]))):
        yield f"<h3>{escape(GROUPS[group].capitalize())}</h3>"
        rows = [
            "<tr><th>photos</th><th>method</th><th>PSNR</th><th>SSIM</th><th>LPIPS</th>"
            "<th>sharpness</th><th>s/view</th><th>objects</th></tr>"
        ]
        for views, numbers in metrics["views"].items():
            rows.append(_row(views, TITLES["model"], numbers[group], "model"))
            for method, scores in other_methods(numbers).items():
                style = "baseline" if method in numbers["baselines"] else "refined"
                rows.append(_row(views, TITLES[method], scores[group], style))
            for row in _papers(metrics, views, group, comparable):
                rows.append(_row(views, f"{row.method} ({row.source})", row.model_dump(), "published"))
        yield f"<table>{''.join(rows)}</table>"
        margins = [
            f"{margin(metrics, views, group):+.2f} dB with {views} photo{'s' if views != '1' else ''}"
            for views in metrics["views"]
        ]
        yield f"<p>Margin over the better baseline: {', '.join(margins)}.</p>"


def _row(views: str, method: str, scores: dict[str, Any], style: str) -> str:
    digits = {"psnr": 2, "ssim": 3, "lpips": 3, "sharpness": 3, "seconds": 2}
    numbers = [_number(scores.get(metric), count) for metric, count in digits.items()]
    objects = "" if scores["objects"] is None else str(scores["objects"])
    cells = "".join(f"<td>{cell}</td>" for cell in (views, escape(method), *numbers, objects))
    return f'<tr class="{style}">{cells}</tr>'


def _parts(metrics: dict[str, Any], kind: Literal["categories", "sizes"], comparable: bool) -> Iterator[str]:
    """PSNR by category or size: the model for each number of photos, then baselines and papers for the fewest."""
    counts = list(metrics["views"])
    first = metrics["views"][counts[0]]
    for group in groups_of(metrics, counts[0]):
        names = list(first[group].get(kind, ()))
        if not names:
            continue
        head = "".join(f"<th>{count} photo{'s' if count != '1' else ''}</th>" for count in counts)
        papers = [row for row in _papers(metrics, counts[0], group, comparable) if getattr(row, kind)]
        head += "".join(f"<th>{TITLES[method]}</th>" for method in other_methods(first))
        head += "".join(f"<th>{escape(row.method)}</th>" for row in papers)
        rows = [f"<tr><th>PSNR, {escape(GROUPS[group])}</th>{head}<th>objects</th></tr>"]
        for name in names:
            numbers = [metrics["views"][count][group][kind][name] for count in counts]
            copies = [scores[group][kind][name] for scores in other_methods(first).values()]
            values = [scores["psnr"] for scores in (*numbers, *copies)]
            published = [getattr(row, kind).get(name) for row in papers]
            values += [None if found is None else found.psnr for found in published]
            cells = "".join(f"<td>{_number(value, 2)}</td>" for value in values)
            rows.append(f"<tr><td>{escape(name)}</td>{cells}<td>{numbers[0]['objects']}</td></tr>")
        yield f'<table class="categories">{"".join(rows)}</table>'


def _papers(metrics: dict[str, Any], views: str, group: str, comparable: bool) -> list[PublishedRow]:
    objects = metrics["views"][views][group]["objects"]
    return published_rows(metrics["protocol"], int(views), group, objects) if comparable else []


def _pictures(shown: Sequence[Shown]) -> Iterator[str]:
    for (group, category), members in groupby(shown, key=lambda one: (one.group, one.category)):
        title = f"{category} ({group})" if category else GROUPS[group]
        yield f"<details open><summary>{escape(title)}</summary>"
        for one in members:
            yield f"<h4>{one.rank}: <code>{escape(one.scene)}</code></h4>"
            most = max(len(render.inputs) for render in one.renders)
            yield from (_strip(render, most) for render in one.renders)
        yield "</details>"


def _strip(render: ShownRender, most_inputs: int) -> str:
    """One row of pictures; predictions stand below each other however many inputs there are, up to `most_inputs`."""
    width, height = struct.unpack(">II", render.prediction.read_bytes()[16:24])  # the head of a PNG file
    inputs = "".join(_figure(f"input {index}", path) for index, path in enumerate(render.inputs, start=1))
    pictures = {"prediction": render.prediction, **{TITLES[method]: path for method, path in render.others.items()}}
    pictures |= {name: getattr(render, name) for name in ("truth", "depth", "error")}
    results = "".join(_figure(name, path) for name, path in pictures.items())
    label = f"{render.views} photo{'s' if render.views != 1 else ''}<br>{render.psnr:.2f} dB"
    space = most_inputs * (PICTURE_HEIGHT * width / height + 6)
    return (
        f'<div class="strip"><div class="label">{label}</div>'
        f'<div class="inputs" style="min-width: {space:.0f}px">{inputs}</div>{results}</div>'
    )


def _figure(name: str, path: Path) -> str:
    return f'<figure><img alt="{name}" src="{_embedded(path)}"><figcaption>{name}</figcaption></figure>'


def _embedded(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def _number(value: float | None, digits: int) -> str:
    return "&ndash;" if value is None else f"{value:.{digits}f}"
