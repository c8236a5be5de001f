"""Sedans, hatchbacks, wagons, off-roaders, vans, pick-ups, sports cars, convertibles, racing cars and buses."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.assembly import Assembly, Livery
from datasets.shapes13.draws import chance, pick
from datasets.shapes13.palette import Color, dark, glass, grey, light, metal, paint, shaded, vivid
from datasets.shapes13.parts import box, cushion, cylinder, loft, rod, sweep, wing


@dataclass(frozen=True)
class _Shape:
    """Proportions along z, as shares of the length from the nose (0) to the rear (1), and heights in lengths."""

    hood: float  # where the windscreen begins
    roof_start: float
    roof_end: float
    deck: float  # where the rear window ends
    width: float
    belt: float  # height of the body's upper edge above its lower one
    cabin: float  # height of the roof above the belt
    clearance: float
    wheel: float
    nose_drop: float = 0.25  # how far the nose lies below the belt, in belts
    tail_drop: float = 0.1


_SHAPES: dict[str, _Shape] = {
    "sedan": _Shape(0.29, 0.42, 0.66, 0.82, 0.39, 0.16, 0.11, 0.05, 0.072),
    "hatchback": _Shape(0.26, 0.40, 0.80, 0.94, 0.44, 0.19, 0.14, 0.05, 0.082),
    "wagon": _Shape(0.28, 0.41, 0.88, 0.96, 0.39, 0.16, 0.12, 0.05, 0.072),
    "off_roader": _Shape(0.30, 0.38, 0.92, 0.97, 0.44, 0.21, 0.16, 0.085, 0.095, 0.12),
    "van": _Shape(0.10, 0.24, 0.95, 0.98, 0.42, 0.22, 0.19, 0.05, 0.075, 0.3),
    "sports": _Shape(0.34, 0.50, 0.62, 0.86, 0.43, 0.14, 0.085, 0.03, 0.076, 0.45, 0.0),
    "mini": _Shape(0.20, 0.34, 0.85, 0.95, 0.50, 0.23, 0.19, 0.06, 0.10, 0.3),
}


def car(body: Assembly, rng: Generator) -> None:
    """One car of a random layout."""
    layout = pick([_closed_car, _pickup, _convertible, _racer, _bus], rng, (0.68, 0.11, 0.09, 0.06, 0.06))
    layout(body, rng)


def _closed_car(car: Assembly, rng: Generator) -> None:
    shape = _varied(_SHAPES[pick(list(_SHAPES), rng)], rng)
    color = paint(rng)
    _hull(car, shape, color, rng)
    _cabin(car, shape, color, rng)
    _wheels(car, shape, rng)
    _details(car, shape, color, rng)


def _pickup(car: Assembly, rng: Generator) -> None:
    shape = _varied(_Shape(0.28, 0.37, 0.54, 0.58, 0.36, 0.16, 0.13, 0.08, 0.085, 0.12, 0.0), rng)
    color = paint(rng)
    _hull(car, shape, color, rng)
    _cabin(car, shape, color, rng)
    low = shape.clearance + shape.belt
    start, end = _z(shape.deck), 0.47
    car.add(box((shape.width * 0.84, 0.004, end - start), (0, low + 0.003, (start + end) / 2)), dark(rng))
    rail = shape.width * 0.45
    car.add(box((0.02, 0.035, end - start), (rail, low + 0.015, (start + end) / 2)), color, mirror=True)
    car.add(box((2 * rail, 0.035, 0.02), (0, low + 0.015, end)), color)
    if chance(0.3, rng):
        height = rng.uniform(0.05, 0.12)
        size = (shape.width * 0.7, height, 0.6 * (end - start))
        car.add(box(size, (0, low + height / 2, (start + end) / 2)), paint(rng))
    _wheels(car, shape, rng)
    _details(car, shape, color, rng)


def _convertible(car: Assembly, rng: Generator) -> None:
    shape = _varied(_Shape(0.36, 0.44, 0.62, 0.72, 0.41, 0.16, 0.09, 0.04, 0.076, 0.3, 0.1), rng)
    color, leather = paint(rng), pick([dark, light, paint], rng)(rng)
    _hull(car, shape, color, rng)
    top = shape.clearance + shape.belt
    start, end = _z(shape.hood) + 0.02, _z(shape.deck)
    car.add(box((shape.width * 0.78, 0.006, end - start), (0, top + 0.004, (start + end) / 2)), shaded(leather, 0.5))
    for z in np.linspace(start + 0.14, end - 0.05, pick([1, 2], rng)):
        seat = (shape.width * 0.19, top + 0.02, z)
        car.add(cushion((shape.width * 0.28, 0.05, 0.09), seat), leather, mirror=True)
        car.add(cushion((shape.width * 0.28, 0.12, 0.035), (seat[0], top + 0.05, z + 0.05)), leather, mirror=True)
    side = shape.width * 0.4
    screen = [(side, top, start), (side * 0.85, top + shape.cabin, start + 0.07)]
    arch = [*screen, *[(-x, y, z) for x, y, z in screen[::-1]]]
    car.add(sweep(arch, 0.007, 6), pick([color, dark(rng), metal(rng)], rng))
    car.add(_pane(screen[0], screen[1]), glass(rng))
    _wheels(car, shape, rng)
    _details(car, shape, color, rng)


def _racer(car: Assembly, rng: Generator) -> None:
    color, trim = vivid(rng), paint(rng)
    width, wheel = rng.uniform(0.1, 0.14), rng.uniform(0.07, 0.085)
    z = np.array([-0.5, -0.42, -0.2, -0.05, 0.1, 0.25, 0.42])
    half = np.array([0.2, 0.35, 0.6, 1.3, 1.6, 1.2, 0.4]) * width / 2
    top = np.array([0.07, 0.085, 0.115, 0.13, 0.15, 0.14, 0.1])
    car.add(_body_loft(z, half, np.full(7, 0.045), top, 0.75), color)
    car.add(cushion((width * 0.7, 0.05, 0.14), (0, 0.135, -0.02)), dark(rng))
    car.add(cushion((0.05, 0.06, 0.06), (0, 0.165, 0.0), 0.8), trim)
    car.add(box((width * 0.5, 0.1, 0.14), (0, 0.16, 0.12), top=(0.5, 0.4), lean=(0, -0.03)), trim)
    for place, height in ((-0.45, 0.05), (0.42, 0.2)):
        span = rng.uniform(0.3, 0.4)
        car.add(box((span, 0.012, 0.09), (0, height, place)), trim)
        car.add(box((0.012, 0.07, 0.1), (span / 2, height, place)), color, mirror=True)
    car.add(box((0.02, 0.1, 0.04), (0, 0.15, 0.42)), dark(rng))
    tyre, rim = dark(rng), metal(rng)
    for place, size in ((-0.28, 1.0), (0.3, 1.12)):
        radius, x = wheel * size, 0.19
        car.add(cylinder(radius, 0.09, (x, radius, place), "x"), tyre, mirror=True)
        car.add(cylinder(radius * 0.5, 0.094, (x, radius, place), "x"), rim, mirror=True)
        car.add(rod((0, 0.08, place), (x, radius, place), 0.01), metal(rng), mirror=True)


def _bus(car: Assembly, rng: Generator) -> None:
    width, height, wheel = rng.uniform(0.22, 0.3), rng.uniform(0.24, 0.36), rng.uniform(0.045, 0.06)
    color, trim, pane = paint(rng), paint(rng), glass(rng)
    low = 0.04
    middle = low + rng.uniform(0.3, 0.45) * height
    car.add(box((width, middle - low, 0.98), (0, (low + middle) / 2, 0)), pick([color, trim], rng))
    car.add(box((width, low + height - middle, 0.98), (0, (middle + low + height) / 2, 0), top=(0.93, 0.98)), color)
    count = rng.integers(4, 9)
    for z in np.linspace(-0.36, 0.4, count):
        size = (0.006, 0.42 * (height - middle + low), 0.6 / count)
        car.add(box(size, (width * 0.491, middle + 0.45 * (height + low - middle), z)), pane, mirror=True)
    car.add(box((width * 0.85, 0.5 * (height - middle + low), 0.01), (0, middle + 0.08, -0.487)), pane)
    car.add(box((width * 0.7, 0.4 * (height - middle + low), 0.01), (0, middle + 0.08, 0.487)), pane)
    _lamps(car, width, low + 0.05, 0.49, rng)
    for place in (-0.3, 0.3):
        _wheel(car, (width / 2 - 0.015, wheel, place), wheel, dark(rng), metal(rng))


def _varied(shape: _Shape, rng: Generator) -> _Shape:
    values = {name: value * rng.uniform(0.88, 1.14) for name, value in vars(shape).items()}
    for name in ("hood", "roof_start", "roof_end", "deck"):
        values[name] = getattr(shape, name) + rng.uniform(-0.02, 0.02)
    return _Shape(**values)


def _z(share: float) -> float:
    return share - 0.5


def _hull(car: Assembly, shape: _Shape, color: Color, rng: Generator) -> None:
    """The body below the windows."""
    shares = np.array([0.0, 0.03, 0.12, shape.hood, 0.55, shape.deck, 0.97, 1.0])
    places = np.sort(shares) - 0.5
    ends = np.array([0.8, 0.93, 0.98, 1, 1, 0.98, 0.92, 0.82])
    drop = np.interp(np.sort(shares), [0, 0.12, shape.hood, shape.deck, 1], [1, 0.6, 0, 0, 0])
    sag = np.interp(np.sort(shares), [0, shape.deck, 1], [0, 0, 1])
    top = shape.clearance + shape.belt * (1 - shape.nose_drop * drop - shape.tail_drop * sag)
    bottom = shape.clearance + np.array([0.04, 0.015, 0, 0, 0, 0, 0.02, 0.05]) * rng.uniform(0.3, 1)
    mesh = _body_loft(places, ends * shape.width / 2, bottom, top, rng.uniform(0.86, 0.95))
    car.add(mesh, _body_livery(shape, color, rng))


def _body_livery(shape: _Shape, color: Color, rng: Generator) -> Livery:
    """One colour, a dark or contrasting sill, or stripes along the middle."""
    kind, trim = rng.integers(6), paint(rng)
    stripe = 0.14 * shape.width  # the middle strip of the body's skin

    def livery(centers: np.ndarray) -> np.ndarray:
        colors = np.tile(color, (len(centers), 1))
        if kind == 1:
            colors[centers[:, 1] < shape.clearance + 0.4 * shape.belt] = trim
        elif kind == 2:
            colors[(np.abs(centers[:, 0]) < stripe) & (centers[:, 1] > shape.clearance + 0.5 * shape.belt)] = trim
        elif kind == 3:
            colors[centers[:, 2] < _z(0.13)] = shaded(color, 0.6)
        return colors

    return livery


def _body_loft(z: np.ndarray, half: np.ndarray, bottom: np.ndarray, top: np.ndarray, tumblehome: float) -> Trimesh:
    """Sections across the car: bulging sides, rounded shoulders, and strips along the top for stripes."""
    x = np.array([0.9, 1.0, 1.0, tumblehome, 0.3, -0.3, -tumblehome, -1.0, -1.0, -0.9])
    share = np.array([0.0, 0.18, 0.6, 0.97, 1.0, 1.0, 0.97, 0.6, 0.18, 0.0])
    rings = np.stack(
        np.broadcast_arrays(half[:, None] * x, bottom[:, None] + (top - bottom)[:, None] * share, z[:, None]), axis=-1
    )
    return loft(rings)


def _cabin(car: Assembly, shape: _Shape, color: Color, rng: Generator) -> None:
    """Glass from belt to roof, a roof, and pillars in the body's colour."""
    low = shape.clearance + shape.belt * 0.97
    high = low + shape.cabin
    side, inner = shape.width * 0.46, shape.width * 0.46 * rng.uniform(0.74, 0.88)
    below = [_z(shape.hood), _z(shape.deck)]
    above = [_z(shape.roof_start), _z(shape.roof_end)]
    pane = glass(rng)
    car.add(_slab(side, below, low, inner, above, high), pane)
    roof = color if chance(0.75, rng) else pick([dark, light, paint], rng)(rng)
    car.add(
        _slab(inner * 1.01, above, high - 0.004, inner * 0.93, [above[0] + 0.02, above[1] - 0.02], high + 0.018), roof
    )
    pillars = [(below[0], above[0]), (below[1], above[1])]
    for share in pick([(0.5,), (0.4, 0.75), (0.33, 0.66)], rng):
        place = above[0] + share * (above[1] - above[0])
        pillars.append((place, place))
    for start, end in pillars:
        car.add(rod((side, low, start), (inner, high, end), 0.011, sections=6), color, mirror=True)
    if chance(0.15, rng):
        car.add(
            box((0.012, 0.015, above[1] - above[0]), (inner * 0.85, high + 0.03, sum(above) / 2)),
            metal(rng),
            mirror=True,
        )
    if chance(0.07, rng):
        car.add(
            box((inner, 0.03, 0.04), (0, high + 0.03, above[0] + 0.08)), pick([(0.8, 0.1, 0.1), (0.95, 0.75, 0.1)], rng)
        )


def _slab(
    low_side: float, low_ends: list[float], low: float, high_side: float, high_ends: list[float], high: float
) -> Trimesh:
    """A block between a lower and an upper rectangle."""
    rings = [
        [(side, y, ends[0]), (-side, y, ends[0]), (-side, y, ends[1]), (side, y, ends[1])]
        for side, ends, y in ((low_side, low_ends, low), (high_side, high_ends, high))
    ]
    return loft(np.array(rings))


def _pane(low: tuple[float, float, float], high: tuple[float, float, float]) -> Trimesh:
    """A windscreen between two points and their mirror images."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    rings = [[(x, y, z), (-x, y, z), (-x, y, z + 0.006), (x, y, z + 0.006)] for x, y, z in ((x0, y0, z0), (x1, y1, z1))]
    return loft(np.array(rings))


def _wheels(car: Assembly, shape: _Shape, rng: Generator) -> None:
    tyre, arch = dark(rng), dark(rng)
    rim = pick([metal, metal, light, dark, vivid], rng)(rng)
    radius = shape.wheel
    for place in (_z(0.19 + rng.uniform(-0.02, 0.02)), _z(0.8 + rng.uniform(-0.03, 0.02))):
        car.add(cylinder(radius * 1.15, 0.02, (shape.width / 2 - 0.008, radius * 1.05, place), "x"), arch, mirror=True)
        _wheel(car, (shape.width / 2 - 0.02, radius, place), radius, tyre, rim)


def _wheel(car: Assembly, center: tuple[float, float, float], radius: float, tyre: Color, rim: Color) -> None:
    car.add(cylinder(radius, 0.07, center, "x", sections=20), tyre, mirror=True)
    car.add(cylinder(radius * 0.62, 0.076, center, "x"), rim, mirror=True)
    car.add(cylinder(radius * 0.18, 0.08, center, "x", sections=8), shaded(rim, 0.5), mirror=True)


def _lamps(car: Assembly, width: float, height: float, end: float, rng: Generator) -> None:
    x, size = width * 0.36, (width * 0.2, rng.uniform(0.025, 0.045), 0.03)
    car.add(
        box(size, (x, height, -end)), pick([(0.95, 0.95, 0.88), (0.98, 0.9, 0.6), (0.75, 0.78, 0.8)], rng), mirror=True
    )
    car.add(box(size, (x, height + 0.01, end)), (0.75, 0.05, 0.05), mirror=True)


def _details(car: Assembly, shape: _Shape, color: Color, rng: Generator) -> None:
    """Lamps, bumpers, grille, mirrors, spoiler, spare wheel."""
    _lamps(car, shape.width, shape.clearance + 0.45 * shape.belt, 0.482, rng)
    trim = pick([dark(rng), metal(rng), color], rng)
    low = shape.clearance + 0.035
    car.add(box((shape.width * 0.8, 0.035, 0.03), (0, low, -0.49)), trim)
    car.add(box((shape.width * 0.8, 0.035, 0.03), (0, low, 0.49)), trim)
    car.add(
        box((shape.width * 0.38, 0.3 * shape.belt, 0.02), (0, shape.clearance + 0.42 * shape.belt, -0.492)), dark(rng)
    )
    mirror = (shape.width * 0.5, shape.clearance + shape.belt * 1.05, _z(shape.hood) + 0.07)
    car.add(box((0.04, 0.03, 0.022), mirror), pick([color, dark(rng)], rng), mirror=True)
    if chance(0.2, rng):
        top = shape.clearance + shape.belt + (shape.cabin if shape.deck > 0.9 else 0.03)
        car.add(
            wing((0.4, 0.48), (0.41, 0.48), shape.width * 0.4, 0.0, 0.2, top + 0.02),
            pick([color, dark(rng)], rng),
            mirror=True,
        )
        car.add(box((0.015, 0.06, 0.03), (shape.width * 0.3, top, 0.44)), dark(rng), mirror=True)
    if shape.deck > 0.95 and chance(0.4, rng):
        car.add(cylinder(shape.wheel * 0.9, 0.05, (0, shape.clearance + shape.belt, 0.51), "z"), dark(rng))
        car.add(cylinder(shape.wheel * 0.5, 0.056, (0, shape.clearance + shape.belt, 0.51), "z"), grey(0.5, 0.8, rng))
