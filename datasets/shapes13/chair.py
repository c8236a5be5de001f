"""Dining chairs, armchairs, office chairs, stools, shells, cantilevers, folding and rocking chairs."""

import numpy as np
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import any_of, chance, dark, fabric, light, metal, paint, pick, shaded, vivid, wood
from datasets.shapes13.parts import bars, box, cushion, cylinder, loft, revolve, rod, sweep, turned


class _Plan:
    """Sizes (the seat is about half a unit wide; `back` is counted from it), the recline in degrees, and colours."""

    def __init__(self, rng: Generator) -> None:
        self.frame = any_of(rng, wood, wood, metal, dark, light, paint)
        if chance(0.2, rng):
            self.pad = shaded(self.frame, rng.uniform(0.7, 1.3))
        else:
            self.pad = any_of(rng, fabric, fabric, vivid, dark, light, wood, paint)
        self.width, self.depth = rng.uniform(0.42, 0.62), rng.uniform(0.40, 0.58)
        self.seat, self.back = rng.uniform(0.38, 0.52), rng.uniform(0.34, 0.68)
        self.recline = rng.uniform(0, 16)
        self.accent = paint(rng) if chance(0.25, rng) else self.pad


def chair(assembly: Assembly, rng: Generator) -> None:
    """One chair of a random layout."""
    plan = _Plan(rng)
    layout = pick([_framed, _office, _club, _shell, _stool, _cantilever], rng, (0.44, 0.16, 0.13, 0.12, 0.07, 0.08))
    layout(assembly, plan, rng)


def _framed(chair: Assembly, plan: _Plan, rng: Generator) -> None:
    width, depth, seat = plan.width, plan.depth, plan.seat
    kind, thickness = pick(["slab", "cushion", "pad on slab", "round", "slats"], rng), rng.uniform(0.03, 0.08)
    middle = (0, seat - thickness / 2, 0)
    if kind == "slab":
        chair.add(box((width, thickness, depth), middle), plan.pad)
    elif kind == "cushion":
        chair.add(cushion((width * 1.02, thickness * 1.6, depth * 1.02), middle, 0.25), plan.pad)
    elif kind == "pad on slab":
        chair.add(box((width, thickness, depth), middle), plan.frame)
        chair.add(cushion((width * 0.94, 0.06, depth * 0.94), (0, seat + 0.01, 0), 0.3), plan.pad)
    elif kind == "round":
        mesh = cylinder(width * 0.53, thickness, middle, sections=24)
        mesh.vertices[:, 2] *= depth / width
        chair.add(mesh, plan.pad)
    else:
        for z in np.linspace(-0.42, 0.42, 5) * depth:
            chair.add(box((width, 0.025, depth * 0.14), (0, seat - 0.012, z)), plan.pad)
        chair.pair(box((0.03, 0.03, depth * 0.96), (width * 0.45, seat - 0.035, 0)), plan.frame)
    radius, splay = rng.uniform(0.013, 0.034), pick([0.0, 0.0, rng.uniform(0.02, 0.1)], rng)
    sections = 4 if chance(0.5, rng) else 8
    x, z, top, taper = width / 2 - radius, depth / 2 - radius, seat - 0.02, rng.uniform(0.5, 1.0)
    for side in (-1, 1):
        foot = (x + splay, 0, side * (z + splay))
        chair.pair(rod(foot, (x, top, side * z), radius * taper * 1.2, radius * 1.2, sections), plan.frame)
    stretchers = pick(["none", "h", "box", "apron"], rng)
    height, outer = seat * rng.uniform(0.25, 0.5), x + splay / 2
    if stretchers in ("h", "box"):
        chair.pair(rod((outer, height, -z), (outer, height, z), radius * 0.7, sections=6), plan.frame)
        for cross in (0,) if stretchers == "h" else (-z, z):
            chair.add(rod((-x, height, cross), (x, height, cross), radius * 0.7, sections=6), plan.frame)
    elif stretchers == "apron":
        chair.add(box((width * 0.92, 0.07, depth * 0.92), (0, seat - 0.06, 0)), plan.frame)
    _back(chair, plan, rng)
    if chance(0.4, rng):
        _arms(chair, plan, rng)


def _office(chair: Assembly, plan: _Plan, rng: Generator) -> None:
    width, depth, seat, rear = plan.width, plan.depth, plan.seat, plan.depth / 2
    thickness = rng.uniform(0.05, 0.11)
    chair.add(cushion((width, thickness, depth), (0, seat - thickness / 2, 0), rng.uniform(0.2, 0.5)), plan.pad)
    column = plan.frame if chance(0.3, rng) else any_of(rng, metal, dark)
    chair.add(cylinder(0.03, seat - 0.08, (0, seat / 2, 0)), column)
    if chance(0.75, rng):
        count, reach = pick([4, 5, 5, 6], rng), width * rng.uniform(0.48, 0.6)
        for angle in np.arange(count) * (2 * np.pi / count) + 0.3:
            x, z = reach * np.cos(angle), reach * np.sin(angle)
            chair.add(rod((0, 0.1, 0), (x, 0.055, z), 0.025, 0.016), column)
            chair.add(cylinder(0.035, 0.035, (x, 0.035, z), "x", sections=10), dark(rng))
    else:
        chair.add(revolve([(0, 0), (0.26, 0), (0.26, 0.015), (0.04, 0.05), (0, 0.05)]), column)
    height, lift = plan.back * rng.uniform(0.75, 1.1), rng.uniform(0.02, 0.14)
    back = cushion((width * rng.uniform(0.75, 1.0), height, 0.07), (0, seat + lift + height / 2, rear))
    chair.add(turned(back, plan.recline, "x", (0, seat, rear)), plan.accent)
    low, rear = seat - 0.06, rear + 0.05
    chair.add(sweep([(0, low, 0.1), (0, low, rear), (0, seat + lift + 0.15, rear)], 0.025), column)
    if chance(0.65, rng):
        _arms(chair, plan, rng)


def _club(chair: Assembly, plan: _Plan, rng: Generator) -> None:
    width, depth, seat = plan.width * 1.35, plan.depth * 1.3, plan.seat * 0.85
    arm, low, roundness = rng.uniform(0.09, 0.16), rng.uniform(0.02, 0.12), rng.uniform(0.08, 0.4)
    chair.add(box((width, seat * 0.65 - low, depth), (0, (seat * 0.65 + low) / 2, 0)), plan.pad)
    chair.add(cushion((width - 2 * arm, seat * 0.42, depth * 0.92), (0, seat * 0.82, -0.03), 0.3), plan.accent)
    top = seat + rng.uniform(0.08, 0.22)
    chair.pair(cushion((arm, top - low, depth), (width / 2 - arm / 2, (top + low) / 2, 0), roundness), plan.pad)
    top = seat + plan.back * 0.9
    back = cushion((width, top - low, 0.16), (0, (top + low) / 2, depth / 2 - 0.06), roundness)
    chair.add(turned(back, plan.recline, "x", (0, low, depth / 2)), plan.pad)
    if chance(0.4, rng):
        size = (width - 2.2 * arm, plan.back * 0.7, 0.1)
        chair.add(cushion(size, (0, seat + plan.back * 0.4, depth / 2 - 0.14)), plan.accent)
    if low > 0.05:
        for z in (-depth / 2 + 0.06, depth / 2 - 0.06):
            chair.pair(cylinder(0.018, low + 0.02, (width / 2 - 0.06, low / 2, z), end_radius=0.03), plan.frame)


def _shell(chair: Assembly, plan: _Plan, rng: Generator) -> None:
    width, depth, seat = plan.width, plan.depth, plan.seat
    share = np.linspace(0, 1, 14)
    height = plan.back * rng.uniform(0.7, 1.1)
    z = np.interp(share, [0, 0.45, 0.62, 1], [-depth / 2, depth * 0.36, depth * 0.5, depth * 0.5 + height * 0.2])
    y = seat + np.interp(share, [0, 0.08, 0.45, 0.62, 1], [-0.03, 0.0, -0.02, 0.1, height])
    widths = [0.8, 1, 1, rng.uniform(0.8, 1.05), rng.uniform(0.4, 0.9)]
    half = width / 2 * np.interp(share, [0, 0.15, 0.5, 0.8, 1], widths)[:, None]
    across = np.linspace(-1, 1, 9)
    curl = rng.uniform(0.0, 0.16) * np.interp(share, [0, 0.3, 0.6, 1], [0.3, 1, 1.2, 0.4])
    tangent = np.stack([np.gradient(y), np.gradient(z)])
    tangent /= np.linalg.norm(tangent, axis=0)
    up, out = tangent[1], -tangent[0]  # towards the sitter
    upward, outward = ((curl * direction)[:, None] * np.abs(across) ** 2.5 for direction in (up, out))
    inside = np.stack([half * across, y[:, None] + upward, z[:, None] + outward])
    outside = inside - np.stack([np.zeros(14), up, out])[..., None] * 0.025
    chair.add(loft(*np.concatenate([outside, inside[..., ::-1]], axis=-1)), plan.pad)
    if chance(0.3, rng):
        chair.add(cushion((width * 0.8, 0.05, depth * 0.75), (0, seat + 0.01, -0.03), 0.4), plan.accent)
    base = pick(["legs", "pedestal", "rods"], rng)
    if base == "pedestal":
        stem = [(0.035, 0.08), (0.03, seat - 0.06), (0.1, seat - 0.02), (0, seat - 0.02)]
        chair.add(revolve([(0, 0), (0.24, 0), (0.2, 0.02), *stem]), plan.frame)
    else:
        radius, reach = (0.022, 1.0) if base == "legs" else (0.01, 1.1)
        for side in (-1, 1):
            foot = (width / 2 * reach * 0.9, 0, side * depth / 2 * reach)
            chair.pair(rod((width * 0.22, seat - 0.03, side * depth * 0.2), foot, radius), plan.frame)


def _stool(chair: Assembly, plan: _Plan, rng: Generator) -> None:
    seat, radius = plan.seat * rng.uniform(1.2, 1.8), plan.width * 0.38
    if chance(0.6, rng):
        rim = [(radius, -0.03), (radius * 1.05, 0.0), (radius * 0.95, 0.035)]
        chair.add(revolve([(0, -0.03), *rim, (0, 0.045)], (0, seat, 0)), plan.pad)
    else:
        chair.add(cushion((radius * 2, 0.07, radius * 2), (0, seat, 0), 0.2), plan.pad)
    if chance(0.4, rng):
        chair.add(cylinder(0.025, seat, (0, seat / 2, 0)), plan.frame)
        chair.add(revolve([(0, 0), (radius, 0), (radius, 0.012), (0.03, 0.05), (0, 0.05)]), plan.frame)
        chair.add(_foot_ring(radius * 0.7, seat * 0.35, 16), plan.frame)
    else:
        for z in (-radius, radius):
            chair.pair(rod((radius * 0.6, seat - 0.02, z * 0.6), (radius * 0.95, 0, z * 0.95), 0.018), plan.frame)
        chair.add(_foot_ring(radius * 1.1, seat * 0.35, 4), plan.frame)
    if chance(0.5, rng):
        height, x = rng.uniform(0.15, 0.3), radius * 0.5
        chair.add(cushion((radius * 1.7, height, 0.04), (0, seat + 0.06 + height / 2, radius)), plan.accent)
        chair.pair(rod((x, seat, radius * 0.9), (x, seat + height * 0.8, radius), 0.012), plan.frame)


def _foot_ring(radius: float, height: float, corners: int) -> Trimesh:
    angles = np.arange(corners + 1) * (2 * np.pi / corners) + np.pi / 4
    path = np.stack([radius * np.cos(angles), np.full(corners + 1, height), radius * np.sin(angles)], axis=-1)
    return sweep(path, 0.01, 6)


def _cantilever(chair: Assembly, plan: _Plan, rng: Generator) -> None:
    side, front, rear, seat = plan.width / 2, -plan.depth / 2, plan.depth / 2, plan.seat
    radius, top = rng.uniform(0.011, 0.02), plan.seat + plan.back
    lean = np.tan(np.radians(plan.recline)) * plan.back
    path = [(0.015, rear), (0.015, front), (seat, front - 0.01), (seat, rear), (top, rear + lean)]
    if chance(0.35, rng):
        chair.pair(rod((side, 0.015, rear), (side, seat, rear), radius), plan.frame)
    chair.pair(bars([(side, y, z) for y, z in path], radius), plan.frame)
    chair.add(rod((-side, 0.015, rear), (side, 0.015, rear), radius), plan.frame)
    thickness = rng.uniform(0.02, 0.07)
    chair.add(cushion((plan.width, thickness, plan.depth), (0, seat + thickness / 3, 0), 0.2), plan.pad)
    height = plan.back * rng.uniform(0.4, 0.9)
    back = cushion((plan.width, height, thickness * 0.8), (0, top - height / 2, rear), 0.2)
    chair.add(turned(back, plan.recline, "x", (0, seat, rear)), plan.accent)
    if chance(0.5, rng):
        arm, z = seat + rng.uniform(0.16, 0.24), front * 0.6
        chair.pair(rod((side, arm, z), (side, arm, rear), radius * 1.4), plan.accent)
        chair.pair(rod((side, seat, z), (side, arm, z), radius), plan.frame)


def _back(chair: Assembly, plan: _Plan, rng: Generator) -> None:
    kind = pick(["panel", "padded", "ladder", "spindles", "splat", "frame", "oval", "low"], rng)
    height, width, rear, low = plan.back, plan.width, plan.depth / 2 - 0.02, plan.seat - 0.02
    post, middle = rng.uniform(0.012, 0.028), (0, low + height / 2, rear)

    def add(mesh: Trimesh, color: Color, mirror: bool = False) -> None:
        chair.add(turned(mesh, plan.recline, "x", (0, plan.seat, rear)), color, mirror)

    if kind == "panel":
        add(box((width, height, 0.035), middle, top=(rng.uniform(0.7, 1.0), 1.0)), plan.accent)
        return
    if kind == "padded":
        add(cushion((width * 0.98, height, rng.uniform(0.05, 0.1)), middle, rng.uniform(0.15, 0.4)), plan.accent)
        return
    if kind == "oval":
        hub = low + height * 0.62
        add(cushion((width * 0.95, height * 0.75, 0.05), (0, hub, rear), 0.95), plan.accent)
        add(rod((width * 0.25, low, rear), (width * 0.25, hub, rear), post), plan.frame, mirror=True)
        return
    x = width / 2 - post
    add(rod((x, low, rear), (x, low + height, rear), post * 1.2, sections=pick([4, 8], rng)), plan.frame, mirror=True)
    rail = rng.uniform(0.05, 0.12)
    rail_color = plan.frame if kind in ("frame", "spindles") else plan.accent
    add(box((width, rail, 0.03), (0, low + height - rail / 2, rear)), rail_color)
    if kind == "ladder":
        for y in np.linspace(0.25, 0.75, pick([2, 3, 4], rng)):
            add(box((width * 0.94, rng.uniform(0.03, 0.07), 0.02), (0, low + y * height, rear)), plan.accent)
    elif kind == "spindles":
        for x in np.linspace(-0.36, 0.36, pick([3, 4, 5, 7], rng)) * width:
            add(rod((x, low, rear), (x, low + height - rail / 2, rear), 0.011, sections=6), plan.frame)
    elif kind == "splat":
        add(box((width * rng.uniform(0.2, 0.45), height, 0.02), middle), plan.accent)
    elif kind == "frame":
        add(box((width * 0.9, 0.04, 0.03), (0, low + height * 0.25, rear)), plan.frame)
        add(cushion((width * 0.88, height * 0.62, 0.04), (0, low + height * 0.58, rear - 0.005), 0.15), plan.accent)


def _arms(chair: Assembly, plan: _Plan, rng: Generator) -> None:
    seat, height, x = plan.seat, plan.seat + rng.uniform(0.16, 0.26), plan.width / 2 + 0.02
    front, rear = -plan.depth / 2 + rng.uniform(0.02, 0.12), plan.depth / 2
    color, kind = pick([plan.frame, plan.accent, plan.pad], rng), pick(["bar", "loop", "pad"], rng)
    length, middle = rear - front, (front + rear) / 2
    if kind == "loop":
        path = [(seat - 0.03, front + 0.05), (height - 0.03, front), (height, front + 0.04), (height, rear - 0.03)]
        chair.pair(sweep([(x, y, z) for y, z in [*path, (seat, rear)]], 0.017), plan.frame)
        return
    chair.pair(rod((x, seat - 0.04, front + 0.06), (x, height, front + 0.05), 0.016), plan.frame)
    if kind == "bar":
        chair.pair(box((0.045, 0.03, length), (x, height, middle)), color)
    else:
        chair.pair(cushion((0.07, 0.05, length - 0.05), (x, height, middle - 0.02)), color)
        chair.pair(rod((x, seat - 0.04, rear - 0.1), (x, height, rear - 0.1), 0.016), plan.frame)
