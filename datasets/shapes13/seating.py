"""Benches and sofas."""

import numpy as np
from numpy.random import Generator

from datasets.shapes13.assembly import Assembly
from datasets.shapes13.draws import chance, pick
from datasets.shapes13.palette import Color, dark, fabric, grey, light, metal, paint, vivid, wood
from datasets.shapes13.parts import box, cushion, cylinder, rod, sweep, turned


def bench(assembly: Assembly, rng: Generator) -> None:
    """A park bench, a plank on supports, a picnic table with seats, or a box."""
    layout = pick([_park_bench, _plank_bench, _picnic_bench, _solid_bench], rng, (0.5, 0.25, 0.12, 0.13))
    layout(assembly, rng)


def sofa(assembly: Assembly, rng: Generator) -> None:
    """A couch, a corner sofa or a day bed."""
    layout = pick([_couch, _corner_sofa, _day_bed], rng, (0.72, 0.18, 0.1))
    layout(assembly, rng)


def _park_bench(bench: Assembly, rng: Generator) -> None:
    width, depth, seat = 1.0, rng.uniform(0.26, 0.36), rng.uniform(0.26, 0.32)
    frame = pick([dark, metal, wood, paint], rng)(rng)
    slat = pick([wood, wood, paint, grey_metal], rng)(rng)
    count = pick([3, 4, 5], rng)
    for z in (np.arange(count) + 0.5) / count - 0.5:
        bench.add(box((width, 0.025, 0.75 * depth / count), (0, seat, z * depth)), slat)
    height, recline = rng.uniform(0.24, 0.36), rng.uniform(4, 18)
    pivot = (0, seat, depth / 2)
    if chance(0.8, rng):
        rows = pick([2, 3, 4], rng)
        for y in (np.arange(rows) + 0.7) / rows:
            size = (width, 0.62 * height / rows, 0.022)
            bench.add(turned(box(size, (0, seat + y * height, depth / 2)), recline, "x", pivot), slat)
        post = rod((0, seat - 0.02, depth / 2 + 0.015), (0, seat + height, depth / 2 + 0.015), 0.016, sections=4)
        for x in (0.42, 0.0):
            bench.add(turned(post, recline, "x", pivot).apply_translation((x, 0, 0)), frame, mirror=x > 0)
    for x in (0.42,) if chance(0.6, rng) else (0.42, 0.0):
        bench.add(box((0.035, 0.03, depth), (x, seat - 0.025, 0)), frame, mirror=x > 0)
        for z in (-1, 1):
            foot = (x, 0, z * depth * rng.uniform(0.42, 0.58))
            bench.add(rod(foot, (x, seat - 0.02, z * depth * 0.42), 0.018, sections=6), frame, mirror=x > 0)
    if chance(0.6, rng):
        top = seat + rng.uniform(0.13, 0.18)
        path = [(0.46, 0, -depth * 0.5), (0.46, top, -depth * 0.46), (0.46, top, depth * 0.6)]
        bench.add(sweep(path, 0.018, 6), frame, mirror=True)


def grey_metal(rng: Generator) -> Color:
    """Bare steel."""
    return grey(0.35, 0.75, rng)


def _plank_bench(bench: Assembly, rng: Generator) -> None:
    depth, seat, thick = rng.uniform(0.2, 0.4), rng.uniform(0.26, 0.42), rng.uniform(0.03, 0.07)
    top = pick([wood, fabric, paint, light, grey_metal], rng)(rng)
    base = pick([wood, dark, metal, light], rng)(rng)
    bench.add(box((1, thick, depth), (0, seat - thick / 2, 0)), base if chance(0.4, rng) else top)
    if chance(0.4, rng):
        bench.add(cushion((0.98, 0.07, depth * 0.97), (0, seat + 0.02, 0), 0.15), top)
    kind, x = pick(["legs", "slabs", "frames"], rng), rng.uniform(0.36, 0.47)
    if kind == "slabs":
        bench.add(
            box((rng.uniform(0.03, 0.1), seat - thick, depth * 0.9), (x, (seat - thick) / 2, 0)), base, mirror=True
        )
    else:
        for z in (-0.42, 0.42):
            bench.add(box((0.04, seat - thick, 0.04), (x, (seat - thick) / 2, z * depth)), base, mirror=True)
        if kind == "frames":
            bench.add(box((0.04, 0.04, depth * 0.84), (x, 0.02, 0)), base, mirror=True)
    if chance(0.4, rng):
        bench.add(box((2 * x, 0.04, 0.03), (0, seat * rng.uniform(0.25, 0.5), 0)), base)


def _picnic_bench(bench: Assembly, rng: Generator) -> None:
    color, frame, table = (
        pick([wood, paint, grey_metal], rng)(rng),
        pick([wood, dark, metal], rng)(rng),
        rng.uniform(0.36, 0.44),
    )
    reach, seat = rng.uniform(0.34, 0.42), table * 0.6
    for z in np.linspace(-0.16, 0.16, 4):
        bench.add(box((1, 0.03, 0.09), (0, table, z)), color)
    for side in (-1, 1):
        for z in (0.0, 0.08):
            bench.add(box((1, 0.03, 0.07), (0, seat, side * (reach - z))), color)
        bench.add(rod((0.36, 0, side * 0.3), (0.36, table, side * 0.08), 0.022, sections=4), frame, mirror=True)
    bench.add(box((0.03, 0.04, 2 * reach), (0.36, seat - 0.035, 0)), frame, mirror=True)


def _solid_bench(bench: Assembly, rng: Generator) -> None:
    depth, seat = rng.uniform(0.28, 0.4), rng.uniform(0.24, 0.32)
    body, pad = pick([wood, light, grey_metal, paint], rng)(rng), pick([fabric, vivid], rng)(rng)
    bench.add(box((1, seat, depth), (0, seat / 2, 0)), body)
    for x in (-0.25, 0.25):
        bench.add(box((0.46, seat * 0.7, 0.012), (x, seat * 0.45, -depth / 2)), body if chance(0.4, rng) else wood(rng))
    if chance(0.6, rng):
        bench.add(cushion((0.98, 0.06, depth), (0, seat + 0.02, 0), 0.15), pad)
    height = rng.uniform(0.28, 0.6)
    bench.add(box((1, height, 0.05), (0, seat + height / 2, depth / 2)), body)
    if chance(0.6, rng):
        bench.add(box((0.05, 0.18, depth), (0.475, seat + 0.09, 0)), body, mirror=True)


def _couch(sofa: Assembly, rng: Generator) -> None:
    width, depth = pick([0.62, 0.85, 1.0, 1.0], rng), rng.uniform(0.38, 0.48)
    cloth, seats = fabric(rng), {0.62: 2, 0.85: 2}.get(width, 3)
    accent, leg = cloth if chance(0.6, rng) else fabric(rng), pick([wood, metal, dark], rng)(rng)
    low, seat, arm = rng.uniform(0.02, 0.07), rng.uniform(0.17, 0.22), rng.uniform(0.05, 0.11)
    inner, softness = width - 2 * arm, rng.uniform(0.08, 0.4)
    sofa.add(box((width, seat * 0.6 - low, depth), (0, (seat * 0.6 + low) / 2, 0)), cloth)
    each = inner / seats
    for index in range(seats):
        x = (index - (seats - 1) / 2) * each
        sofa.add(cushion((each * 0.99, seat * 0.5, depth * 0.85), (x, seat * 0.82, -0.03), 0.25), accent)
    back = seat + rng.uniform(0.16, 0.26)
    recline = rng.uniform(2, 10)
    rest = cushion((width, back - low, 0.11), (0, (back + low) / 2, depth / 2 - 0.05), softness)
    sofa.add(turned(rest, recline, "x", (0, low, depth / 2)), cloth)
    if chance(0.6, rng):
        for index in range(seats):
            x = (index - (seats - 1) / 2) * each
            pillow = cushion(
                (each * 0.97, (back - seat) * 1.05, 0.1), (x, seat + (back - seat) * 0.55, depth / 2 - 0.12), 0.35
            )
            sofa.add(turned(pillow, recline, "x", (0, seat, depth / 2)), accent)
    top = seat + rng.uniform(0.04, 0.14)
    place = (width / 2 - arm / 2, (top + low) / 2, -0.01)
    if chance(0.3, rng):
        sofa.add(box((arm, top - low, depth), place), cloth, mirror=True)
        sofa.add(cylinder(arm * 0.75, depth, (place[0], top, -0.01), "z"), cloth, mirror=True)
    else:
        sofa.add(cushion((arm, top - low, depth), place, softness), cloth, mirror=True)
    if chance(0.35, rng):
        pillow = cushion((0.14, 0.14, 0.06), (inner / 2 - 0.08, seat + 0.1, 0.05), 0.5)
        sofa.add(turned(pillow, 15, "x", (0, seat, 0.05)), vivid(rng), mirror=chance(0.6, rng))
    _feet(sofa, width, depth, low, leg)


def _corner_sofa(sofa: Assembly, rng: Generator) -> None:
    cloth, low, seat, back, depth = fabric(rng), 0.03, rng.uniform(0.15, 0.19), rng.uniform(0.3, 0.36), 0.34
    accent, reach, side = cloth if chance(0.5, rng) else fabric(rng), rng.uniform(0.3, 0.5), pick([-1, 1], rng)
    rear = 0.3
    sofa.add(box((1, seat * 0.65, depth), (0, low + seat * 0.33, rear - depth / 2)), cloth)
    wing_z = rear - depth - reach / 2
    sofa.add(box((depth, seat * 0.65, reach), (side * (0.5 - depth / 2), low + seat * 0.33, wing_z)), cloth)
    for x in (-0.33, 0.0, 0.33):
        sofa.add(cushion((0.32, 0.09, depth - 0.08), (x, seat, rear - depth / 2 - 0.03), 0.25), accent)
        sofa.add(cushion((0.32, back - seat, 0.1), (x, (back + seat) / 2 + 0.03, rear - 0.1), 0.3), accent)
    sofa.add(cushion((depth - 0.02, 0.09, reach), (side * (0.5 - depth / 2), seat, wing_z), 0.2), accent)
    sofa.add(cushion((1, back - low, 0.09), (0, (back + low) / 2, rear - 0.03), 0.15), cloth)
    if chance(0.6, rng):
        sofa.add(
            cushion(
                (0.09, back - low, depth + reach), (side * 0.46, (back + low) / 2, rear - (depth + reach) / 2), 0.15
            ),
            cloth,
        )
    sofa.add(cushion((0.09, seat + 0.08, depth), (-side * 0.46, (seat + 0.1) / 2, rear - depth / 2), 0.15), cloth)
    _feet(sofa, 0.9, 0.4, low, dark(rng))


def _day_bed(sofa: Assembly, rng: Generator) -> None:
    cloth, frame, depth, seat = (
        fabric(rng),
        pick([wood, metal, dark, light], rng)(rng),
        rng.uniform(0.34, 0.42),
        rng.uniform(0.18, 0.24),
    )
    sofa.add(box((1, 0.05, depth), (0, seat - 0.06, 0)), frame)
    sofa.add(cushion((0.96, 0.1, depth * 0.96), (0, seat, 0), 0.15), cloth)
    _feet(sofa, 0.94, depth, seat - 0.08, frame)
    sofa.add(
        cushion((0.9, 0.2, 0.08), (0, seat + 0.13, depth / 2 - 0.04), 0.25), cloth if chance(0.5, rng) else fabric(rng)
    )
    for x in (0.48,):
        sofa.add(rod((x, seat - 0.05, -depth / 2), (x, seat + 0.16, -depth / 2), 0.015), frame, mirror=True)
        sofa.add(box((0.04, 0.03, depth), (x, seat + 0.16, 0)), frame, mirror=True)
        sofa.add(rod((x, seat - 0.05, depth / 2), (x, seat + 0.24, depth / 2), 0.015), frame, mirror=True)
    sofa.add(cylinder(0.06, depth * 0.8, (0.4, seat + 0.09, 0), "z"), vivid(rng), mirror=chance(0.5, rng))


def _feet(piece: Assembly, width: float, depth: float, height: float, color: Color) -> None:
    for z in (-depth / 2 + 0.04, depth / 2 - 0.04):
        piece.add(
            cylinder(0.014, height + 0.02, (width / 2 - 0.05, height / 2, z), end_radius=0.02, sections=8),
            color,
            mirror=True,
        )
