"""Airliners, propeller planes, fighters, gliders and flying wings."""

from itertools import product

import numpy as np
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import chance, dark, glass, grey, light, metal, one_of, paint, pick, vivid
from datasets.shapes13.parts import Point, box, cylinder, ellipsoid, loft, moved, revolve, rod, turned, wing


def _airliner(plane: Assembly, rng: Generator) -> None:
    radius = rng.uniform(0.045, 0.075)
    hull, trim, tail_color = _colors(rng)
    wings = pick([hull, hull, trim, grey(0.5, 0.9, rng)], rng)
    fuselage = _fuselage(radius, 1.0, nose=rng.uniform(0.1, 0.18), tail=rng.uniform(0.25, 0.4), lift=0.6)
    _add_fuselage(plane, fuselage, (radius, 1.0), hull, trim, rng)
    span, chord = rng.uniform(0.38, 0.55), rng.uniform(0.16, 0.26)
    lead, sweep = rng.uniform(-0.2, -0.05), rng.uniform(0.15, 0.38)
    height, rise = -0.5 * radius, rng.uniform(0.0, 0.07)
    tip = (lead + sweep, lead + sweep + chord * rng.uniform(0.25, 0.45))
    plane.pair(wing((lead, lead + chord), tip, span, rise, 0.12, height), wings)
    high_tail = chance(0.25, rng)
    fin_top = _fin(plane, radius, tail_color, rng, high_tail)
    _tailplane(plane, fin_top if high_tail else radius * 0.4, 0.3, wings, rng)
    engine_color, engine = trim if chance(0.4, rng) else metal(rng), rng.uniform(0.022, 0.036)
    if high_tail:
        plane.pair(_jet(engine, 0.16, (radius + engine, radius * 0.3, 0.26)), engine_color)
        return
    for share in pick([(0.3,), (0.36,), (0.3, 0.6), (0.36, 0.72)], rng, (0.33, 0.33, 0.17, 0.17)):
        x = share * span
        y, z = height + rise * x / span - engine * 1.2, lead + sweep * x / span + rng.uniform(-0.02, 0.02)
        plane.pair(_jet(engine, 0.15, (x, y, z)), engine_color)
        plane.pair(cylinder(engine * 0.8, 0.005, (x, y, z - 0.077), "z"), dark(rng))


def _propeller_plane(plane: Assembly, rng: Generator) -> None:
    radius, length = rng.uniform(0.055, 0.085), 0.8
    hull, trim, tail_color = _colors(rng)
    wings = pick([hull, trim], rng)
    fuselage = _fuselage(radius, length, nose=0.1, tail=rng.uniform(0.5, 0.65), lift=0.3, blunt=0.6)
    _add_fuselage(plane, fuselage, (radius, length), hull, trim, rng)
    biplane, high = chance(0.25, rng), chance(0.45, rng)
    span, chord, lead = rng.uniform(0.42, 0.62), rng.uniform(0.13, 0.2), rng.uniform(-0.24, -0.15)
    heights = [-0.7 * radius, 1.6 * radius] if biplane else [(1.0 if high else -0.6) * radius]
    taper = rng.uniform(0.5, 1.0)
    tip = (lead + chord * (1 - taper) / 2, lead + chord * (1 + taper) / 2)
    for height in heights:
        plane.pair(wing((lead, lead + chord), tip, span, rng.uniform(0, 0.06), 0.13, height), wings)
    if biplane:
        for x, z in product((0.35 * span, 0.8 * span), (lead + 0.02, lead + chord - 0.03)):
            plane.pair(rod((x, heights[0], z), (x, heights[1] + 0.03, z), 0.006), dark(rng))
    elif chance(0.4, rng):
        x = span * rng.uniform(0.3, 0.45)
        plane.pair(_jet(0.04, 0.2, (x, heights[0], lead)), trim)
        _propeller(plane, (x, heights[0], lead - 0.11), rng.uniform(0.1, 0.14), rng, mirror=True)
    _propeller(plane, (0, 0, -length / 2 - 0.005), rng.uniform(0.11, 0.17), rng)
    plane.add(ellipsoid((radius * 0.7, radius * 0.75, 0.11), (0, radius * 0.75, -0.08)), glass(rng))
    _fin(plane, radius * 0.6, tail_color, rng, False, length)
    _tailplane(plane, radius * 0.2, length / 2 - 0.16, wings, rng)
    if chance(0.7, rng):
        for x, z in ((0.13, -0.2), (0.0, 0.3 if chance(0.5, rng) else -0.36)):
            plane.add(rod((x * 0.6, -radius * 0.5, z), (x, -radius * 2, z), 0.008), metal(rng), mirror=x > 0)
            plane.add(cylinder(0.032, 0.025, (x, -radius * 2.1, z), "x"), dark(rng), mirror=x > 0)


def _fighter(plane: Assembly, rng: Generator) -> None:
    radius, camouflaged = rng.uniform(0.05, 0.07), not chance(0.5, rng)
    colors = (grey(0.3, 0.7, rng), grey(0.2, 0.6, rng), paint(rng)) if camouflaged else _colors(rng)
    hull, trim, tail_color = colors
    fuselage = _fuselage(radius, 1.0, nose=rng.uniform(0.3, 0.45), tail=0.12, lift=0.0, end=0.7)
    _add_fuselage(plane, fuselage, (radius, 1.0), hull, trim, rng)
    span, lead, back = rng.uniform(0.28, 0.42), rng.uniform(-0.15, 0.02), rng.uniform(0.3, 0.42)
    tip = (rng.uniform(0.15, 0.3), back - rng.uniform(-0.04, 0.06))
    plane.pair(wing((lead, back), tip, span, rng.uniform(-0.03, 0.03), 0.05, 0.0), trim if chance(0.4, rng) else hull)
    plane.add(ellipsoid((radius * 0.6, radius * 0.8, 0.13), (0, radius * 0.7, -0.2)), glass(rng))
    if chance(0.5, rng):
        fin = turned(wing((0.28, 0.46), (0.38, 0.48), 0.17, 0.0, 0.06, 0.0), 90 - rng.uniform(5, 25), "z")
        plane.pair(moved(fin, (radius * 0.8, radius * 0.4, 0)), tail_color)
    else:
        _fin(plane, radius, tail_color, rng, False)
    if chance(0.5, rng):
        plane.pair(wing((-0.22, -0.13), (-0.14, -0.1), 0.16, 0.02, 0.05, 0.2 * radius), trim)
    else:
        _tailplane(plane, 0.0, 0.36, hull, rng)
    for x in (-1, 1) if chance(0.5, rng) else (0,):
        plane.add(cylinder(radius * 0.55, 0.08, (x * radius * 0.6, 0, 0.5), "z"), dark(rng))
    if chance(0.6, rng):
        missile = [(0, -0.12), (0.012, -0.08), (0.012, 0.08), (0, 0.09)]
        for share in (0.5, 0.75):
            plane.pair(revolve(missile, (span * share, -0.03, 0.22), "z", 8), light(rng))


def _glider(plane: Assembly, rng: Generator) -> None:
    radius, length = rng.uniform(0.035, 0.05), 0.75
    hull, trim, tail_color = _colors(rng)
    plane.add(_fuselage(radius, length, nose=0.15, tail=0.65, lift=0.4), hull)
    span, chord = rng.uniform(0.55, 0.75), rng.uniform(0.07, 0.1)
    root, tip, rise = (-0.12, -0.12 + chord), (-0.08, -0.08 + chord * 0.45), rng.uniform(0.02, 0.09)
    plane.pair(wing(root, tip, span, rise, 0.14, radius * 0.6), trim if chance(0.4, rng) else hull)
    plane.add(ellipsoid((radius * 0.8, radius * 0.8, 0.12), (0, radius * 0.4, -0.24)), glass(rng))
    fin_top = _fin(plane, radius * 0.4, tail_color, rng, True, length)
    _tailplane(plane, fin_top, length / 2 - 0.1, hull, rng)


def _flying_wing(plane: Assembly, rng: Generator) -> None:
    hull = grey(0.12, 0.6, rng) if chance(0.6, rng) else paint(rng)
    span, sweep = rng.uniform(0.5, 0.7), rng.uniform(0.25, 0.45)
    plane.pair(wing((-0.25, 0.28), (-0.25 + sweep, -0.15 + sweep), span, 0.0, 0.14, 0.0), hull)
    plane.add(ellipsoid((0.08, 0.06, 0.24), (0, 0.02, 0)), paint(rng))
    plane.add(ellipsoid((0.04, 0.03, 0.07), (0, 0.065, -0.12)), glass(rng))
    plane.pair(_jet(0.035, 0.2, (0.16, 0.035, 0.02)), dark(rng))


def _colors(rng: Generator) -> tuple[Color, Color, Color]:
    """Hull, trim and tail."""
    hull = light(rng) if chance(0.3, rng) else paint(rng)
    trim = vivid(rng) if chance(0.6, rng) else paint(rng)
    return hull, trim, trim if chance(0.5, rng) else vivid(rng) if chance(0.5, rng) else hull


def _fuselage(
    radius: float, length: float, nose: float, tail: float, lift: float, blunt: float = 0.0, end: float = 0.15
) -> Trimesh:
    """A round hull along z; nose and tail are the tapered shares of it, `lift` raises the tail's end in radii."""
    middle, rear = np.linspace(nose, 1 - tail, 8), np.linspace(1 - tail, 1, 6)
    share = np.concatenate([np.linspace(0, nose, 6)[:-1], middle[:-1], rear])[:, None]
    front, rear = np.clip(share / nose, 0, 1), np.clip((share - (1 - tail)) / tail, 0, 1)
    scale = np.maximum(np.sqrt(1 - (1 - front) ** 2 * (1 - blunt**2)) * (1 - (1 - end) * rear**1.5), 0.03)
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False) + np.pi / 16
    y = radius * (scale * np.sin(angles) + lift * rear**1.5)
    return loft(radius * scale * np.cos(angles), y, (share - 0.5) * length)


def _add_fuselage(plane: Assembly, mesh: Trimesh, size: Point, hull: Color, trim: Color, rng: Generator) -> None:
    """Paint: plain, or with a belly, a stripe of windows, a coloured nose or tail; `size` is (radius, length)."""
    radius, length = size
    kind, window, height = rng.integers(5), dark(rng), rng.uniform(-0.2, 0.3) * radius
    _, y, z = mesh.triangles_center.T[..., None]
    belly, stripe = y < height, np.abs(y - height) < 0.35 * radius
    trimmed = [z > np.inf, belly, stripe, z > 0.25 * length, z < -0.3 * length][kind]
    cockpit = (z < -0.4 * length) & (z > -0.47 * length) & (y > 0.25 * radius)
    plane.add(mesh, np.select([cockpit, trimmed], [window, trim], hull))


def _fin(plane: Assembly, base: float, color: Color, rng: Generator, high_tail: bool, length: float = 1.0) -> float:
    """Returns the height of the top."""
    height, back, chord = rng.uniform(0.13, 0.2), length / 2, rng.uniform(0.12, 0.2)
    tip = (back - 0.04 - chord * (0.5 if high_tail else 0.3), back + rng.uniform(-0.02, 0.04))
    fin = turned(wing((back - chord - 0.02, back - 0.02), tip, height, 0.0, 0.09, 0.0), 90, "z")
    plane.add(moved(fin, (0, base * 0.6, 0)), color)
    return base * 0.6 + height


def _tailplane(plane: Assembly, height: float, lead: float, color: Color, rng: Generator) -> None:
    chord, sweep, span = rng.uniform(0.08, 0.13), rng.uniform(0.0, 0.1), rng.uniform(0.14, 0.22)
    root, tip = (lead, lead + chord), (lead + sweep, lead + sweep + chord * 0.6)
    plane.pair(wing(root, tip, span, rng.uniform(0, 0.03), 0.1, height), color)


def _jet(radius: float, length: float, center: Point) -> Trimesh:
    profile = [(0, -0.5), (0.8, -0.5), (1.0, -0.3), (0.95, 0.1), (0.55, 0.5), (0, 0.5)]
    return revolve([(r * radius, z * length) for r, z in profile], center, "z", 12)


def _propeller(plane: Assembly, hub: Point, radius: float, rng: Generator, mirror: bool = False) -> None:
    blades, start, color = pick([2, 3, 4], rng), rng.uniform(0, 90), dark(rng)
    for blade in range(blades):
        mesh = box((0.022, radius, 0.008), (hub[0], hub[1] + radius / 2, hub[2] - 0.012))
        plane.add(turned(mesh, start + 360 * blade / blades, "z", hub), color, mirror)
    plane.add(revolve([(0, -0.05), (0.015, -0.03), (0.022, 0.0), (0, 0.0)], hub, "z", 10), metal(rng), mirror)


airplane = one_of({_airliner: 0.4, _propeller_plane: 0.25, _fighter: 0.22, _glider: 0.08, _flying_wing: 0.05})
