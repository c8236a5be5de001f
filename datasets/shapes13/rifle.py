"""Assault rifles, bolt-action and sniper rifles, shotguns; the muzzle points to -z."""

import numpy as np
from numpy.random import Generator

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import any_of, chance, dark, grey, metal, paint, pick, wood
from datasets.shapes13.parts import bars, box, cylinder, extrude, revolve, rod


def rifle(assembly: Assembly, rng: Generator) -> None:
    """One rifle of a random layout."""
    steel = grey(0.1, 0.35, rng) if chance(0.75, rng) else metal(rng)
    grip = any_of(rng, wood, wood, dark, paint, lambda _: steel)
    pick([_assault, _bolt_action, _bullpup], rng, (0.5, 0.36, 0.14))(assembly, steel, grip, rng)


def _barrel(gun: Assembly, y: float, start: float, length: float, radius: float, color: Color, rng: Generator) -> None:
    gun.add(cylinder(radius, length, (0, y, start - length / 2), "z", sections=10), color)
    if chance(0.5, rng):
        gun.add(cylinder(radius * 1.7, 0.05, (0, y, start - length), "z", sections=10), dark(rng))
    gun.add(box((0.008, 0.035, 0.02), (0, y + 0.025, start - length * 0.92)), color)


def _scope(gun: Assembly, y: float, z: float, rng: Generator) -> None:
    length, radius, color = rng.uniform(0.14, 0.26), rng.uniform(0.012, 0.018), dark(rng)
    profile = [(0, -0.5), (1.7, -0.5), (1.7, -0.3), (1.0, -0.2), (1.0, 0.25), (1.5, 0.35), (1.5, 0.5), (0, 0.5)]
    gun.add(revolve(np.array(profile) * (radius, length), (0, y + 0.035, z), "z", 12), color)
    for mount in (z - 0.05, z + 0.05):
        gun.add(box((0.015, 0.04, 0.015), (0, y + 0.012, mount)), color)


def _stock(gun: Assembly, color: Color, rng: Generator) -> None:
    start, end, top = 0.19, rng.uniform(0.42, 0.5), 0.01
    rear, butt, thick = top - rng.uniform(0.0, 0.05), rng.uniform(0.08, 0.13), rng.uniform(0.026, 0.04)
    kind = pick(["solid", "solid", "skeleton", "tube"], rng)
    if kind == "solid":
        outline = [(start, top), (end, rear), (end, rear - butt), (start + 0.05, -0.05), (start, -0.04)]
        gun.add(extrude(outline, thick, "x"), color)
    elif kind == "skeleton":
        gun.add(rod((0, top - 0.01, start), (0, rear - 0.01, end), 0.014, sections=6), color)
        gun.add(rod((0, -0.03, start), (0, rear - butt + 0.01, end), 0.012, sections=6), color)
        gun.add(box((thick, butt + 0.01, 0.02), (0, rear - butt / 2, end)), color)
    else:
        gun.add(cylinder(0.017, end - start, (0, 0, (start + end) / 2), "z", sections=8), dark(rng))
        gun.add(box((thick, butt, 0.11), (0, -butt * 0.3, end - 0.055), top=(1, 1.2)), color)


def _grip(gun: Assembly, y: float, z: float, color: Color, rng: Generator) -> None:
    low, rake = y - rng.uniform(0.09, 0.13), rng.uniform(0.02, 0.05)
    gun.add(extrude([(z - 0.02, y), (z + 0.025, y), (z + 0.03 + rake, low), (z - 0.01 + rake, low)], 0.03, "x"), color)
    gun.add(bars([(0, y, z - 0.08), (0, y - 0.035, z - 0.08), (0, y - 0.035, z - 0.015)], 0.005, 4), dark(rng))


def _magazine(gun: Assembly, y: float, z: float, color: Color, rng: Generator) -> None:
    kind = pick(["curved", "straight", "drum", "short"], rng, (0.4, 0.35, 0.07, 0.18))
    length, wide = rng.uniform(0.13, 0.2), rng.uniform(0.04, 0.06)
    if kind == "drum":
        gun.add(cylinder(0.07, 0.06, (0, y - 0.07, z), "x", sections=16), color)
        return
    turn = np.linspace(0, 1, 6)
    front = z - wide / 2 - (0.06 * turn**2 if kind == "curved" else 0.015 * turn)
    heights = y - (length * 0.45 if kind == "short" else length) * turn
    outline = [*zip(front, heights, strict=True), *zip(front[::-1] + wide, heights[::-1], strict=True)]
    gun.add(extrude(outline, 0.024, "x"), color)


def _assault(gun: Assembly, steel: Color, grip: Color, rng: Generator) -> None:
    tall = rng.uniform(0.055, 0.085)
    top, low = -0.01 + tall / 2, -tall / 2
    gun.add(box((0.034, tall, 0.27), (0, -0.01, 0.06), top=(0.8, 1)), steel)
    _barrel(gun, 0.0, -0.05, rng.uniform(0.36, 0.5), rng.uniform(0.008, 0.013), steel, rng)
    length = rng.uniform(0.14, 0.24)
    if chance(0.5, rng):
        gun.add(cylinder(0.027, length, (0, 0, -0.08 - length / 2), "z", sections=10), grip)
    else:
        gun.add(box((0.036, 0.05, length), (0, -0.004, -0.08 - length / 2)), grip)
    _stock(gun, grip, rng)
    _grip(gun, low, 0.15, grip if chance(0.5, rng) else dark(rng), rng)
    _magazine(gun, low, rng.uniform(0.02, 0.06), steel if chance(0.6, rng) else dark(rng), rng)
    kind = pick(["scope", "handle", "rail"], rng)
    if kind == "scope":
        _scope(gun, top, 0.06, rng)
    elif kind == "handle":
        outer = [(-0.02, 0.0), (0.0, 0.05), (0.12, 0.05), (0.16, 0.0)]
        inner = [(0.14, 0.0), (0.11, 0.033), (0.01, 0.033), (0.0, 0.0)]
        gun.add(extrude([(z, top + y) for z, y in outer + inner], 0.016, "x"), dark(rng))
    else:
        gun.add(box((0.02, 0.015, 0.26), (0, top + 0.005, 0.04)), dark(rng))
    if chance(0.25, rng):
        gun.add(box((0.025, 0.08, 0.03), (0, -0.06, -0.2)), dark(rng))


def _bolt_action(gun: Assembly, steel: Color, grip: Color, rng: Generator) -> None:
    end, fore = rng.uniform(0.42, 0.5), rng.uniform(-0.3, -0.12)
    upper = [(fore, 0.0), (0.2, 0.0), (0.26, -0.02), (end, rng.uniform(-0.04, 0.01))]
    lower = [(end, -0.13), (0.28, -0.085), (0.22, -0.1), (0.19, -0.05), (fore, -0.035)]
    gun.add(extrude(upper + lower, rng.uniform(0.03, 0.042), "x"), grip)
    gun.add(cylinder(0.019, 0.28, (0, 0.01, 0.07), "z", sections=10), steel)
    barrels = pick([1, 1, 1, 2], rng)
    _barrel(gun, 0.012, 0.0, rng.uniform(0.48, 0.62), rng.uniform(0.009, 0.016), steel, rng)
    if barrels == 2:
        _barrel(gun, -0.014, 0.0, 0.48, 0.012, steel, rng)
        gun.add(cylinder(0.026, 0.12, (0, -0.012, -0.24), "z", sections=10), grip)
    gun.add(rod((0, 0.012, 0.17), (0.06, -0.005, 0.18), 0.006, sections=6), metal(rng))
    gun.add(bars([(0, -0.04, 0.1), (0, -0.075, 0.11), (0, -0.075, 0.18), (0, -0.05, 0.19)], 0.005, 4), steel)
    if chance(0.6, rng):
        _scope(gun, 0.03, 0.06, rng)
    if chance(0.5, rng):
        _magazine(gun, -0.03, 0.04, steel, rng)
    if chance(0.4, rng):
        for x in (-0.07, 0.07):
            gun.add(rod((0, -0.01, -0.25), (x, -rng.uniform(0.14, 0.2), -0.27), 0.007, sections=6), dark(rng))


def _bullpup(gun: Assembly, steel: Color, grip: Color, rng: Generator) -> None:
    outline = [(-0.2, 0.03), (0.4, 0.04), (0.42, -0.1), (0.26, -0.08), (0.1, -0.045), (-0.2, -0.03)]
    gun.add(extrude(outline, 0.042, "x"), grip)
    _barrel(gun, 0.0, -0.18, rng.uniform(0.25, 0.4), 0.011, steel, rng)
    _grip(gun, -0.03, -0.02, grip, rng)
    _magazine(gun, -0.07, 0.2, dark(rng), rng)
    _scope(gun, 0.04, 0.02, rng)
    if chance(0.5, rng):
        gun.add(box((0.028, 0.09, 0.035), (0, -0.06, -0.15)), grip)
