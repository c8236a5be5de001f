"""Tables and cabinets."""

import numpy as np
from numpy.random import Generator

from datasets.shapes13.assembly import Assembly
from datasets.shapes13.draws import chance, pick
from datasets.shapes13.palette import Color, dark, glass, light, metal, paint, shaded, vivid, wood
from datasets.shapes13.parts import bars, box, cylinder, revolve, rod


def table(assembly: Assembly, rng: Generator) -> None:
    """A dining, coffee, side or conference table, a desk, or a trestle."""
    layout = pick([_four_legged, _pedestal, _desk, _trestle], rng, (0.5, 0.22, 0.16, 0.12))
    layout(assembly, rng)


def _four_legged(table: Assembly, rng: Generator) -> None:
    width, depth, height = rng.uniform(0.6, 1.0), rng.uniform(0.4, 0.7), rng.uniform(0.28, 0.62)
    top, leg = _top_and_leg(rng)
    thick, radius = rng.uniform(0.02, 0.06), rng.uniform(0.012, 0.035)
    round_top = chance(0.25, rng)
    _top(table, width, depth, height, thick, top, round_top)
    x, z = (width * 0.33, depth * 0.33) if round_top else (width / 2 - radius * 1.6, depth / 2 - radius * 1.6)
    splay, sections = pick([0, 0, 0.04], rng), pick([4, 8], rng)
    for side in (-1, 1):
        foot = (x + splay, 0, side * (z + splay))
        table.add(
            rod(foot, (x, height - thick, side * z), radius * rng.uniform(0.6, 1.2), radius * 1.2, sections),
            leg,
            mirror=True,
        )
    if not round_top and chance(0.5, rng):
        table.add(box((2 * x, 0.06, 2 * z), (0, height - thick - 0.03, 0)), leg)
    if chance(0.35, rng):
        _top(
            table,
            width * 0.86,
            depth * 0.86,
            height * rng.uniform(0.2, 0.45),
            0.02,
            top if chance(0.5, rng) else leg,
            round_top,
        )


def _pedestal(table: Assembly, rng: Generator) -> None:
    width, height = rng.uniform(0.5, 1.0), rng.uniform(0.35, 0.75)
    depth = width if chance(0.6, rng) else width * rng.uniform(0.55, 0.9)
    top, leg = _top_and_leg(rng)
    _top(table, width, depth, height, rng.uniform(0.02, 0.05), top, chance(0.75, rng))
    neck, foot = rng.uniform(0.02, 0.06), depth * rng.uniform(0.22, 0.36)
    if chance(0.6, rng):
        bulge = neck * rng.uniform(1, 2.2)
        table.add(
            revolve(
                [
                    (0, 0),
                    (foot, 0),
                    (foot * 0.9, 0.02),
                    (neck * 1.3, 0.07),
                    (neck, height * 0.3),
                    (bulge, height * 0.55),
                    (neck, height * 0.8),
                    (neck * 2, height - 0.02),
                    (0, height - 0.02),
                ]
            ),
            leg,
        )
        return
    table.add(cylinder(neck, height - 0.03, (0, height / 2, 0)), leg)
    for angle in np.arange(4) * np.pi / 2 + pick([0, np.pi / 4], rng):
        end = (foot * np.cos(angle), 0.012, foot * np.sin(angle))
        table.add(rod((0, height * 0.2, 0), end, 0.022, 0.016, 6), leg)


def _desk(desk: Assembly, rng: Generator) -> None:
    depth, height = rng.uniform(0.42, 0.55), rng.uniform(0.48, 0.6)
    top, body = _top_and_leg(rng)
    front = body if chance(0.5, rng) else paint(rng)
    _top(desk, 1.0, depth, height, 0.035, top, False)
    width = rng.uniform(0.22, 0.32)
    sides = (-1, 1) if chance(0.5, rng) else (pick([-1, 1], rng),)
    for side in sides:
        x = side * (0.48 - width / 2)
        desk.add(box((width, height - 0.06, depth * 0.92), (x, height / 2, 0)), body)
        _drawers(
            desk, (x, height / 2, -depth * 0.46), (width, height - 0.06), pick([2, 3, 4], rng), 1, front, metal(rng)
        )
    if len(sides) == 1:
        for z in (-1, 1):
            desk.add(
                rod(
                    (-sides[0] * 0.46, 0, z * depth * 0.43),
                    (-sides[0] * 0.46, height, z * depth * 0.43),
                    0.02,
                    sections=4,
                ),
                body,
            )
    desk.add(box((0.94, height * 0.5, 0.015), (0, height * 0.7, depth * 0.44)), body)


def _trestle(table: Assembly, rng: Generator) -> None:
    depth, height = rng.uniform(0.4, 0.6), rng.uniform(0.35, 0.55)
    top, leg = _top_and_leg(rng)
    _top(table, 1.0, depth, height, rng.uniform(0.025, 0.05), top, False)
    x = rng.uniform(0.3, 0.42)
    kind = pick(["x", "slab", "loop"], rng)
    if kind == "x":
        for side in (-1, 1):
            table.add(
                rod((x, 0, -side * depth * 0.42), (x, height - 0.02, side * depth * 0.42), 0.02, sections=4),
                leg,
                mirror=True,
            )
    elif kind == "slab":
        table.add(box((0.06, height - 0.02, depth * 0.8), (x, height / 2 - 0.01, 0)), leg, mirror=True)
    else:
        z = depth * 0.44
        path = [(x, height - 0.03, -z), (x, 0.02, -z), (x, 0.02, z), (x, height - 0.03, z)]
        table.add(bars(path, 0.02, 4), leg, mirror=True)
    if chance(0.6, rng):
        table.add(rod((-x, height * 0.3, 0), (x, height * 0.3, 0), 0.02, sections=4), leg)


def _top_and_leg(rng: Generator) -> tuple[Color, Color]:
    top = pick([wood, wood, light, dark, paint, glass, vivid], rng)(rng)
    return top, shaded(top, rng.uniform(0.6, 0.9)) if chance(0.4, rng) else pick(
        [wood, metal, dark, light, paint], rng
    )(rng)


def _top(
    table: Assembly, width: float, depth: float, height: float, thick: float, color: Color, is_round: bool
) -> None:
    if not is_round:
        table.add(box((width, thick, depth), (0, height - thick / 2, 0)), color)
        return
    mesh = cylinder(width / 2, thick, (0, height - thick / 2, 0), sections=28)
    mesh.vertices[:, 2] *= depth / width
    table.add(mesh, color)


def cabinet(assembly: Assembly, rng: Generator) -> None:
    """A chest, a sideboard, a wardrobe, a filing cabinet or open shelves."""
    width, height, depth = pick(
        [(0.9, 0.5, 0.35), (0.55, 1.0, 0.35), (0.5, 0.6, 0.4), (1.0, 0.38, 0.3), (0.75, 1.0, 0.35), (0.35, 0.9, 0.4)],
        rng,
    )
    width, height, depth = (float(size * rng.uniform(0.85, 1.15)) for size in (width, height, depth))
    body = pick([wood, wood, light, metal, paint], rng)(rng)
    front = body if chance(0.35, rng) else pick([wood, light, paint, dark, lambda _: shaded(body, 0.75)], rng)(rng)
    handle = pick([metal, dark, light], rng)(rng)
    low = pick([0.0, rng.uniform(0.04, 0.16)], rng)
    middle = low + height / 2
    if chance(0.25, rng):
        _shelves(assembly, (width, height, depth), low, body, front, rng)
    else:
        assembly.add(box((width, height, depth), (0, middle, 0)), body)
        _front(assembly, (width, height), (0, middle, -depth / 2), front, handle, rng)
    if chance(0.5, rng):
        assembly.add(
            box((width * 1.05, 0.03, depth * 1.07), (0, low + height + 0.01, 0)),
            body if chance(0.5, rng) else wood(rng),
        )
    if low > 0:
        for z in (-depth / 2 + 0.03, depth / 2 - 0.03):
            assembly.add(
                rod((width / 2 - 0.035, 0, z), (width / 2 - 0.035, low, z), 0.018, 0.024, 6),
                pick([body, handle], rng),
                mirror=True,
            )


def _front(
    piece: Assembly,
    size: tuple[float, float],
    center: tuple[float, float, float],
    front: Color,
    handle: Color,
    rng: Generator,
) -> None:
    """Doors, drawers, or drawers over doors."""
    width, height = size
    columns = max(1, round(width / height * pick([1, 2], rng) + 0.3))
    kind = pick(["drawers", "doors", "both"], rng)
    if kind == "drawers":
        _drawers(piece, center, size, max(2, round(height / 0.2)), min(columns, 3), front, handle)
    elif kind == "doors":
        _doors(piece, center, size, max(2, min(columns, 4)), front, handle)
    else:
        split = rng.uniform(0.25, 0.45) * height
        x, y, z = center
        _drawers(
            piece, (x, y + height / 2 - split / 2, z), (width, split), pick([1, 2], rng), min(columns, 3), front, handle
        )
        _doors(piece, (x, y - split / 2, z), (width, height - split), max(2, min(columns, 4)), front, handle)


def _drawers(
    piece: Assembly,
    center: tuple[float, float, float],
    size: tuple[float, float],
    rows: int,
    columns: int,
    front: Color,
    handle: Color,
) -> None:
    width, height = size[0] / columns, size[1] / rows
    for column in range(columns):
        for row in range(rows):
            x = center[0] + (column + 0.5) * width - size[0] / 2
            y = center[1] + (row + 0.5) * height - size[1] / 2
            piece.add(box((width * 0.9, height * 0.86, 0.02), (x, y, center[2])), front)
            piece.add(box((width * 0.35, 0.02, 0.03), (x, y + height * 0.1, center[2] - 0.015)), handle)


def _doors(
    piece: Assembly,
    center: tuple[float, float, float],
    size: tuple[float, float],
    count: int,
    front: Color,
    handle: Color,
) -> None:
    width = size[0] / count
    for index in range(count):
        x = center[0] + (index + 0.5) * width - size[0] / 2
        piece.add(box((width * 0.92, size[1] * 0.94, 0.02), (x, center[1], center[2])), front)
        opening = 0.36 if index % 2 == 0 else -0.36
        piece.add(
            box((0.02, min(0.16, size[1] * 0.3), 0.03), (x + opening * width, center[1], center[2] - 0.015)), handle
        )


def _shelves(
    piece: Assembly, size: tuple[float, float, float], low: float, body: Color, inside: Color, rng: Generator
) -> None:
    width, height, depth = size
    board = 0.03
    piece.add(box((board, height, depth), (width / 2 - board / 2, low + height / 2, 0)), body, mirror=True)
    piece.add(box((width, height, 0.015), (0, low + height / 2, depth / 2)), inside)
    rows = max(2, round(height / rng.uniform(0.2, 0.32)))
    for row in range(rows + 1):
        y = low + board / 2 + row * (height - board) / rows
        piece.add(box((width - 2 * board, board, depth), (0, y, 0)), body)
    if chance(0.5, rng):
        piece.add(box((board, height - board, depth * 0.98), (0, low + height / 2, 0)), body)
    if chance(0.6, rng):
        each = (height - board) / rows
        _doors(piece, (0, low + each / 2, -depth / 2), (width, each), 2, inside, metal(rng))
