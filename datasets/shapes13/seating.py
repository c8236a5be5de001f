"""Benches and sofas."""

import numpy as np
from numpy.random import Generator

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import any_of, chance, dark, fabric, light, metal, one_of, paint, pick, steel, vivid, wood
from datasets.shapes13.parts import box, cushion, cylinder, moved, rod, sweep, turned


def _park_bench(bench: Assembly, rng: Generator) -> None:
    depth, seat = rng.uniform(0.26, 0.36), rng.uniform(0.26, 0.32)
    frame, slat = any_of(rng, dark, metal, wood, paint), any_of(rng, wood, wood, paint, steel)
    count, rear = pick([3, 4, 5], rng), depth / 2
    for z in (np.arange(count) + 0.5) / count - 0.5:
        bench.add(box((1, 0.025, 0.75 * depth / count), (0, seat, z * depth)), slat)
    height, recline = rng.uniform(0.24, 0.36), rng.uniform(4, 18)
    if chance(0.8, rng):
        rows = pick([2, 3, 4], rng)
        for y in (np.arange(rows) + 0.7) / rows:
            plank = box((1, 0.62 * height / rows, 0.022), (0, seat + y * height, rear))
            bench.add(turned(plank, recline, "x", (0, seat, rear)), slat)
        post = rod((0, seat - 0.02, rear + 0.015), (0, seat + height, rear + 0.015), 0.016, sections=4)
        for x in (0.42, 0.0):
            bench.add(moved(turned(post, recline, "x", (0, seat, rear)), (x, 0, 0)), frame, mirror=x > 0)
    for x in (0.42,) if chance(0.6, rng) else (0.42, 0.0):
        bench.add(box((0.035, 0.03, depth), (x, seat - 0.025, 0)), frame, mirror=x > 0)
        for side in (-1, 1):
            foot = (x, 0, side * depth * rng.uniform(0.42, 0.58))
            bench.add(rod(foot, (x, seat - 0.02, side * depth * 0.42), 0.018, sections=6), frame, mirror=x > 0)
    if chance(0.6, rng):
        top = seat + rng.uniform(0.13, 0.18)
        path = [(0.46, 0, -depth * 0.5), (0.46, top, -depth * 0.46), (0.46, top, depth * 0.6)]
        bench.pair(sweep(path, 0.018, 6), frame)


def _plank_bench(bench: Assembly, rng: Generator) -> None:
    depth, seat, thick = rng.uniform(0.2, 0.4), rng.uniform(0.26, 0.42), rng.uniform(0.03, 0.07)
    top, base = any_of(rng, wood, fabric, paint, light, steel), any_of(rng, wood, dark, metal, light)
    bench.add(box((1, thick, depth), (0, seat - thick / 2, 0)), base if chance(0.4, rng) else top)
    if chance(0.4, rng):
        bench.add(cushion((0.98, 0.07, depth * 0.97), (0, seat + 0.02, 0), 0.15), top)
    kind, x, leg = pick(["legs", "slabs", "frames"], rng), rng.uniform(0.36, 0.47), seat - thick
    if kind == "slabs":
        bench.pair(box((rng.uniform(0.03, 0.1), leg, depth * 0.9), (x, leg / 2, 0)), base)
    else:
        for z in (-0.42, 0.42):
            bench.pair(box((0.04, leg, 0.04), (x, leg / 2, z * depth)), base)
        if kind == "frames":
            bench.pair(box((0.04, 0.04, depth * 0.84), (x, 0.02, 0)), base)
    if chance(0.4, rng):
        bench.add(box((2 * x, 0.04, 0.03), (0, seat * rng.uniform(0.25, 0.5), 0)), base)


def _picnic_bench(bench: Assembly, rng: Generator) -> None:
    color, frame = any_of(rng, wood, paint, steel), any_of(rng, wood, dark, metal)
    table, reach = rng.uniform(0.36, 0.44), rng.uniform(0.34, 0.42)
    seat = table * 0.6
    for z in np.linspace(-0.16, 0.16, 4):
        bench.add(box((1, 0.03, 0.09), (0, table, z)), color)
    for side in (-1, 1):
        for inset in (0.0, 0.08):
            bench.add(box((1, 0.03, 0.07), (0, seat, side * (reach - inset))), color)
        bench.pair(rod((0.36, 0, side * 0.3), (0.36, table, side * 0.08), 0.022, sections=4), frame)
    bench.pair(box((0.03, 0.04, 2 * reach), (0.36, seat - 0.035, 0)), frame)


def _solid_bench(bench: Assembly, rng: Generator) -> None:
    depth, seat = rng.uniform(0.28, 0.4), rng.uniform(0.24, 0.32)
    body, pad = any_of(rng, wood, light, steel, paint), any_of(rng, fabric, vivid)
    bench.add(box((1, seat, depth), (0, seat / 2, 0)), body)
    for x in (-0.25, 0.25):
        bench.add(box((0.46, seat * 0.7, 0.012), (x, seat * 0.45, -depth / 2)), body if chance(0.4, rng) else wood(rng))
    if chance(0.6, rng):
        bench.add(cushion((0.98, 0.06, depth), (0, seat + 0.02, 0), 0.15), pad)
    height = rng.uniform(0.28, 0.6)
    bench.add(box((1, height, 0.05), (0, seat + height / 2, depth / 2)), body)
    if chance(0.6, rng):
        bench.pair(box((0.05, 0.18, depth), (0.475, seat + 0.09, 0)), body)


bench = one_of({_park_bench: 0.5, _plank_bench: 0.25, _picnic_bench: 0.12, _solid_bench: 0.13})


def _couch(sofa: Assembly, rng: Generator) -> None:
    width, depth = pick([0.62, 0.85, 1.0, 1.0], rng), rng.uniform(0.38, 0.48)
    cloth, seats, rear = fabric(rng), 3 if width == 1.0 else 2, depth / 2
    accent, leg = cloth if chance(0.6, rng) else fabric(rng), any_of(rng, wood, metal, dark)
    low, seat, arm = rng.uniform(0.02, 0.07), rng.uniform(0.17, 0.22), rng.uniform(0.05, 0.11)
    inner, softness = width - 2 * arm, rng.uniform(0.08, 0.4)
    sofa.add(box((width, seat * 0.6 - low, depth), (0, (seat * 0.6 + low) / 2, 0)), cloth)
    each = inner / seats
    middles = [(index - (seats - 1) / 2) * each for index in range(seats)]
    for x in middles:
        sofa.add(cushion((each * 0.99, seat * 0.5, depth * 0.85), (x, seat * 0.82, -0.03), 0.25), accent)
    back, recline = seat + rng.uniform(0.16, 0.26), rng.uniform(2, 10)
    rest = cushion((width, back - low, 0.11), (0, (back + low) / 2, rear - 0.05), softness)
    sofa.add(turned(rest, recline, "x", (0, low, rear)), cloth)
    if chance(0.6, rng):
        for x in middles:
            size, middle = (each * 0.97, (back - seat) * 1.05, 0.1), (x, seat + (back - seat) * 0.55, rear - 0.12)
            sofa.add(turned(cushion(size, middle, 0.35), recline, "x", (0, seat, rear)), accent)
    top, x = seat + rng.uniform(0.04, 0.14), width / 2 - arm / 2
    size, middle = (arm, top - low, depth), (x, (top + low) / 2, -0.01)
    if chance(0.3, rng):
        sofa.pair(box(size, middle), cloth)
        sofa.pair(cylinder(arm * 0.75, depth, (x, top, -0.01), "z"), cloth)
    else:
        sofa.pair(cushion(size, middle, softness), cloth)
    if chance(0.35, rng):
        pillow = cushion((0.14, 0.14, 0.06), (inner / 2 - 0.08, seat + 0.1, 0.05), 0.5)
        sofa.add(turned(pillow, 15, "x", (0, seat, 0.05)), vivid(rng), mirror=chance(0.6, rng))
    _feet(sofa, width, depth, low, leg)


def _corner_sofa(sofa: Assembly, rng: Generator) -> None:
    cloth, low, seat, back, depth = fabric(rng), 0.03, rng.uniform(0.15, 0.19), rng.uniform(0.3, 0.36), 0.34
    accent, reach, side = cloth if chance(0.5, rng) else fabric(rng), rng.uniform(0.3, 0.5), pick([-1, 1], rng)
    rear, x, y = 0.3, side * (0.5 - depth / 2), low + seat * 0.33
    wing = rear - depth - reach / 2
    sofa.add(box((1, seat * 0.65, depth), (0, y, rear - depth / 2)), cloth)
    sofa.add(box((depth, seat * 0.65, reach), (x, y, wing)), cloth)
    for middle in (-0.33, 0.0, 0.33):
        sofa.add(cushion((0.32, 0.09, depth - 0.08), (middle, seat, rear - depth / 2 - 0.03), 0.25), accent)
        sofa.add(cushion((0.32, back - seat, 0.1), (middle, (back + seat) / 2 + 0.03, rear - 0.1), 0.3), accent)
    sofa.add(cushion((depth - 0.02, 0.09, reach), (x, seat, wing), 0.2), accent)
    y = (back + low) / 2
    sofa.add(cushion((1, back - low, 0.09), (0, y, rear - 0.03), 0.15), cloth)
    if chance(0.6, rng):
        length = depth + reach
        sofa.add(cushion((0.09, back - low, length), (side * 0.46, y, rear - length / 2), 0.15), cloth)
    sofa.add(cushion((0.09, seat + 0.08, depth), (-side * 0.46, (seat + 0.1) / 2, rear - depth / 2), 0.15), cloth)
    _feet(sofa, 0.9, 0.4, low, dark(rng))


def _day_bed(sofa: Assembly, rng: Generator) -> None:
    cloth, frame = fabric(rng), any_of(rng, wood, metal, dark, light)
    depth, seat, x = rng.uniform(0.34, 0.42), rng.uniform(0.18, 0.24), 0.48
    sofa.add(box((1, 0.05, depth), (0, seat - 0.06, 0)), frame)
    sofa.add(cushion((0.96, 0.1, depth * 0.96), (0, seat, 0), 0.15), cloth)
    _feet(sofa, 0.94, depth, seat - 0.08, frame)
    back = cushion((0.9, 0.2, 0.08), (0, seat + 0.13, depth / 2 - 0.04), 0.25)
    sofa.add(back, cloth if chance(0.5, rng) else fabric(rng))
    sofa.pair(rod((x, seat - 0.05, -depth / 2), (x, seat + 0.16, -depth / 2), 0.015), frame)
    sofa.pair(box((0.04, 0.03, depth), (x, seat + 0.16, 0)), frame)
    sofa.pair(rod((x, seat - 0.05, depth / 2), (x, seat + 0.24, depth / 2), 0.015), frame)
    sofa.add(cylinder(0.06, depth * 0.8, (0.4, seat + 0.09, 0), "z"), vivid(rng), mirror=chance(0.5, rng))


def _feet(sofa: Assembly, width: float, depth: float, height: float, color: Color) -> None:
    for z in (-depth / 2 + 0.04, depth / 2 - 0.04):
        sofa.pair(cylinder(0.014, height + 0.02, (width / 2 - 0.05, height / 2, z), end_radius=0.02, sections=8), color)


sofa = one_of({_couch: 0.72, _corner_sofa: 0.18, _day_bed: 0.1})
