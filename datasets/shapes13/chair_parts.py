"""What chairs are made of: proportions and materials, seats, legs, backs and arms."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.assembly import Assembly
from datasets.shapes13.draws import chance, pick
from datasets.shapes13.palette import Color, dark, fabric, light, metal, paint, shaded, vivid, wood
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
    frame = pick([wood, wood, metal, dark, light, paint], rng)(rng)
    pad = (
        shaded(frame, rng.uniform(0.7, 1.3))
        if chance(0.2, rng)
        else pick([fabric, fabric, vivid, dark, light, wood, paint], rng)(rng)
    )
    return Plan(
        width=rng.uniform(0.42, 0.62),
        depth=rng.uniform(0.40, 0.58),
        seat=rng.uniform(0.38, 0.52),
        back=rng.uniform(0.34, 0.68),
        recline=rng.uniform(0, 16),
        frame=frame,
        pad=pad,
        accent=paint(rng) if chance(0.25, rng) else pad,
    )


def add_seat(chair: Assembly, plan: Plan, rng: Generator) -> None:
    """A slab, a cushion, a pad on a slab, a round seat, or slats."""
    kind, thickness = pick(["slab", "cushion", "pad on slab", "round", "slats"], rng), rng.uniform(0.03, 0.08)
    size, middle = (plan.width, thickness, plan.depth), (0, plan.seat - thickness / 2, 0)
    if kind == "slab":
        chair.add(box(size, middle), plan.pad)
    elif kind == "cushion":
        chair.add(cushion((plan.width * 1.02, thickness * 1.6, plan.depth * 1.02), middle, 0.25), plan.pad)
    elif kind == "pad on slab":
        chair.add(box(size, middle), plan.frame)
        chair.add(cushion((plan.width * 0.94, 0.06, plan.depth * 0.94), (0, plan.seat + 0.01, 0), 0.3), plan.pad)
    elif kind == "round":
        mesh = cylinder(plan.width * 0.53, thickness, middle, sections=24)
        mesh.vertices[:, 2] *= plan.depth / plan.width
        chair.add(mesh, plan.pad)
    else:
        for z in np.linspace(-0.42, 0.42, 5) * plan.depth:
            chair.add(box((plan.width, 0.025, plan.depth * 0.14), (0, plan.seat - 0.012, z)), plan.pad)
        chair.add(
            box((0.03, 0.03, plan.depth * 0.96), (plan.width * 0.45, plan.seat - 0.035, 0)), plan.frame, mirror=True
        )


def add_legs(chair: Assembly, plan: Plan, rng: Generator) -> None:
    """Four legs, straight or splayed, with stretchers or an apron."""
    radius, splay = rng.uniform(0.013, 0.034), pick([0.0, 0.0, rng.uniform(0.02, 0.1)], rng)
    square, x, z, top = chance(0.5, rng), plan.width / 2 - radius, plan.depth / 2 - radius, plan.seat - 0.02
    sections, taper = (4 if square else 8), rng.uniform(0.5, 1.0)
    for side in (-1, 1):
        leg = rod((x + splay, 0, side * (z + splay)), (x, top, side * z), radius * taper * 1.2, radius * 1.2, sections)
        chair.add(leg, plan.frame, mirror=True)
    kind = pick(["none", "h", "box", "apron"], rng)
    height = plan.seat * rng.uniform(0.25, 0.5)
    if kind in ("h", "box"):
        chair.add(
            rod((x + splay / 2, height, -z), (x + splay / 2, height, z), radius * 0.7, sections=6),
            plan.frame,
            mirror=True,
        )
        for place in (0,) if kind == "h" else (-z, z):
            chair.add(rod((-x, height, place), (x, height, place), radius * 0.7, sections=6), plan.frame)
    elif kind == "apron":
        chair.add(box((plan.width * 0.92, 0.07, plan.depth * 0.92), (0, plan.seat - 0.06, 0)), plan.frame)


def add_back(chair: Assembly, plan: Plan, rng: Generator) -> None:
    """A panel, a pad, an oval, or a frame with rails, spindles, a splat or a pad."""
    kind = pick(["panel", "padded", "ladder", "spindles", "splat", "frame", "oval", "low"], rng)
    height, width, rear, low = plan.back, plan.width, plan.depth / 2 - 0.02, plan.seat - 0.02
    post = rng.uniform(0.012, 0.028)
    pivot = (0, plan.seat, rear)

    def add(mesh: Trimesh, color: Color, mirror: bool = False) -> None:
        chair.add(turned(mesh, plan.recline, "x", pivot), color, mirror)

    if kind == "panel":
        add(box((width, height, 0.035), (0, low + height / 2, rear), top=(rng.uniform(0.7, 1.0), 1.0)), plan.accent)
        return
    if kind == "padded":
        add(
            cushion(
                (width * 0.98, height, rng.uniform(0.05, 0.1)), (0, low + height / 2, rear), rng.uniform(0.15, 0.4)
            ),
            plan.accent,
        )
        return
    if kind == "oval":
        hub = (0, low + height * 0.62, rear)
        add(cushion((width * 0.95, height * 0.75, 0.05), hub, 0.95), plan.accent)
        add(rod((width * 0.25, low, rear), (width * 0.25, hub[1], rear), post), plan.frame, mirror=True)
        return
    add(
        rod(
            (width / 2 - post, low, rear),
            (width / 2 - post, low + height, rear),
            post * 1.2,
            sections=pick([4, 8], rng),
        ),
        plan.frame,
        mirror=True,
    )
    rail = rng.uniform(0.05, 0.12)
    add(
        box((width, rail, 0.03), (0, low + height - rail / 2, rear)),
        plan.frame if kind in ("frame", "spindles") else plan.accent,
    )
    if kind == "ladder":
        for y in np.linspace(0.25, 0.75, pick([2, 3, 4], rng)):
            add(box((width * 0.94, rng.uniform(0.03, 0.07), 0.02), (0, low + y * height, rear)), plan.accent)
    elif kind == "spindles":
        for x in np.linspace(-0.36, 0.36, pick([3, 4, 5, 7], rng)) * width:
            add(rod((x, low, rear), (x, low + height - rail / 2, rear), 0.011, sections=6), plan.frame)
    elif kind == "splat":
        add(box((width * rng.uniform(0.2, 0.45), height, 0.02), (0, low + height / 2, rear)), plan.accent)
    elif kind == "frame":
        add(box((width * 0.9, 0.04, 0.03), (0, low + height * 0.25, rear)), plan.frame)
        add(cushion((width * 0.88, height * 0.62, 0.04), (0, low + height * 0.58, rear - 0.005), 0.15), plan.accent)


def add_arms(chair: Assembly, plan: Plan, rng: Generator) -> None:
    """Bars or pads on posts, or bent loops."""
    height, x = plan.seat + rng.uniform(0.16, 0.26), plan.width / 2 + 0.02
    front, rear = -plan.depth / 2 + rng.uniform(0.02, 0.12), plan.depth / 2
    color = pick([plan.frame, plan.accent, plan.pad], rng)
    kind = pick(["bar", "loop", "pad"], rng)
    if kind == "loop":
        path = [
            (x, plan.seat - 0.03, front + 0.05),
            (x, height - 0.03, front),
            (x, height, front + 0.04),
            (x, height, rear - 0.03),
            (x, plan.seat, rear),
        ]
        chair.add(sweep(path, 0.017), plan.frame, mirror=True)
        return
    chair.add(rod((x, plan.seat - 0.04, front + 0.06), (x, height, front + 0.05), 0.016), plan.frame, mirror=True)
    if kind == "bar":
        chair.add(box((0.045, 0.03, rear - front), (x, height, (front + rear) / 2)), color, mirror=True)
    else:
        chair.add(
            cushion((0.07, 0.05, rear - front - 0.05), (x, height, (front + rear) / 2 - 0.02)), color, mirror=True
        )
        chair.add(rod((x, plan.seat - 0.04, rear - 0.1), (x, height, rear - 0.1), 0.016), plan.frame, mirror=True)


def hoop(radius: float, height: float, thickness: float, square: bool = False) -> Trimesh:
    """A foot ring around the axis."""
    count = 4 if square else 16
    angles = np.arange(count + 1) * (2 * np.pi / count) + np.pi / 4
    return sweep(
        np.stack([radius * np.cos(angles), np.full(count + 1, height), radius * np.sin(angles)], axis=-1), thickness, 6
    )
