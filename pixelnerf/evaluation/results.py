"""From scores of single objects to what is reported: means by group, number of photos and method, as JSON and CSV.

Means are instance-weighted, as the papers' are: a category counts as often as it has objects. Where each object is
measured at several sizes, the mean is over objects and then sizes, as mip-NeRF's.
"""

import csv
import io
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from statistics import fmean
from typing import Any, Literal

Kind = Literal["model", "refined", "baseline", "published"]
"""What made a picture: the model, a refiner of its renders, something that a model must beat, or a paper's method."""

_TITLES = {
    "model": "this model",
    "bicubic": "its low-resolution render, bicubic",
    "nearest_view": "nearest input view, copied",
    "background": "background only",
}


@dataclass(frozen=True)
class Scores:
    """PSNR in dB, SSIM, LPIPS, sharpness against the truth, and the seconds that one view takes.

    None: not measured; for seconds, nothing had to be rendered.
    """

    psnr: float
    ssim: float | None = None
    lpips: float | None = None
    sharpness: float | None = None
    seconds: float | None = None


METRICS = tuple(one.name for one in fields(Scores))


@dataclass(frozen=True)
class Means(Scores):
    """Scores averaged over so many objects; None where a paper does not say."""

    objects: int | None = None


@dataclass(frozen=True)
class Measurement:
    """An object's scores from `views` photos by one method, averaged over its targets."""

    views: int
    targets: int
    method: str
    kind: Kind
    scores: Scores


@dataclass(frozen=True)
class Strip:
    """Pictures of one target of an object: PNG files, relative to the results' folder; `pictures` are by caption."""

    views: int
    inputs: tuple[str, ...]
    pictures: dict[str, str]


@dataclass(frozen=True)
class ObjectResult:
    """What was measured of one object at one size of its targets, and its pictures."""

    group: str
    category: str
    object: str
    size: str
    measurements: tuple[Measurement, ...]
    strips: tuple[Strip, ...] = ()

    def psnr(self, views: int) -> float:
        """The model's, in dB, from so many photos."""
        return next(one.scores.psnr for one in self.measurements if one.kind == "model" and one.views == views)

    @property
    def fewest_views(self) -> int:
        """The smallest number of photos that it was rendered from."""
        return min(one.views for one in self.measurements)


_Pair = tuple[ObjectResult, Measurement]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method's means over a group of objects, from `views` photos; the same by category, and by size if several.

    `source` is where a published row stands.
    """

    group: str
    views: int
    method: str
    kind: Kind
    source: str = ""
    means: Means
    categories: dict[str, Means] = field(default_factory=dict)
    sizes: dict[str, Means] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """What an evaluation found.

    Attributes:
        protocol: its name.
        checkpoint: the model's file.
        refiners: the files of refiners by their method.
        notes: why a value is None (by the metric's name), and what else a reader must know.
        rows: by group in the protocol's order, then number of photos, then method with the model first.
        published: papers' rows that are comparable with these.
    """

    protocol: str
    checkpoint: str
    refiners: dict[str, str]
    notes: dict[str, str]
    rows: tuple[Row, ...]
    published: tuple[Row, ...] = ()

    def groups(self) -> list[str]:
        """Names of the groups of objects."""
        return list(dict.fromkeys(row.group for row in self.rows))

    def table(self, group: str) -> list[Row]:
        """The rows of a group; for each number of photos ours, then published ones."""
        found = [row for row in (*self.rows, *self.published) if row.group == group]
        return sorted(found, key=lambda row: row.views)

    def margin(self, group: str, views: int) -> float:
        """How far the model's PSNR, in dB, lies above the best baseline's."""
        rows = [row for row in self.rows if (row.group, row.views) == (group, views)]
        baselines, model = ([row.means.psnr for row in rows if row.kind == kind] for kind in ("baseline", "model"))
        return model[0] - max(baselines)

    def to_json(self) -> str:
        """The contents of `metrics.json`: this class's attributes by name.

        `rows` and `published` are lists of `{group, views, method, kind, source, means, categories, sizes}`, where
        `means` is `{psnr, ssim, lpips, sharpness, seconds, objects}`, and `categories` and `sizes` ("64x64") map names
        to such means. `kind` is model, refined, baseline or published; null was not measured.
        """
        return json.dumps(asdict(self), indent=2, allow_nan=False)


def title(row: Row) -> str:
    """A row's method as people read it."""
    return f"{row.method} ({row.source})" if row.kind == "published" else method_title(row.method)


def method_title(method: str) -> str:
    """One of our methods as people read it; those that are not known here are refiners."""
    return _TITLES.get(method, f"+ {method} refiner")


def mean_scores(scores: Sequence[Scores], objects: int) -> Means:
    """The mean of each metric, None where a score has none."""
    optional = {metric: [getattr(one, metric) for one in scores] for metric in METRICS if metric != "psnr"}
    means = {metric: None if None in values else fmean(values) for metric, values in optional.items()}
    return Means(psnr=fmean(one.psnr for one in scores), **means, objects=objects)


def mean_rows(results: Sequence[ObjectResult]) -> tuple[Row, ...]:
    """The means of all groups, numbers of photos and methods, in the order of `Results.rows`."""
    groups = list(dict.fromkeys(result.group for result in results))
    pairs = [(result, one) for result in results for one in result.measurements]
    pairs.sort(key=lambda pair: (groups.index(pair[0].group), pair[1].views))
    rows = []
    for members in _split(pairs, lambda result, one: (result.group, one.views, one.method)).values():
        result, one = members[0]
        categories = _split(members, lambda result, _: result.category)
        sizes = _split(members, lambda result, _: result.size)
        rows.append(
            Row(
                group=result.group,
                views=one.views,
                method=one.method,
                kind=one.kind,
                means=_mean(members),
                categories={name: _mean(part) for name, part in categories.items() if name},
                sizes={name: _mean(part) for name, part in sizes.items()} if len(sizes) > 1 else {},
            )
        )
    return tuple(rows)


def per_object_csv(results: Sequence[ObjectResult]) -> str:
    """The contents of `per_object.csv`: a line for each measurement; an empty field was not measured."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["group", "category", "object", "size", "views", "targets", "method", "kind", *METRICS])
    for result in results:
        for one in sorted(result.measurements, key=lambda one: one.views):
            values = ["" if value is None else f"{value:.6f}" for value in astuple(one.scores)]
            subject = (result.group, result.category, result.object, result.size)
            writer.writerow([*subject, one.views, one.targets, one.method, one.kind, *values])
    return buffer.getvalue()


def _split(pairs: Sequence[_Pair], key: Callable[[ObjectResult, Measurement], Hashable]) -> dict[Any, list[_Pair]]:
    parts: dict[Any, list[_Pair]] = {}
    for pair in pairs:
        parts.setdefault(key(*pair), []).append(pair)
    return parts


def _mean(pairs: Sequence[_Pair]) -> Means:
    return mean_scores([one.scores for _, one in pairs], len({result.object for result, _ in pairs}))
