"""What chairs are made of: proportions and materials, seats, legs, backs and arms."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import any_of, chance, dark, fabric, light, metal, paint, pick, shaded, vivid, wood
from datasets.shapes13.parts import box, cushion, cylinder, rod, sweep, turned


@dataclass(frozen=True)
class Plan:
    """Sizes (the seat is about half a unit wide) and materials."""

    width: float
    depth: float
    seat: float  # height of the seat's upper side
    back: float  # height of the back above the seat
    recline: float  # degrees
    frame: Color
    pad: Color
    accent: Color


def draw_plan(rng: Generator) -> Plan:
    """Random proportions and materials."""
    frame = any_of(rng, wood, wood, metal, dark, light, paint)
    if chance(0.2, rng):
        pad = shaded(frame, rng.uniform(0.7, 1.3))
    else:
        pad = any_of(rng, fabric, fabric, vivid, dark, light, wood, paint)
    width, depth, seat = rng.uniform(0.42, 0.62), rng.uniform(0.40, 0.58), rng.uniform(0.38, 0.52)
    back, recline = rng.uniform(0.34, 0.68), rng.uniform(0, 16)
    return Plan(width, depth, seat, back, recline, frame, pad, paint(rng) if chance(0.25, rng) else pad)


def add_seat(chair: Assembly, plan: Plan, rng: Generator) -> None:
    """A slab, a cushion, a pad on a slab, a round seat, or slats."""
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


def add_legs(chair: Assembly, plan: Plan, rng: Generator) -> None:
    """Four legs, straight or splayed, with stretchers or an apron."""
    radius, splay = rng.uniform(0.013, 0.034), pick([0.0, 0.0, rng.uniform(0.02, 0.1)], rng)
    sections = 4 if chance(0.5, rng) else 8
    x, z, top, taper = plan.width / 2 - radius, plan.depth / 2 - radius, plan.seat - 0.02, rng.uniform(0.5, 1.0)
    for side in (-1, 1):
        foot = (x + splay, 0, side * (z + splay))
        chair.pair(rod(foot, (x, top, side * z), radius * taper * 1.2, radius * 1.2, sections), plan.frame)
    kind = pick(["none", "h", "box", "apron"], rng)
    height, outer = plan.seat * rng.uniform(0.25, 0.5), x + splay / 2
    if kind in ("h", "box"):
        chair.pair(rod((outer, height, -z), (outer, height, z), radius * 0.7, sections=6), plan.frame)
        for cross in (0,) if kind == "h" else (-z, z):
            chair.add(rod((-x, height, cross), (x, height, cross), radius * 0.7, sections=6), plan.frame)
    elif kind == "apron":
        chair.add(box((plan.width * 0.92, 0.07, plan.depth * 0.92), (0, plan.seat - 0.06, 0)), plan.frame)


def add_back(chair: Assembly, plan: Plan, rng: Generator) -> None:
    """A panel, a pad, an oval, or a frame with rails, spindles, a splat or a pad."""
    kind = pick(["panel", "padded", "ladder", "spindles", "splat", "frame", "oval", "low"], rng)
    height, width, rear, low = plan.back, plan.width, plan.depth / 2 - 0.02, plan.seat - 0.02
    post, middle = rng.uniform(0.012, 0.028), (0, low + height / 2, rear)

    def add(mesh: Trimesh, color: Color, mirror: bool = False) -> None:
        chair.add(turned(mesh, plan.recline, "x", (0, plan.seat, rear)), color, mirror)

    if kind == "panel":
        add(box((width, height, 0.035), middle, top=(rng.uniform(0.7, 1.0), 1.0)), plan.accent)
        return
    if kind == "padded":
        size = (width * 0.98, height, rng.uniform(0.05, 0.1))
        add(cushion(size, middle, rng.uniform(0.15, 0.4)), plan.accent)
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


def add_arms(chair: Assembly, plan: Plan, rng: Generator) -> None:
    """Bars or pads on posts, or bent loops."""
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
