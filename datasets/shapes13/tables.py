"""Tables and cabinets."""

from itertools import product

import numpy as np
from numpy.random import Generator

from datasets.shapes13.assembly import Assembly, Color
from datasets.shapes13.draws import any_of, chance, dark, glass, light, metal, one_of, paint, pick, shaded, vivid, wood
from datasets.shapes13.parts import Point, bars, box, cylinder, revolve, rod


def _four_legged(table: Assembly, rng: Generator) -> None:
    width, depth, height = rng.uniform(0.6, 1.0), rng.uniform(0.4, 0.7), rng.uniform(0.28, 0.62)
    top, leg = _top_and_leg(rng)
    thick, radius, is_round = rng.uniform(0.02, 0.06), rng.uniform(0.012, 0.035), chance(0.25, rng)
    _top(table, (width, thick, depth), height, top, is_round)
    x, z = (width * 0.33, depth * 0.33) if is_round else (width / 2 - radius * 1.6, depth / 2 - radius * 1.6)
    splay, sections = pick([0, 0, 0.04], rng), pick([4, 8], rng)
    for side in (-1, 1):
        foot, head = (x + splay, 0, side * (z + splay)), (x, height - thick, side * z)
        table.pair(rod(foot, head, radius * rng.uniform(0.6, 1.2), radius * 1.2, sections), leg)
    if not is_round and chance(0.5, rng):
        table.add(box((2 * x, 0.06, 2 * z), (0, height - thick - 0.03, 0)), leg)
    if chance(0.35, rng):
        shelf, color = height * rng.uniform(0.2, 0.45), top if chance(0.5, rng) else leg
        _top(table, (width * 0.86, 0.02, depth * 0.86), shelf, color, is_round)


def _pedestal(table: Assembly, rng: Generator) -> None:
    width, height = rng.uniform(0.5, 1.0), rng.uniform(0.35, 0.75)
    depth = width if chance(0.6, rng) else width * rng.uniform(0.55, 0.9)
    top, leg = _top_and_leg(rng)
    _top(table, (width, rng.uniform(0.02, 0.05), depth), height, top, chance(0.75, rng))
    neck, foot = rng.uniform(0.02, 0.06), depth * rng.uniform(0.22, 0.36)
    if chance(0.6, rng):
        bulge = neck * rng.uniform(1, 2.2)
        base = [(0, 0), (foot, 0), (foot * 0.9, 0.02), (neck * 1.3, 0.07)]
        stem = [(neck, height * 0.3), (bulge, height * 0.55), (neck, height * 0.8), (neck * 2, height - 0.02)]
        table.add(revolve([*base, *stem, (0, height - 0.02)]), leg)
        return
    table.add(cylinder(neck, height - 0.03, (0, height / 2, 0)), leg)
    for angle in np.arange(4) * np.pi / 2 + pick([0, np.pi / 4], rng):
        table.add(rod((0, height * 0.2, 0), (foot * np.cos(angle), 0.012, foot * np.sin(angle)), 0.022, 0.016, 6), leg)


def _desk(desk: Assembly, rng: Generator) -> None:
    depth, height = rng.uniform(0.42, 0.55), rng.uniform(0.48, 0.6)
    top, body = _top_and_leg(rng)
    front = body if chance(0.5, rng) else paint(rng)
    _top(desk, (1.0, 0.035, depth), height, top)
    width, sides = rng.uniform(0.22, 0.32), (-1, 1) if chance(0.5, rng) else (pick([-1, 1], rng),)
    for side in sides:
        x = side * (0.48 - width / 2)
        desk.add(box((width, height - 0.06, depth * 0.92), (x, height / 2, 0)), body)
        rows, center = pick([2, 3, 4], rng), (x, height / 2, -depth * 0.46)
        _drawers(desk, center, (width, height - 0.06), rows, 1, front, metal(rng))
    if len(sides) == 1:
        for z in (-depth * 0.43, depth * 0.43):
            desk.add(rod((-sides[0] * 0.46, 0, z), (-sides[0] * 0.46, height, z), 0.02, sections=4), body)
    desk.add(box((0.94, height * 0.5, 0.015), (0, height * 0.7, depth * 0.44)), body)


def _trestle(table: Assembly, rng: Generator) -> None:
    depth, height = rng.uniform(0.4, 0.6), rng.uniform(0.35, 0.55)
    top, leg = _top_and_leg(rng)
    _top(table, (1.0, rng.uniform(0.025, 0.05), depth), height, top)
    x, kind = rng.uniform(0.3, 0.42), pick(["x", "slab", "loop"], rng)
    if kind == "x":
        for z in (-depth * 0.42, depth * 0.42):
            table.pair(rod((x, 0, -z), (x, height - 0.02, z), 0.02, sections=4), leg)
    elif kind == "slab":
        table.pair(box((0.06, height - 0.02, depth * 0.8), (x, height / 2 - 0.01, 0)), leg)
    else:
        z, high = depth * 0.44, height - 0.03
        table.pair(bars([(x, high, -z), (x, 0.02, -z), (x, 0.02, z), (x, high, z)], 0.02, 4), leg)
    if chance(0.6, rng):
        table.add(rod((-x, height * 0.3, 0), (x, height * 0.3, 0), 0.02, sections=4), leg)


def _top_and_leg(rng: Generator) -> tuple[Color, Color]:
    top = any_of(rng, wood, wood, light, dark, paint, glass, vivid)
    if chance(0.4, rng):
        return top, shaded(top, rng.uniform(0.6, 0.9))
    return top, any_of(rng, wood, metal, dark, light, paint)


def _top(table: Assembly, size: Point, height: float, color: Color, is_round: bool = False) -> None:
    middle = (0, height - size[1] / 2, 0)
    mesh = cylinder(size[0] / 2, size[1], middle, sections=28) if is_round else box(size, middle)
    if is_round:
        mesh.vertices[:, 2] *= size[2] / size[0]
    table.add(mesh, color)


table = one_of({_four_legged: 0.5, _pedestal: 0.22, _desk: 0.16, _trestle: 0.12})


def cabinet(assembly: Assembly, rng: Generator) -> None:
    """A chest, a sideboard, a wardrobe, a filing cabinet or open shelves."""
    sizes = [(0.9, 0.5, 0.35), (0.55, 1, 0.35), (0.5, 0.6, 0.4), (1, 0.38, 0.3), (0.75, 1, 0.35), (0.35, 0.9, 0.4)]
    width, height, depth = (float(size * rng.uniform(0.85, 1.15)) for size in pick(sizes, rng))
    body = any_of(rng, wood, wood, light, metal, paint)
    front = body if chance(0.35, rng) else any_of(rng, wood, light, paint, dark, lambda _: shaded(body, 0.75))
    handle = any_of(rng, metal, dark, light)
    low = pick([0.0, rng.uniform(0.04, 0.16)], rng)
    if chance(0.25, rng):
        _shelves(assembly, (width, height, depth), low, body, front, rng)
    else:
        y, z = low + height / 2, -depth / 2
        assembly.add(box((width, height, depth), (0, y, 0)), body)
        columns = max(1, round(width / height * pick([1, 2], rng) + 0.3))
        doors, drawers = max(2, min(columns, 4)), min(columns, 3)
        kind = pick(["drawers", "doors", "both"], rng)
        if kind == "both":
            upper, rows = rng.uniform(0.25, 0.45) * height, pick([1, 2], rng)
            _drawers(assembly, (0, y + height / 2 - upper / 2, z), (width, upper), rows, drawers, front, handle)
            _doors(assembly, (0, y - upper / 2, z), (width, height - upper), doors, front, handle)
        elif kind == "drawers":
            _drawers(assembly, (0, y, z), (width, height), max(2, round(height / 0.2)), drawers, front, handle)
        else:
            _doors(assembly, (0, y, z), (width, height), doors, front, handle)
    if chance(0.5, rng):
        top = box((width * 1.05, 0.03, depth * 1.07), (0, low + height + 0.01, 0))
        assembly.add(top, body if chance(0.5, rng) else wood(rng))
    if low > 0:
        x = width / 2 - 0.035
        for z in (-depth / 2 + 0.03, depth / 2 - 0.03):
            assembly.pair(rod((x, 0, z), (x, low, z), 0.018, 0.024, 6), pick([body, handle], rng))


def _drawers(piece: Assembly, face: Point, size: Point, rows: int, columns: int, front: Color, handle: Color) -> None:
    width, height, z = size[0] / columns, size[1] / rows, face[2]
    for column, row in product(range(columns), range(rows)):
        x = face[0] + (column + 0.5) * width - size[0] / 2
        y = face[1] + (row + 0.5) * height - size[1] / 2
        piece.add(box((width * 0.9, height * 0.86, 0.02), (x, y, z)), front)
        piece.add(box((width * 0.35, 0.02, 0.03), (x, y + height * 0.1, z - 0.015)), handle)


def _doors(piece: Assembly, face: Point, size: Point, count: int, front: Color, handle: Color) -> None:
    width, (middle, y, z) = size[0] / count, face
    for index in range(count):
        x = middle + (index + 0.5) * width - size[0] / 2
        piece.add(box((width * 0.92, size[1] * 0.94, 0.02), (x, y, z)), front)
        opening = 0.36 if index % 2 == 0 else -0.36
        piece.add(box((0.02, min(0.16, size[1] * 0.3), 0.03), (x + opening * width, y, z - 0.015)), handle)


def _shelves(piece: Assembly, size: Point, low: float, body: Color, inside: Color, rng: Generator) -> None:
    (width, height, depth), board, middle = size, 0.03, low + size[1] / 2
    piece.pair(box((board, height, depth), (width / 2 - board / 2, middle, 0)), body)
    piece.add(box((width, height, 0.015), (0, middle, depth / 2)), inside)
    rows = max(2, round(height / rng.uniform(0.2, 0.32)))
    for row in range(rows + 1):
        piece.add(box((width - 2 * board, board, depth), (0, low + board / 2 + row * (height - board) / rows, 0)), body)
    if chance(0.5, rng):
        piece.add(box((board, height - board, depth * 0.98), (0, middle, 0)), body)
    if chance(0.6, rng):
        each = (height - board) / rows
        _doors(piece, (0, low + each / 2, -depth / 2), (width, each), 2, inside, metal(rng))
