"""Airliners, propeller planes, fighters, gliders and flying wings."""

import numpy as np
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.assembly import Assembly, Livery
from datasets.shapes13.draws import chance, pick
from datasets.shapes13.palette import Color, dark, glass, grey, light, metal, paint, vivid
from datasets.shapes13.parts import box, cylinder, ellipsoid, loft, revolve, rod, turned, wing


def airplane(plane: Assembly, rng: Generator) -> None:
    """One airplane of a random layout."""
    layout = pick([_airliner, _propeller_plane, _fighter, _glider, _flying_wing], rng, (0.4, 0.25, 0.22, 0.08, 0.05))
    layout(plane, rng)


def _airliner(plane: Assembly, rng: Generator) -> None:
    """Swept wings with jets below them or at the tail."""
    radius, length = rng.uniform(0.045, 0.075), 1.0
    hull, trim, tail_color = _colors(rng)
    wings = pick([hull, hull, trim, grey(0.5, 0.9, rng)], rng)
    plane.add(
        _fuselage(radius, length, nose=rng.uniform(0.1, 0.18), tail=rng.uniform(0.25, 0.4), lift=0.6),
        _hull_livery(radius, length, hull, trim, rng),
    )
    span, chord = rng.uniform(0.38, 0.55), rng.uniform(0.16, 0.26)
    lead, sweep = rng.uniform(-0.2, -0.05), rng.uniform(0.15, 0.38)
    height, rise = -0.5 * radius, rng.uniform(0.0, 0.07)
    plane.add(
        wing(
            (lead, lead + chord),
            (lead + sweep, lead + sweep + chord * rng.uniform(0.25, 0.45)),
            span,
            rise,
            0.12,
            height,
        ),
        wings,
        mirror=True,
    )
    high_tail = chance(0.25, rng)
    fin = _fin(plane, radius, tail_color, rng, high_tail)
    _tailplane(plane, fin if high_tail else radius * 0.4, 0.3, wings, rng)
    engine_color = trim if chance(0.4, rng) else metal(rng)
    engine = rng.uniform(0.022, 0.036)
    if high_tail:
        plane.add(_jet(engine, 0.16, (radius + engine, radius * 0.3, 0.26)), engine_color, mirror=True)
    else:
        for place in pick([(0.3,), (0.36,), (0.3, 0.6), (0.36, 0.72)], rng, (0.33, 0.33, 0.17, 0.17)):
            x = place * span
            z = lead + sweep * x / span + rng.uniform(-0.02, 0.02)
            y = height + rise * x / span - engine * 1.2
            plane.add(_jet(engine, 0.15, (x, y, z)), engine_color, mirror=True)
            plane.add(cylinder(engine * 0.8, 0.005, (x, y, z - 0.077), "z"), dark(rng), mirror=True)


def _propeller_plane(plane: Assembly, rng: Generator) -> None:
    """One engine in the nose or two on the wing; one wing or two above each other."""
    radius, length = rng.uniform(0.055, 0.085), 0.8
    hull, trim, tail_color = _colors(rng)
    wings = pick([hull, trim], rng)
    plane.add(
        _fuselage(radius, length, nose=0.1, tail=rng.uniform(0.5, 0.65), lift=0.3, blunt=0.6),
        _hull_livery(radius, length, hull, trim, rng),
    )
    biplane, high = chance(0.25, rng), chance(0.45, rng)
    span, chord, lead = rng.uniform(0.42, 0.62), rng.uniform(0.13, 0.2), rng.uniform(-0.24, -0.15)
    heights = [-0.7 * radius, 1.6 * radius] if biplane else [(1.0 if high else -0.6) * radius]
    taper = rng.uniform(0.5, 1.0)
    for height in heights:
        plane.add(
            wing(
                (lead, lead + chord),
                (lead + chord * (1 - taper) / 2, lead + chord * (1 + taper) / 2),
                span,
                rng.uniform(0, 0.06),
                0.13,
                height,
            ),
            wings,
            mirror=True,
        )
    if biplane:
        for x in (0.35 * span, 0.8 * span):
            for z in (lead + 0.02, lead + chord - 0.03):
                plane.add(rod((x, heights[0], z), (x, heights[1] + 0.03, z), 0.006), dark(rng), mirror=True)
    elif chance(0.4, rng):
        x = span * rng.uniform(0.3, 0.45)
        plane.add(_jet(0.04, 0.2, (x, heights[0], lead)), trim, mirror=True)
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
    """Delta or swept wings far back, one or two fins, a bubble canopy."""
    radius, length = rng.uniform(0.05, 0.07), 1.0
    hull, trim, tail_color = (
        _colors(rng) if chance(0.5, rng) else (grey(0.3, 0.7, rng), grey(0.2, 0.6, rng), paint(rng))
    )
    plane.add(
        _fuselage(radius, length, nose=rng.uniform(0.3, 0.45), tail=0.12, lift=0.0, end=0.7),
        _hull_livery(radius, length, hull, trim, rng),
    )
    span, lead = rng.uniform(0.28, 0.42), rng.uniform(-0.15, 0.02)
    back = rng.uniform(0.3, 0.42)
    plane.add(
        wing(
            (lead, back),
            (rng.uniform(0.15, 0.3), back - rng.uniform(-0.04, 0.06)),
            span,
            rng.uniform(-0.03, 0.03),
            0.05,
            0.0,
        ),
        trim if chance(0.4, rng) else hull,
        mirror=True,
    )
    plane.add(ellipsoid((radius * 0.6, radius * 0.8, 0.13), (0, radius * 0.7, -0.2)), glass(rng))
    if chance(0.5, rng):
        fin = turned(wing((0.28, 0.46), (0.38, 0.48), 0.17, 0.0, 0.06, 0.0), 90 - rng.uniform(5, 25), "z")
        fin.apply_translation((radius * 0.8, radius * 0.4, 0))
        plane.add(fin, tail_color, mirror=True)
    else:
        _fin(plane, radius, tail_color, rng, False)
    if chance(0.5, rng):
        plane.add(wing((-0.22, -0.13), (-0.14, -0.1), 0.16, 0.02, 0.05, 0.2 * radius), trim, mirror=True)
    else:
        _tailplane(plane, 0.0, 0.36, hull, rng)
    for x in (-1, 1) if chance(0.5, rng) else (0,):
        plane.add(cylinder(radius * 0.55, 0.08, (x * radius * 0.6, 0, 0.5), "z"), dark(rng))
    if chance(0.6, rng):
        for share in (0.5, 0.75):
            plane.add(
                revolve([(0, -0.12), (0.012, -0.08), (0.012, 0.08), (0, 0.09)], (span * share, -0.03, 0.22), "z", 8),
                light(rng),
                mirror=True,
            )


def _glider(plane: Assembly, rng: Generator) -> None:
    """A slender hull, very long narrow wings, a high tail."""
    radius, length = rng.uniform(0.035, 0.05), 0.75
    hull, trim, tail_color = _colors(rng)
    plane.add(_fuselage(radius, length, nose=0.15, tail=0.65, lift=0.4), hull)
    span, chord = rng.uniform(0.55, 0.75), rng.uniform(0.07, 0.1)
    plane.add(
        wing((-0.12, -0.12 + chord), (-0.08, -0.08 + chord * 0.45), span, rng.uniform(0.02, 0.09), 0.14, radius * 0.6),
        trim if chance(0.4, rng) else hull,
        mirror=True,
    )
    plane.add(ellipsoid((radius * 0.8, radius * 0.8, 0.12), (0, radius * 0.4, -0.24)), glass(rng))
    top = _fin(plane, radius * 0.4, tail_color, rng, True, length)
    _tailplane(plane, top, length / 2 - 0.1, hull, rng)


def _flying_wing(plane: Assembly, rng: Generator) -> None:
    """No fuselage to speak of."""
    hull = grey(0.12, 0.6, rng) if chance(0.6, rng) else paint(rng)
    span, sweep = rng.uniform(0.5, 0.7), rng.uniform(0.25, 0.45)
    plane.add(wing((-0.25, 0.28), (-0.25 + sweep, -0.15 + sweep), span, 0.0, 0.14, 0.0), hull, mirror=True)
    plane.add(ellipsoid((0.08, 0.06, 0.24), (0, 0.02, 0)), paint(rng))
    plane.add(ellipsoid((0.04, 0.03, 0.07), (0, 0.065, -0.12)), glass(rng))
    plane.add(_jet(0.035, 0.2, (0.16, 0.035, 0.02)), dark(rng), mirror=True)


def _colors(rng: Generator) -> tuple[Color, Color, Color]:
    """Hull, trim and tail."""
    hull = light(rng) if chance(0.3, rng) else paint(rng)
    trim = vivid(rng) if chance(0.6, rng) else paint(rng)
    return hull, trim, trim if chance(0.5, rng) else vivid(rng) if chance(0.5, rng) else hull


def _hull_livery(radius: float, length: float, hull: Color, trim: Color, rng: Generator) -> Livery:
    """Plain, or with a belly, a stripe of windows, a coloured nose or tail."""
    kind = rng.integers(5)
    window, height = dark(rng), rng.uniform(-0.2, 0.3) * radius

    def livery(centers: np.ndarray) -> np.ndarray:
        colors = np.tile(hull, (len(centers), 1))
        if kind == 1:
            colors[centers[:, 1] < height] = trim
        elif kind == 2:
            colors[np.abs(centers[:, 1] - height) < 0.35 * radius] = trim
        elif kind == 3:
            colors[centers[:, 2] > 0.25 * length] = trim
        elif kind == 4:
            colors[centers[:, 2] < -0.3 * length] = trim
        cockpit = (centers[:, 2] < -0.4 * length) & (centers[:, 2] > -0.47 * length) & (centers[:, 1] > 0.25 * radius)
        colors[cockpit] = window
        return colors

    return livery


def _fuselage(
    radius: float, length: float, nose: float, tail: float, lift: float, blunt: float = 0.0, end: float = 0.15
) -> Trimesh:
    """A round hull along z; nose and tail are the tapered shares of it, `lift` raises the tail's end in radii."""
    places = np.concatenate(
        [np.linspace(0, nose, 6)[:-1], np.linspace(nose, 1 - tail, 8)[:-1], np.linspace(1 - tail, 1, 6)]
    )
    front = np.clip(places / nose, 0, 1)
    rear = np.clip((places - (1 - tail)) / tail, 0, 1)
    scale = np.sqrt(1 - (1 - front) ** 2 * (1 - blunt**2)) * (1 - (1 - end) * rear**1.5)
    scale = np.maximum(scale, 0.03)
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False) + np.pi / 16
    x = radius * scale[:, None] * np.cos(angles)
    y = radius * (scale[:, None] * np.sin(angles) + lift * rear[:, None] ** 1.5)
    z = np.broadcast_to((places[:, None] - 0.5) * length, x.shape)
    return loft(np.stack([x, y, z], axis=-1))


def _fin(plane: Assembly, base: float, color: Color, rng: Generator, high_tail: bool, length: float = 1.0) -> float:
    """The vertical stabiliser; returns its top's height."""
    height, back = rng.uniform(0.13, 0.2), length / 2
    chord = rng.uniform(0.12, 0.2)
    lead = back - chord - 0.02
    tip = (back - 0.04 - chord * (0.5 if high_tail else 0.3), back + rng.uniform(-0.02, 0.04))
    plane.add(
        turned(wing((lead, back - 0.02), tip, height, 0.0, 0.09, 0.0), 90, "z", (0, 0, 0)).apply_translation(
            (0, base * 0.6, 0)
        ),
        color,
    )
    return base * 0.6 + height


def _tailplane(plane: Assembly, height: float, lead: float, color: Color, rng: Generator) -> None:
    chord, sweep = rng.uniform(0.08, 0.13), rng.uniform(0.0, 0.1)
    span = rng.uniform(0.14, 0.22)
    plane.add(
        wing((lead, lead + chord), (lead + sweep, lead + sweep + chord * 0.6), span, rng.uniform(0, 0.03), 0.1, height),
        color,
        mirror=True,
    )


def _jet(radius: float, length: float, center: tuple[float, float, float]) -> Trimesh:
    profile = [(0, -0.5), (0.8, -0.5), (1.0, -0.3), (0.95, 0.1), (0.55, 0.5), (0, 0.5)]
    return revolve([(r * radius, z * length) for r, z in profile], center, "z", 12)


def _propeller(
    plane: Assembly, hub: tuple[float, float, float], radius: float, rng: Generator, mirror: bool = False
) -> None:
    blades, start, color = pick([2, 3, 4], rng), rng.uniform(0, 90), dark(rng)
    for blade in range(blades):
        mesh = box((0.022, radius, 0.008), (hub[0], hub[1] + radius / 2, hub[2] - 0.012))
        plane.add(turned(mesh, start + 360 * blade / blades, "z", hub), color, mirror=mirror)
    plane.add(revolve([(0, -0.05), (0.015, -0.03), (0.022, 0.0), (0, 0.0)], hub, "z", 10), metal(rng), mirror=mirror)
