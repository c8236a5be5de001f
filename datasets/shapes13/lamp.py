"""Table, floor, desk, arc and hanging lamps."""

import numpy as np
from numpy.random import Generator

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import chance, dark, fabric, light, metal, one_of, paint, pick, vivid, wood
from datasets.shapes13.parts import cylinder, ellipsoid, revolve, rod, sweep, turned


def _shade(lamp: Assembly, low: float, height: float, radius: float, color: Color, rng: Generator) -> None:
    """A drum, cone, bell or globe around the axis; open shades are thin shells."""
    kind = pick(["cone", "cone", "drum", "bell", "globe"], rng)
    if kind == "globe":
        lamp.add(ellipsoid((radius * 0.8, height * 0.55, radius * 0.8), (0, low + height / 2, 0)), color)
        return
    top = radius * {"cone": rng.uniform(0.3, 0.7), "drum": 1.0, "bell": 0.35}[kind]
    share = np.linspace(0, 1, 6)
    outer = radius + (top - radius) * (share**0.5 if kind == "bell" else share)
    outside = list(zip(outer, low + share * height, strict=True))
    inside = [(r - 0.008, y) for r, y in outside[::-1]]
    lamp.add(revolve([*outside, *inside, outside[0]], sections=28), color)
    lamp.add(cylinder(top * 0.98, 0.006, (0, low + height * 0.9, 0), sections=20), light(rng))
    lamp.add(ellipsoid((0.04, 0.05, 0.04), (0, low + height * 0.45, 0)), (1.0, 0.97, 0.85))


def _table_lamp(lamp: Assembly, stand: Color, shade: Color, rng: Generator) -> None:
    height, body, foot = rng.uniform(0.4, 0.6), rng.uniform(0.04, 0.17), rng.uniform(0.12, 0.2)
    kind = pick(["vase", "ball", "column", "bottle", "stack"], rng)
    if kind == "stack":
        lamp.add(cylinder(foot, 0.03, (0, 0.015, 0), sections=24), stand)
        for y in np.linspace(0.1, height - 0.05, pick([2, 3, 4], rng)):
            lamp.add(ellipsoid((body * 0.7, 0.07, body * 0.7), (0, y, 0)), paint(rng) if chance(0.3, rng) else stand)
        lamp.add(cylinder(0.015, height, (0, height / 2, 0), sections=8), stand)
    else:
        share = np.linspace(0, 1, 12)
        bulge = {
            "vase": np.sin(np.pi * np.clip(share * 1.15, 0, 1)) ** 0.7,
            "ball": np.sqrt(np.clip(1 - (2.2 * share - 1.1) ** 2, 0, 1)),
            "column": np.full(12, 0.35),
            "bottle": np.where(share < 0.55, 1.0, np.clip(1 - (share - 0.55) * 2.6, 0.2, 1)),
        }[kind]
        profile = zip(0.018 + body * bulge, 0.03 + share * (height - 0.03), strict=True)
        lamp.add(revolve([(0, 0), (foot, 0.0), (foot, 0.025), *profile, (0, height)], sections=24), stand)
    lamp.add(cylinder(0.012, 0.2, (0, height + 0.08, 0), sections=8), metal(rng))
    _shade(lamp, height + 0.02, rng.uniform(0.25, 0.42), rng.uniform(0.2, 0.36), shade, rng)


def _floor_lamp(lamp: Assembly, stand: Color, shade: Color, rng: Generator) -> None:
    height, radius = rng.uniform(0.72, 0.85), rng.uniform(0.008, 0.02)
    if chance(0.3, rng):
        for angle in np.arange(3) * 2 * np.pi / 3:
            lamp.add(rod((0.2 * np.cos(angle), 0, 0.2 * np.sin(angle)), (0, height, 0), radius), stand)
    else:
        lamp.add(revolve([(0, 0), (0.13, 0), (0.12, 0.02), (0.02, 0.035), (0, 0.035)], sections=24), stand)
        lamp.add(cylinder(radius, height, (0, height / 2, 0), sections=10), stand)
    if chance(0.3, rng):
        bowl = [(0.0, 0.0), (0.1, 0.02), (0.17, 0.1), (0.165, 0.1), (0.09, 0.03), (0.0, 0.02)]
        lamp.add(revolve([(r, height + y) for r, y in bowl], sections=28), shade)
    else:
        _shade(lamp, height - 0.02, rng.uniform(0.15, 0.26), rng.uniform(0.11, 0.2), shade, rng)


def _desk_lamp(lamp: Assembly, stand: Color, shade: Color, rng: Generator) -> None:
    radius, elbow = rng.uniform(0.012, 0.022), (0, rng.uniform(0.4, 0.55), rng.uniform(0.12, 0.3))
    head = (0, rng.uniform(0.55, 0.8), -rng.uniform(0.15, 0.35))
    lamp.add(cylinder(rng.uniform(0.13, 0.19), 0.04, (0, 0.02, 0), sections=24), stand)
    lamp.add(rod((0, 0.03, 0), elbow, radius), stand)
    lamp.add(rod(elbow, head, radius), stand)
    lamp.add(ellipsoid((radius * 2, radius * 2, radius * 2), elbow), dark(rng))
    size = rng.uniform(0.1, 0.16)
    inside = [(0.05, 0.06), (0, 0.06), (0, -0.02), (0.05, -0.02), (size * 0.92, -0.16)]
    hood = revolve([*inside, (size, -0.16), (0.06, -0.02), (0.05, 0.06)], head, sections=24)
    lamp.add(turned(hood, rng.uniform(10, 50), "x", head), shade)


def _arc_lamp(lamp: Assembly, stand: Color, shade: Color, rng: Generator) -> None:
    reach, height = rng.uniform(0.45, 0.65), rng.uniform(0.75, 0.95)
    turn = np.linspace(0, np.pi * 0.9, 12)
    y, z = height * np.sin(turn * 0.62) / np.sin(np.pi * 0.5), -reach * (1 - np.cos(turn)) / 2
    lamp.add(sweep(np.stack([np.zeros(12), y, z], axis=-1), 0.014), stand)
    lamp.add(cylinder(0.15, 0.05, (0, 0.025, 0), sections=24), stand)
    bowl = [(0.0, 0.09), (0.07, 0.07), (0.14, 0.0), (0.15, 0.0), (0.08, 0.08), (0.0, 0.1)]
    lamp.add(revolve(bowl, (0, y[-1] - 0.08, z[-1]), sections=24), shade)


def _pendant(lamp: Assembly, stand: Color, shade: Color, rng: Generator) -> None:
    drop = rng.uniform(0.35, 0.7)
    lamp.add(cylinder(0.07, 0.03, (0, drop + 0.3, 0)), stand)
    lamp.add(cylinder(0.009, drop, (0, drop / 2 + 0.3, 0), sections=8), stand)
    if chance(0.6, rng):
        _shade(lamp, 0.0, rng.uniform(0.22, 0.34), rng.uniform(0.18, 0.36), shade, rng)
        lamp.add(cylinder(0.03, 0.1, (0, 0.28, 0)), stand)
        return
    arms, reach = pick([3, 4, 5, 6], rng), rng.uniform(0.24, 0.38)
    for angle in np.arange(arms) * 2 * np.pi / arms:
        x, z = reach * np.cos(angle), reach * np.sin(angle)
        lamp.add(sweep([(0, 0.32, 0), (x * 0.5, 0.2, z * 0.5), (x, 0.24, z), (x, 0.3, z)], 0.012, 6), stand)
        lamp.add(revolve([(0, 0), (0.04, 0.0), (0.075, 0.13), (0, 0.13)], (x, 0.3, z), sections=14), shade)
    lamp.add(ellipsoid((0.06, 0.08, 0.06), (0, 0.32, 0)), stand)


lamp = one_of(
    {_table_lamp: 0.36, _floor_lamp: 0.24, _desk_lamp: 0.16, _arc_lamp: 0.08, _pendant: 0.16},
    (metal, metal, dark, wood, paint, light),  # the stand
    (light, light, fabric, vivid, paint, dark),  # the shade
)
