"""From scores of single objects to what is reported: means by group, number of photos and method, as JSON and CSV.

Means are instance-weighted, as the papers' are: a category counts as often as it has objects. Where each object is
measured at several sizes, the mean is over objects and then sizes, as mip-NeRF's.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from operator import attrgetter
from statistics import fmean
from typing import Any, Literal

from pixelnerf.images.metrics import average_error
from pixelnerf.tools.files import csv_bytes

Kind = Literal["model", "refined", "baseline", "published"]
"""What made a picture: the model, a refiner of its renders, something that a model must beat, or a paper's method."""

Rank = Literal["best", "median", "worst"]

_TITLES = {
    "model": "this model",
    "renders": "these renders",
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

    @property
    def average(self) -> float | None:
        """mip-NeRF's one number of the three, if they are known."""
        if self.ssim is None or self.lpips is None:
            return None
        return average_error(self.psnr, self.ssim, self.lpips)


@dataclass(frozen=True)
class Measurement:
    """An object's scores by one method, from `views` photos, averaged over its `targets`, which are of one size."""

    group: str
    category: str
    object: str
    size: str
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

    measurements: tuple[Measurement, ...]
    strips: tuple[Strip, ...] = ()

    def psnr(self, views: int | None = None) -> float:
        """The model's, in dB, from so many photos; None for the fewest."""
        found = {one.views: one.scores.psnr for one in self.measurements if one.kind == "model"}
        return found[min(found) if views is None else views]


@dataclass(frozen=True)
class Turntable:
    """The best, median or worst object of a group as a looping picture, and the page to turn it by hand.

    `views` is the number of photos that it is made from and that `psnr`, in dB over all its targets, is of. `picture`
    (WebP) and `page` (HTML) are files, relative to the results' folder.
    """

    group: str
    rank: Rank
    category: str
    object: str
    views: int
    psnr: float
    picture: str
    page: str


@dataclass(frozen=True)
class BlankObject:
    """An object whose every target shows the background only; the model's `psnr` in dB by the number of photos."""

    group: str
    category: str
    object: str
    psnr: dict[int, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method's means over a group of objects, from `views` photos; the same by category, and by size if several.

    `without_blank` are the means less blank objects; None if there are none, or no others. `source` is where a
    published row stands.
    """

    group: str
    views: int
    method: str
    kind: Kind
    source: str = ""
    means: Means
    categories: dict[str, Means] = field(default_factory=dict)
    sizes: dict[str, Means] = field(default_factory=dict)
    without_blank: Means | None = None


@dataclass(frozen=True)
class Results:
    """What an evaluation found.

    Attributes:
        protocol: its name.
        checkpoint: the model's file; None for renders.
        renders: the folder of pictures that were scored; None for a model.
        refiners: the files of refiners by their method.
        notes: why a value is None (by the metric's name), and what else a reader must know.
        rows: by group in the protocol's order, then number of photos, then method with the model first.
        published: papers' rows that are comparable with these.
        blank: objects whose every target shows the background only.
        turntables: of some objects; none for methods whose objects cannot be baked.
    """

    protocol: str
    checkpoint: str | None
    renders: str | None
    refiners: dict[str, str]
    notes: dict[str, str]
    rows: tuple[Row, ...]
    published: tuple[Row, ...] = ()
    blank: tuple[BlankObject, ...] = ()
    turntables: tuple[Turntable, ...] = ()

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

        `rows` and `published` are lists of `{group, views, method, kind, source, means, categories, sizes,
        without_blank}`, where `means` and `without_blank` (or null) are `{psnr, ssim, lpips, sharpness, seconds,
        objects}`, and `categories` and `sizes` ("64x64") map names to such means. `blank` is a list of `{group,
        category, object, psnr}`, `turntables` of `{group, rank, category, object, views, psnr, picture, page}`. `kind`
        is model, refined, baseline or published; null was not measured.
        """
        return json.dumps(asdict(self), indent=2, allow_nan=False)


def ranked(results: Sequence[ObjectResult], views: int | None = None) -> dict[Rank, ObjectResult]:
    """Best, median and worst object by PSNR from so many photos; None for the fewest.

    Of two the best and the worst, of one the best. Of several sizes of an object the first, the largest, is chosen.
    """
    objects: dict[str, ObjectResult] = {}
    for result in results:
        objects.setdefault(result.measurements[0].object, result)
    order = sorted(objects.values(), key=lambda result: -result.psnr(views))
    # Later names win: of two the second is the worst, of one the only one is the best.
    ranks: dict[int, Rank] = {len(order) // 2: "median", len(order) - 1: "worst"}
    ranks[0] = "best"
    return {rank: order[index] for index, rank in sorted(ranks.items())}


def title(row: Row) -> str:
    """A row's method as people read it."""
    return f"{row.method} ({row.source})" if row.kind == "published" else method_title(row.method)


def method_title(method: str) -> str:
    """One of our methods as people read it; those that are not known here are refiners."""
    return _TITLES.get(method, f"+ {method} refiner")


def mean_scores(scores: Sequence[Scores], objects: int) -> Means:
    """The mean of each metric, None where a score has none."""
    values = {metric: [getattr(one, metric) for one in scores] for metric in METRICS}
    means: dict[str, Any] = {metric: None if None in found else fmean(found) for metric, found in values.items()}
    return Means(**means, objects=objects)


def mean_rows(results: Sequence[ObjectResult], blank: Sequence[BlankObject] = ()) -> tuple[Row, ...]:
    """The means of all groups, numbers of photos and methods, in the order of `Results.rows`."""
    left_out = {(one.group, one.object) for one in blank}
    measurements = [one for result in results for one in result.measurements]
    groups = list(dict.fromkeys(one.group for one in measurements))
    measurements.sort(key=lambda one: (groups.index(one.group), one.views))
    rows = []
    for (group, views, method, kind), members in _by(measurements, "group", "views", "method", "kind").items():
        sizes = {name: _mean(part) for name, part in _by(members, "size").items()}
        categories = {name: _mean(part) for name, part in _by(members, "category").items() if name}
        row = Row(group=group, views=views, method=method, kind=kind, means=_mean(members), categories=categories)
        others = [one for one in members if (one.group, one.object) not in left_out]
        without = _mean(others) if 0 < len(others) < len(members) else None
        rows.append(replace(row, sizes=sizes if len(sizes) > 1 else {}, without_blank=without))
    return tuple(rows)


def per_object_csv(results: Sequence[ObjectResult]) -> bytes:
    """The contents of `per_object.csv`: a line for each measurement; an empty field was not measured."""
    rows = []
    for result in results:
        for one in sorted(result.measurements, key=lambda one: one.views):
            *subject, scores = astuple(one)
            rows.append([*subject, *("" if value is None else f"{value:.6f}" for value in scores)])
    return csv_bytes([*(one.name for one in fields(Measurement) if one.name != "scores"), *METRICS], rows)


def _by(measurements: Sequence[Measurement], *attributes: str) -> dict[Any, list[Measurement]]:
    """The measurements by their values of these attributes."""
    parts: dict[Any, list[Measurement]] = {}
    for one in measurements:
        parts.setdefault(attrgetter(*attributes)(one), []).append(one)
    return parts


def _mean(measurements: Sequence[Measurement]) -> Means:
    return mean_scores([one.scores for one in measurements], len({one.object for one in measurements}))
