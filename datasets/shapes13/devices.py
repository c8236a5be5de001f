"""Displays, telephones and loudspeakers."""

from itertools import product

import numpy as np
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import any_of, chance, dark, grey, light, metal, one_of, paint, pick, shaded, vivid, wood
from datasets.shapes13.parts import (
    Point,
    box,
    cushion,
    cylinder,
    ellipsoid,
    extrude,
    moved,
    revolve,
    rod,
    sweep,
    turned,
)


def _screen_color(rng: Generator) -> Color:
    return pick([grey(0.03, 0.2, rng), (0.1, 0.15, 0.35), (0.15, 0.35, 0.7), (0.45, 0.55, 0.62), vivid(rng)], rng)


def _flat_screen(display: Assembly, case: Color, rng: Generator) -> None:
    thick, height, rim = rng.uniform(0.025, 0.09), pick([0.58, 0.62, 0.75, 0.45], rng), rng.uniform(0.02, 0.05)
    low, tilt = rng.uniform(0.05, 0.2), rng.uniform(-8, 4)
    y = low + height / 2
    panel = [
        (box((1, height, thick), (0, y, 0)), case),
        (box((1 - 2 * rim, height - 2 * rim, 0.006), (0, y, -thick / 2)), _screen_color(rng)),
        (box((0.6, height * 0.6, 0.05), (0, y, thick / 2 + 0.02), top=(0.9, 1)), shaded(case, 0.8)),
    ]
    if chance(0.3, rng):
        chin = rng.uniform(0.06, 0.13)
        panel.append((box((1, chin, thick), (0, low - chin / 2 + 0.005, 0)), metal(rng)))
    for mesh, color in panel:
        display.add(turned(mesh, tilt, "x", (0, y, 0)), color)
    stand = case if chance(0.6, rng) else metal(rng)
    kind = pick(["neck", "feet", "wide", "arc"], rng)
    if kind == "feet":
        for z in (-0.14, 0.14):
            display.pair(rod((0.32, low + 0.04, 0), (0.36, -0.02, z), 0.015), stand)
    elif kind == "arc":
        path = [(0, low + height * 0.4, 0.09), (0, low * 0.5, 0.13), (0, -0.01, 0.05), (0, -0.01, -0.13)]
        display.add(sweep(path, 0.03), stand)
        display.add(box((0.4, 0.02, 0.03), (0, -0.01, -0.13)), stand)
    else:
        display.add(box((rng.uniform(0.06, 0.2), low + height * 0.4, 0.04), (0, low * 0.5 + height * 0.2, 0.06)), stand)
        if kind == "neck":
            foot = cylinder(rng.uniform(0.15, 0.24), 0.025, (0, 0, 0.03), sections=24)
            foot.vertices[:, 0] *= rng.uniform(1.0, 1.6)
        else:
            foot = box((rng.uniform(0.35, 0.6), 0.025, rng.uniform(0.18, 0.28)), (0, 0, 0.03))
        display.add(foot, stand)


def _tube(display: Assembly, case: Color, rng: Generator) -> None:
    height, depth = rng.uniform(0.72, 0.85), rng.uniform(0.6, 0.8)
    display.add(box((0.95, height, 0.22), (0, 0.1 + height / 2, -0.2)), case)
    rear = turned(box((0.85, depth - 0.2, height * 0.9), (0, 0, 0), top=(0.6, 0.6)), 90, "x")
    display.add(moved(rear, (0, 0.1 + height / 2, -0.1 + (depth - 0.2) / 2)), shaded(case, 0.9))
    display.add(cushion((0.82, height * 0.78, 0.06), (0, 0.13 + height / 2, -0.31), 0.25), _screen_color(rng))
    display.add(box((0.8, 0.025, 0.02), (0, 0.13, -0.31)), dark(rng))
    if chance(0.7, rng):
        display.add(cylinder(0.25, 0.06, (0, 0.06, -0.05), sections=20), shaded(case, 0.8))
        display.add(cylinder(0.06, 0.1, (0, 0.08, -0.05)), shaded(case, 0.7))
    else:
        for x in (0.3, 0.4):
            display.add(cylinder(0.025, 0.03, (x, 0.2, -0.32), "z"), metal(rng))


def _laptop(display: Assembly, case: Color, rng: Generator) -> None:
    depth = rng.uniform(0.62, 0.72)
    display.add(box((1, 0.04, depth), (0, 0.02, 0)), case)
    display.add(box((0.88, 0.008, depth * 0.45), (0, 0.042, 0.08)), dark(rng))
    display.add(box((0.25, 0.006, depth * 0.2), (0, 0.042, -depth * 0.32)), shaded(case, 0.7))
    tilt, hinge, y = rng.uniform(5, 30), (0, 0.03, depth / 2), 0.03 + depth / 2
    display.add(turned(box((1, depth, 0.03), (0, y, depth / 2)), tilt, "x", hinge), case)
    screen = box((0.9, depth * 0.86, 0.006), (0, y, depth / 2 - 0.016))
    display.add(turned(screen, tilt, "x", hinge), _screen_color(rng))


display = one_of({_flat_screen: 0.77, _tube: 0.18, _laptop: 0.05}, (dark, dark, light, metal, paint))


def _rounded_plate(size: tuple[float, float, float], center: Point, corner: float) -> Trimesh:
    """A slab that faces -z with rounded corners."""
    angles = (np.arange(4)[:, None] + (0.0, 0.33, 0.67, 1.0)) * np.pi / 2
    x = np.array([[1], [-1], [-1], [1]]) * (size[0] / 2 - corner) + corner * np.cos(angles)
    y = np.array([[1], [1], [-1], [-1]]) * (size[1] / 2 - corner) + corner * np.sin(angles)
    return moved(extrude(np.stack([x, y], axis=-1).reshape(-1, 2), size[2], "z"), center)


def _keys(phone: Assembly, middle: float, width: float, height: float, z: float, color: Color) -> None:
    for row, column in product(range(4), (-1, 0, 1)):
        x, y = column * width / 3, middle + ((row + 0.5) / 4 - 0.5) * height
        phone.add(box((width * 0.24, height / 4 * 0.62, 0.015), (x, y, z)), color)


def _smartphone(phone: Assembly, case: Color, rng: Generator) -> None:
    width, thick, corner = rng.uniform(0.46, 0.56), rng.uniform(0.05, 0.1), rng.uniform(0.03, 0.1)
    phone.add(_rounded_plate((width, 1, thick), (0, 0, 0), corner), case)
    phone.add(box((width * 0.9, rng.uniform(0.78, 0.9), 0.008), (0, 0.02, -thick / 2)), _screen_color(rng))
    if chance(0.6, rng):
        phone.add(cylinder(0.035, 0.012, (0, -0.455, -thick / 2), "z", sections=12), shaded(case, 0.6))
    phone.add(cylinder(0.03, 0.02, (width * 0.3, 0.42, thick / 2), "z", sections=12), dark(rng))
    phone.add(box((width * 0.25, 0.012, 0.01), (0, 0.47, -thick / 2)), grey(0.3, 0.6, rng))


def _bar_phone(phone: Assembly, case: Color, rng: Generator) -> None:
    width, thick = rng.uniform(0.36, 0.48), rng.uniform(0.11, 0.2)
    face = case if chance(0.5, rng) else any_of(rng, dark, light, metal)
    phone.add(_rounded_plate((width, 1, thick), (0, 0, 0), rng.uniform(0.05, 0.16)), case)
    phone.add(_rounded_plate((width * 0.9, 0.94, 0.02), (0, 0, -thick / 2), 0.06), face)
    screen = rng.uniform(0.28, 0.4)
    phone.add(box((width * 0.78, screen, 0.02), (0, 0.42 - screen / 2, -thick / 2 - 0.008)), _screen_color(rng))
    key = any_of(rng, light, dark, metal)
    phone.add(cushion((0.13, 0.1, 0.04), (0, 0.36 - screen, -thick / 2 - 0.01), 0.6), metal(rng))
    _keys(phone, -0.28 + (0.4 - screen) / 2, width * 0.85, 0.36, -thick / 2 - 0.012, key)
    if chance(0.3, rng):
        phone.add(cylinder(0.03, 0.18, (width * 0.38, 0.55, 0.02), sections=10), dark(rng))


def _flip_phone(phone: Assembly, case: Color, rng: Generator) -> None:
    width, thick, half = rng.uniform(0.4, 0.5), 0.09, 0.48
    key = any_of(rng, dark, light, metal)
    phone.add(_rounded_plate((width, half, thick), (0, -half / 2, 0), 0.06), case)
    _keys(phone, -half / 2 - 0.05, width * 0.85, 0.3, -thick / 2 - 0.004, key)
    phone.add(cylinder(0.05, 0.03, (0, -0.09, -thick / 2), "z"), metal(rng))
    tilt = -rng.uniform(10, 40)
    phone.add(turned(_rounded_plate((width, half, thick * 0.7), (0, half / 2, 0), 0.06), tilt, "x"), case)
    screen = box((width * 0.75, half * 0.68, 0.01), (0, half / 2 + 0.02, -thick * 0.36))
    phone.add(turned(screen, tilt, "x"), _screen_color(rng))
    phone.add(cylinder(0.05, width * 0.96, (0, 0, 0), "x", sections=12), shaded(case, 0.8))


def _cordless(phone: Assembly, case: Color, rng: Generator) -> None:
    face = any_of(rng, dark, metal, light)
    phone.add(cushion((0.26, 0.95, 0.15), (0, 0.5, 0), 0.3), case)
    phone.add(box((0.18, 0.2, 0.02), (0, 0.68, -0.07)), _screen_color(rng))
    _keys(phone, 0.38, 0.2, 0.3, -0.075, face)
    phone.add(cylinder(0.02, 0.2, (0.09, 1.02, 0.03), sections=8), dark(rng))
    phone.add(cushion((0.42, 0.16, 0.4), (0, 0.04, 0.04), 0.35), face if chance(0.5, rng) else case)


def _desk_phone(phone: Assembly, case: Color, rng: Generator) -> None:
    depth, slope = rng.uniform(0.7, 0.9), rng.uniform(0.12, 0.3)
    hand = case if chance(0.5, rng) else any_of(rng, dark, light, vivid)
    rotary, top = chance(0.35, rng), 0.1 + slope
    outline = [(-depth / 2, 0), (depth / 2, 0), (depth / 2, top), (depth * 0.2, top), (-depth / 2, 0.08)]
    phone.add(extrude(outline, 0.7 if rotary else 0.85, "x"), case)
    tilt = -np.degrees(np.arctan2(0.02 + slope, depth * 0.7))
    pivot = (0.0, (0.09 + 0.1 + slope) / 2, -depth * 0.15)
    if rotary:
        phone.add(turned(cylinder(0.22, 0.05, pivot, sections=24), tilt, "x", pivot), light(rng))
        phone.add(turned(cylinder(0.1, 0.07, pivot), tilt, "x", pivot), dark(rng))
        bar = [(x, 0.2 + slope, depth * 0.3) for x in (-0.42, 0.42)]
    else:
        for row, column in product(range(4), range(3)):
            key = box((0.075, 0.03, 0.07), (0.05 + 0.11 * column, pivot[1], pivot[2] + (row - 1.5) * 0.11))
            phone.add(turned(key, tilt, "x", pivot), hand)
        screen = box((0.34, 0.02, 0.13), (0.16, pivot[1] + 0.01, depth * 0.2))
        phone.add(turned(screen, tilt, "x", pivot), _screen_color(rng))
        bar = [(-0.29, 0.2 + slope, depth * 0.4), (-0.29, 0.14, -depth * 0.4)]
    phone.add(rod(bar[0], bar[1], 0.055), hand)
    for x, y, z in bar:
        phone.add(ellipsoid((0.1, 0.07, 0.1), (x, y - 0.03, z)), hand)


telephone = one_of(
    {_smartphone: 0.28, _bar_phone: 0.28, _flip_phone: 0.14, _cordless: 0.12, _desk_phone: 0.18},
    (dark, light, metal, paint, vivid),
)


def loudspeaker(assembly: Assembly, rng: Generator) -> None:
    """A box with one to five drivers, low or tower-high, a column, or a small speaker on a stand."""
    sizes = [(0.45, 0.75, 0.45), (0.3, 1.0, 0.35), (0.6, 0.6, 0.6), (1.0, 0.35, 0.35), (0.5, 0.9, 0.5)]
    width, height, depth = (float(size * rng.uniform(0.85, 1.15)) for size in pick(sizes, rng))
    body = any_of(rng, wood, dark, dark, light, paint)
    if chance(0.14, rng):
        _column(assembly, body, rng)
        return
    low = 0.0
    if chance(0.2, rng):
        low, width, height, depth = 0.75, width * 0.6, height * 0.5, depth * 0.6
        assembly.add(cylinder(0.03, low, (0, low / 2, 0)), metal(rng))
        assembly.add(cylinder(0.2, 0.025, (0, 0.012, 0), sections=24), dark(rng))
    taper, y, front = pick([1.0, 1.0, rng.uniform(0.7, 0.95)], rng), low + height / 2, -depth / 2
    assembly.add(box((width, height, depth), (0, y, 0), top=(taper, taper), lean=(0, (1 - taper) * front)), body)
    face = body if chance(0.3, rng) else dark(rng)
    assembly.add(box((width * 0.94, height * 0.96, 0.02), (0, y, front), top=(taper, 1)), face)
    # Drivers in a row along the longer side, the largest lowest.
    cone, ring = any_of(rng, dark, dark, metal, vivid, light), any_of(rng, metal, dark, light)
    width *= min(1.0, taper + 0.1)
    long_side, short = max(width, height), min(width, height)
    count = max(1, min(5, round(long_side / short + rng.uniform(-0.3, 0.9))))
    radii = short * np.linspace(0.42, rng.uniform(0.15, 0.42), count)
    radii *= min(1.0, 0.46 * long_side / radii.sum())
    gap, along = (long_side - 2 * radii.sum()) / (count + 1), -long_side / 2
    for radius in radii:
        along += gap + radius
        center = (along, y, front - 0.01) if width > height else (0, y + along, front - 0.01)
        _driver(assembly, center, float(radius), cone, ring)
        along += radius


def _driver(speaker: Assembly, center: Point, radius: float, cone: Color, ring: Color) -> None:
    inner = radius * 0.84
    rim = [(radius * 0.82, 0.0), (radius * 0.85, -0.035), (radius, -0.03), (radius, 0.0), (radius * 0.82, 0.0)]
    speaker.add(revolve(rim, center, "z", 24), ring)
    funnel = [(0, 0.005), (radius * 0.3, 0.005), (inner, -0.02), (inner, 0.01), (0, 0.01)]
    speaker.add(revolve(funnel, center, "z", 20), cone)
    speaker.add(ellipsoid((radius * 0.28, radius * 0.28, 0.025), center), ring)


def _column(speaker: Assembly, body: Color, rng: Generator) -> None:
    radius, height = rng.uniform(0.12, 0.3), rng.uniform(0.6, 1.0)
    grille, top = any_of(rng, dark, paint, metal), height * rng.uniform(0.55, 0.8)
    speaker.add(cylinder(radius, top, (0, top / 2, 0), sections=24), grille)
    dome = [(radius * 1.02, top), (radius * 1.02, height * 0.9), (radius * 0.7, height), (0, height)]
    speaker.add(revolve([(0, top), *dome], sections=24), body)
    speaker.add(revolve([(0, 0), (radius * 1.15, 0), (radius * 1.02, 0.06), (0, 0.06)], sections=24), body)
    _driver(speaker, (0, height * 0.3, -radius - 0.01), radius * 0.6, dark(rng), metal(rng))
