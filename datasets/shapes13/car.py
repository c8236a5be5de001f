"""Sedans, hatchbacks, wagons, off-roaders, vans, pick-ups, sports cars, convertibles, racing cars and buses."""

from typing import NamedTuple

import numpy as np
from numpy import ndarray
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import any_of, chance, dark, glass, grey, light, metal, one_of, paint, pick, shaded, vivid
from datasets.shapes13.parts import Path, Point, box, cushion, cylinder, loft, rod, sweep, wing


class _Shape(NamedTuple):
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


_CLOSED = [
    _Shape(0.29, 0.42, 0.66, 0.82, 0.39, 0.16, 0.11, 0.05, 0.072),  # sedan
    _Shape(0.26, 0.40, 0.80, 0.94, 0.44, 0.19, 0.14, 0.05, 0.082),  # hatchback
    _Shape(0.28, 0.41, 0.88, 0.96, 0.39, 0.16, 0.12, 0.05, 0.072),  # wagon
    _Shape(0.30, 0.38, 0.92, 0.97, 0.44, 0.21, 0.16, 0.085, 0.095, 0.12),  # off-roader
    _Shape(0.10, 0.24, 0.95, 0.98, 0.42, 0.22, 0.19, 0.05, 0.075, 0.3),  # van
    _Shape(0.34, 0.50, 0.62, 0.86, 0.43, 0.14, 0.085, 0.03, 0.076, 0.45, 0.0),  # sports car
    _Shape(0.20, 0.34, 0.85, 0.95, 0.50, 0.23, 0.19, 0.06, 0.10, 0.3),  # mini
]
_PICKUP = _Shape(0.28, 0.37, 0.54, 0.58, 0.36, 0.16, 0.13, 0.08, 0.085, 0.12, 0.0)
_CONVERTIBLE = _Shape(0.36, 0.44, 0.62, 0.72, 0.41, 0.16, 0.09, 0.04, 0.076, 0.3, 0.1)


def _closed_car(car: Assembly, rng: Generator) -> None:
    shape, color = _varied(pick(_CLOSED, rng), rng), paint(rng)
    for fit in (_hull, _cabin, _fittings):
        fit(car, shape, color, rng)


def _pickup(car: Assembly, rng: Generator) -> None:
    shape, color = _varied(_PICKUP, rng), paint(rng)
    _hull(car, shape, color, rng)
    _cabin(car, shape, color, rng)
    width, low, start, end = shape.width, shape.clearance + shape.belt, shape.deck - 0.5, 0.47
    length, middle, rail = end - start, (start + end) / 2, width * 0.45
    car.add(box((width * 0.84, 0.004, length), (0, low + 0.003, middle)), dark(rng))
    car.pair(box((0.02, 0.035, length), (rail, low + 0.015, middle)), color)
    car.add(box((2 * rail, 0.035, 0.02), (0, low + 0.015, end)), color)
    if chance(0.3, rng):
        height = rng.uniform(0.05, 0.12)
        car.add(box((width * 0.7, height, 0.6 * length), (0, low + height / 2, middle)), paint(rng))
    _fittings(car, shape, color, rng)


def _convertible(car: Assembly, rng: Generator) -> None:
    shape, color, leather = _varied(_CONVERTIBLE, rng), paint(rng), any_of(rng, dark, light, paint)
    _hull(car, shape, color, rng)
    width, top = shape.width, shape.clearance + shape.belt
    start, end = shape.hood - 0.5 + 0.02, shape.deck - 0.5
    car.add(box((width * 0.78, 0.006, end - start), (0, top + 0.004, (start + end) / 2)), shaded(leather, 0.5))
    for z in np.linspace(start + 0.14, end - 0.05, pick([1, 2], rng)):
        car.pair(cushion((width * 0.28, 0.05, 0.09), (width * 0.19, top + 0.02, z)), leather)
        car.pair(cushion((width * 0.28, 0.12, 0.035), (width * 0.19, top + 0.05, z + 0.05)), leather)
    x, y, z = np.array([(width * 0.4, top, start), (width * 0.4 * 0.85, top + shape.cabin, start + 0.07)]).T
    arch = np.stack([np.append(x, -x[::-1]), np.append(y, y[::-1]), np.append(z, z[::-1])], axis=-1)
    car.add(sweep(arch, 0.007, 6), pick([color, dark(rng), metal(rng)], rng))
    car.add(_slab(x, y, np.stack([z, z + 0.006], axis=-1)), glass(rng))
    _fittings(car, shape, color, rng)


def _racer(car: Assembly, rng: Generator) -> None:
    color, trim = vivid(rng), paint(rng)
    width, wheel = rng.uniform(0.1, 0.14), rng.uniform(0.07, 0.085)
    z = np.array([-0.5, -0.42, -0.2, -0.05, 0.1, 0.25, 0.42])
    half = np.array([0.2, 0.35, 0.6, 1.3, 1.6, 1.2, 0.4]) * width / 2
    top = np.array([0.07, 0.085, 0.115, 0.13, 0.15, 0.14, 0.1])
    car.add(_body(z, half, np.full(7, 0.045), top, 0.75), color)
    car.add(cushion((width * 0.7, 0.05, 0.14), (0, 0.135, -0.02)), dark(rng))
    car.add(cushion((0.05, 0.06, 0.06), (0, 0.165, 0.0), 0.8), trim)
    car.add(box((width * 0.5, 0.1, 0.14), (0, 0.16, 0.12), top=(0.5, 0.4), lean=(0, -0.03)), trim)
    for z, height in ((-0.45, 0.05), (0.42, 0.2)):
        span = rng.uniform(0.3, 0.4)
        car.add(box((span, 0.012, 0.09), (0, height, z)), trim)
        car.pair(box((0.012, 0.07, 0.1), (span / 2, height, z)), color)
    car.add(box((0.02, 0.1, 0.04), (0, 0.15, 0.42)), dark(rng))
    tyre, rim = dark(rng), metal(rng)
    for z, radius in ((-0.28, wheel), (0.3, wheel * 1.12)):
        center = (0.19, radius, z)
        car.pair(cylinder(radius, 0.09, center, "x"), tyre)
        car.pair(cylinder(radius * 0.5, 0.094, center, "x"), rim)
        car.pair(rod((0, 0.08, z), center, 0.01), metal(rng))


def _bus(car: Assembly, rng: Generator) -> None:
    width, height, wheel, low = rng.uniform(0.22, 0.3), rng.uniform(0.24, 0.36), rng.uniform(0.045, 0.06), 0.04
    color, trim, pane = paint(rng), paint(rng), glass(rng)
    middle = low + rng.uniform(0.3, 0.45) * height
    upper = height - middle + low
    car.add(box((width, middle - low, 0.98), (0, (low + middle) / 2, 0)), pick([color, trim], rng))
    car.add(box((width, low + height - middle, 0.98), (0, (middle + low + height) / 2, 0), top=(0.93, 0.98)), color)
    count = rng.integers(4, 9)
    for z in np.linspace(-0.36, 0.4, count):
        center = (width * 0.491, middle + 0.45 * (height + low - middle), z)
        car.pair(box((0.006, 0.42 * upper, 0.6 / count), center), pane)
    car.add(box((width * 0.85, 0.5 * upper, 0.01), (0, middle + 0.08, -0.487)), pane)
    car.add(box((width * 0.7, 0.4 * upper, 0.01), (0, middle + 0.08, 0.487)), pane)
    _lamps(car, width, low + 0.05, 0.49, rng)
    for z in (-0.3, 0.3):
        _wheel(car, (width / 2 - 0.015, wheel, z), wheel, dark(rng), metal(rng))


def _varied(shape: _Shape, rng: Generator) -> _Shape:
    scaled = [value * rng.uniform(0.88, 1.14) for value in shape]
    return _Shape(*(share + rng.uniform(-0.02, 0.02) for share in shape[:4]), *scaled[4:])


def _hull(car: Assembly, shape: _Shape, color: Color, rng: Generator) -> None:
    """The body below the windows, with a dark or contrasting sill, stripes along the middle, or a dark nose."""
    shares = np.sort([0.0, 0.03, 0.12, shape.hood, 0.55, shape.deck, 0.97, 1.0])
    half = np.array([0.8, 0.93, 0.98, 1, 1, 0.98, 0.92, 0.82]) * shape.width / 2
    drop = np.interp(shares, [0, 0.12, shape.hood, shape.deck, 1], [1, 0.6, 0, 0, 0])
    sag = np.interp(shares, [0, shape.deck, 1], [0, 0, 1])
    top = shape.clearance + shape.belt * (1 - shape.nose_drop * drop - shape.tail_drop * sag)
    bottom = shape.clearance + np.array([0.04, 0.015, 0, 0, 0, 0, 0.02, 0.05]) * rng.uniform(0.3, 1)
    mesh = _body(shares - 0.5, half, bottom, top, rng.uniform(0.86, 0.95))
    kind, trim = rng.integers(6), paint(rng)
    x, y, z = mesh.triangles_center.T[..., None]
    sill = y < shape.clearance + 0.4 * shape.belt
    stripe = (np.abs(x) < 0.14 * shape.width) & (y > shape.clearance + 0.5 * shape.belt)
    trimmed = [y > np.inf, sill, stripe, z < 0.13 - 0.5, y > np.inf, y > np.inf][kind]
    car.add(mesh, np.where(trimmed, shaded(color, 0.6) if kind == 3 else trim, color))


def _body(z: ndarray, half: ndarray, bottom: ndarray, top: ndarray, tumblehome: float) -> Trimesh:
    """Sections across the car: bulging sides, rounded shoulders, and strips along the top for stripes."""
    across = np.array([0.9, 1.0, 1.0, tumblehome, 0.3, -0.3, -tumblehome, -1.0, -1.0, -0.9])
    up = np.array([0.0, 0.18, 0.6, 0.97, 1.0, 1.0, 0.97, 0.6, 0.18, 0.0])
    return loft(half[:, None] * across, bottom[:, None] + (top - bottom)[:, None] * up, z[:, None])


def _cabin(car: Assembly, shape: _Shape, color: Color, rng: Generator) -> None:
    low = shape.clearance + shape.belt * 0.97
    high = low + shape.cabin
    side, inner = shape.width * 0.46, shape.width * 0.46 * rng.uniform(0.74, 0.88)
    below, (front, rear) = (shape.hood - 0.5, shape.deck - 0.5), (shape.roof_start - 0.5, shape.roof_end - 0.5)
    car.add(_slab((side, inner), (low, high), (below, (front, rear))), glass(rng))
    ends = ((front, rear), (front + 0.02, rear - 0.02))
    roof = _slab((inner * 1.01, inner * 0.93), (high - 0.004, high + 0.018), ends)
    car.add(roof, color if chance(0.75, rng) else any_of(rng, dark, light, paint))
    middles = [front + share * (rear - front) for share in pick([(0.5,), (0.4, 0.75), (0.33, 0.66)], rng)]
    for start, end in [(below[0], front), (below[1], rear), *zip(middles, middles, strict=True)]:
        car.pair(rod((side, low, start), (inner, high, end), 0.011, sections=6), color)
    if chance(0.15, rng):
        car.pair(box((0.012, 0.015, rear - front), (inner * 0.85, high + 0.03, (front + rear) / 2)), metal(rng))
    if chance(0.07, rng):
        sign = box((inner, 0.03, 0.04), (0, high + 0.03, front + 0.08))
        car.add(sign, pick([(0.8, 0.1, 0.1), (0.95, 0.75, 0.1)], rng))


def _slab(sides: Point, heights: Point, ends: Path) -> Trimesh:
    """A block between a lower and an upper rectangle: their half widths, heights, and (front, rear) ends along z."""
    return loft(np.outer(sides, [1, -1, -1, 1]), np.reshape(heights, (2, 1)), np.repeat(np.asarray(ends), 2, axis=1))


def _wheel(car: Assembly, center: Point, radius: float, tyre: Color, rim: Color) -> None:
    car.pair(cylinder(radius, 0.07, center, "x", sections=20), tyre)
    car.pair(cylinder(radius * 0.62, 0.076, center, "x"), rim)
    car.pair(cylinder(radius * 0.18, 0.08, center, "x", sections=8), shaded(rim, 0.5))


def _lamps(car: Assembly, width: float, height: float, end: float, rng: Generator) -> None:
    x, size = width * 0.36, (width * 0.2, rng.uniform(0.025, 0.045), 0.03)
    car.pair(box(size, (x, height, -end)), pick([(0.95, 0.95, 0.88), (0.98, 0.9, 0.6), (0.75, 0.78, 0.8)], rng))
    car.pair(box(size, (x, height + 0.01, end)), (0.75, 0.05, 0.05))


def _fittings(car: Assembly, shape: _Shape, color: Color, rng: Generator) -> None:
    width, clearance, belt, wheel = shape.width, shape.clearance, shape.belt, shape.wheel
    tyre, arch, rim = dark(rng), dark(rng), any_of(rng, metal, metal, light, dark, vivid)
    for z in (0.19 + rng.uniform(-0.02, 0.02) - 0.5, 0.8 + rng.uniform(-0.03, 0.02) - 0.5):
        car.pair(cylinder(wheel * 1.15, 0.02, (width / 2 - 0.008, wheel * 1.05, z), "x"), arch)
        _wheel(car, (width / 2 - 0.02, wheel, z), wheel, tyre, rim)
    _lamps(car, width, clearance + 0.45 * belt, 0.482, rng)
    trim = pick([dark(rng), metal(rng), color], rng)
    for z in (-0.49, 0.49):
        car.add(box((width * 0.8, 0.035, 0.03), (0, clearance + 0.035, z)), trim)
    car.add(box((width * 0.38, 0.3 * belt, 0.02), (0, clearance + 0.42 * belt, -0.492)), dark(rng))
    mirror = (width * 0.5, clearance + belt * 1.05, shape.hood - 0.5 + 0.07)
    car.pair(box((0.04, 0.03, 0.022), mirror), pick([color, dark(rng)], rng))
    if chance(0.2, rng):
        top = clearance + belt + (shape.cabin if shape.deck > 0.9 else 0.03)
        car.pair(wing((0.4, 0.48), (0.41, 0.48), width * 0.4, 0, 0.2, top + 0.02), pick([color, dark(rng)], rng))
        car.pair(box((0.015, 0.06, 0.03), (width * 0.3, top, 0.44)), dark(rng))
    if shape.deck > 0.95 and chance(0.4, rng):
        car.add(cylinder(wheel * 0.9, 0.05, (0, clearance + belt, 0.51), "z"), dark(rng))
        car.add(cylinder(wheel * 0.5, 0.056, (0, clearance + belt, 0.51), "z"), grey(0.5, 0.8, rng))


car = one_of({_closed_car: 0.68, _pickup: 0.11, _convertible: 0.09, _racer: 0.06, _bus: 0.06})
