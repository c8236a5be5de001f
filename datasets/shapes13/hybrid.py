"""Objects of no category: parts of airplanes, cars and chairs, stretched, turned, painted and put together anew.

A model that trains on three categories alone sees them everywhere. These objects are made of the same parts, so nothing
of another category enters the training data, but their shapes cannot be memorised.
"""

from collections.abc import Callable, Sequence
from itertools import permutations, product
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.airplane import airplane
from datasets.shapes13.assembly import Assembly, PaintedPart
from datasets.shapes13.car import car
from datasets.shapes13.chair import chair
from datasets.shapes13.draws import chance, fabric, light, metal, one_of, paint, pick, wood
from datasets.shapes13.parts import revolve

Turn: TypeAlias = Float[ndarray, "3 3"]

_QUARTER_TURNS = [
    turn
    for order in permutations(range(3))
    for signs in product((-1.0, 1.0), repeat=3)
    if np.linalg.det(turn := np.eye(3)[list(order)] * np.array(signs)[:, None]) > 0
]


class _Box(NamedTuple):
    """What a piece fills."""

    center: Float[ndarray, "3"]
    size: Float[ndarray, "3"]


def _stretched(assembly: Assembly, rng: Generator) -> None:
    """A whole object, each of its axes in another scale, perhaps lying on its side."""
    frame = np.diag(2.5 ** rng.uniform(-1, 1, 3)) @ _turn(rng)
    for mesh, colors in _donor(rng):
        assembly.add(Trimesh(mesh.vertices @ frame.T, mesh.faces, process=False), colors)


def _joined(assembly: Assembly, rng: Generator) -> None:
    first, second = _donor(rng), _donor(rng)
    ground = _Box(np.zeros(3), _log_uniform(0.12, 1.0, rng, 3))
    beside = _attached(ground, ground.size * rng.uniform(0.3, 1.0, 3), int(rng.integers(3)), rng)
    _fill(assembly, first, ground, _turn(rng))
    _fill(assembly, second, beside, _turn(rng))


def _stacked(assembly: Assembly, rng: Generator) -> None:
    _pile(assembly, _donor(rng) + _donor(rng), 1.0 if chance(0.6, rng) else rng.uniform(0.3, 1.0), _turn, rng)


def _spun(assembly: Assembly, rng: Generator) -> None:
    """Round pieces on top of each other, the same from all sides: what a lathe makes of the parts' outlines.

    Few parts of the three categories are round about the vertical, and a model does not guess what it never saw.
    """
    pieces = [spun(mesh, colors, _turn(rng), hollow=chance(0.3, rng)) for mesh, colors in _donor(rng) + _donor(rng)]
    # As they are, or upside down.
    _pile(assembly, pieces, 1.0, lambda rng: np.diag([1.0, flip := rng.choice([-1.0, 1.0]), flip]), rng)


def _pile(
    assembly: Assembly, pieces: Sequence[PaintedPart], depth: float, turn: Callable[[Generator], Turn], rng: Generator
) -> None:
    """Pieces on top of each other; a `depth` of 1 makes them as deep as wide."""
    height = 0.0
    for _ in range(rng.integers(1, 6)):
        width, rise = _log_uniform(0.08, 1.0, rng), _log_uniform(0.08, 0.8, rng)
        box = _Box(np.array([0, height + rise / 2, 0]), np.array([width, rise, width * depth]))
        _fill(assembly, [pick(pieces, rng)], box, turn(rng))
        height += rise * rng.uniform(0.85, 1.0)


def _grown(assembly: Assembly, rng: Generator) -> None:
    """A body with pieces attached to its sides, and to theirs: singly, or mirrored in the host's middle."""
    pieces = _donor(rng) + _donor(rng)
    boxes = [_Box(np.zeros(3), _log_uniform(0.12, 1.0, rng, 3))]
    _fill(assembly, [pick(pieces, rng)], boxes[0], _turn(rng))
    for _ in range(rng.integers(1, 8)):
        sizes = np.array([box.size.prod() ** (1 / 3) for box in boxes])
        host, axis = pick(boxes, rng, list(sizes / sizes.sum())), int(rng.integers(3))
        size = host.size * _log_uniform(0.08, 1.0, rng, 3)
        if chance(0.35, rng):
            size[axis] = rng.uniform(0.01, 0.06)  # a panel, a screen, a door
        box = _attached(host, size, axis, rng)
        piece, turn, copies = pick(pieces, rng), _turn(rng), [box]
        for mirror in [other for other in range(3) if other != axis and chance(0.45, rng)]:
            flip = np.where(np.arange(3) == mirror, -1.0, 1.0)
            copies += [_Box(host.center + (copy.center - host.center) * flip, copy.size) for copy in copies]
        for copy in copies:
            _fill(assembly, [piece], copy, turn)
        boxes += copies


def _donor(rng: Generator) -> list[PaintedPart]:
    """The parts of an object; those of one colour keep one colour, mostly a new one."""
    donor = Assembly()
    pick([airplane, car, chair], rng)(donor, rng)
    if chance(0.15, rng):
        return donor.parts
    meshes, colors = zip(*donor.parts, strict=True)
    old, index = np.unique(np.concatenate(colors), axis=0, return_inverse=True)
    paints = (paint, paint, fabric, metal, wood, light)
    new = np.where(rng.uniform(size=(len(old), 1)) < 0.85, [pick(paints, rng)(rng) for _ in old], old)
    painted = np.split(new[index.reshape(-1)], np.cumsum([len(part) for part in colors])[:-1])
    return list(zip(meshes, painted, strict=True))


def _fill(assembly: Assembly, parts: Sequence[PaintedPart], box: _Box, turn: Turn) -> None:
    corners = np.concatenate([mesh.vertices @ turn.T for mesh, _ in parts])
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = box.size / np.maximum(high - low, 1e-6)
    for mesh, colors in parts:
        vertices = (mesh.vertices @ turn.T - (low + high) / 2) * scale + box.center
        assembly.add(Trimesh(vertices, mesh.faces, process=False), colors)


def _attached(host: _Box, size: Float[ndarray, "3"], axis: int, rng: Generator) -> _Box:
    """A box on a side of the host along the axis, in the middle of it or anywhere within."""
    center = host.center + rng.uniform(-1, 1, 3) * rng.integers(0, 2, 3) * (host.size - size) / 2
    sunk = rng.uniform(0.0, 0.3)
    center[axis] = host.center[axis] + rng.choice([-1, 1]) * (host.size[axis] / 2 + size[axis] * (0.5 - sunk))
    return _Box(center, size)


def _log_uniform(low: float, high: float, rng: Generator, count: int | None = None) -> ndarray:
    return np.exp(rng.uniform(np.log(low), np.log(high), count))


def _turn(rng: Generator) -> Turn:
    """Quarter turns; one in five is then turned about the vertical by any angle."""
    turn = pick(_QUARTER_TURNS, rng) if chance(0.6, rng) else np.eye(3)
    if chance(0.8, rng):
        return turn
    angle = rng.uniform(0, 2 * np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]) @ turn


def spun(mesh: Trimesh, colors: Float[ndarray, "face 3"], turn: Turn, hollow: bool = False) -> PaintedPart:
    """A part, turned, then spun about the vertical through its middle; a hollow one is a thin wall, open at both ends.

    At each height the radius is the farthest that the part reaches there, and the colour that of its nearest face.
    """
    vertices = mesh.vertices @ turn.T
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    vertices = (vertices - (low + high) / 2) / max(float((high - low).max()), 1e-6)
    bottom, top = vertices[:, 1].min(), vertices[:, 1].max()
    # A flat part is a disc; its ends lie a little inside, where edges cross them.
    heights = bottom + (top - bottom) * np.linspace(0.005, 0.995, 14)
    # The farthest point at a height lies on an edge.
    start, end = vertices[mesh.edges_unique].swapaxes(0, 1)
    rise = end[:, 1] - start[:, 1]
    share = (heights[:, None] - start[:, 1]) / np.where(rise == 0, np.inf, rise)
    points = start + share[..., None] * (end - start)
    reach = np.where((share >= 0) & (share <= 1) & (rise != 0), np.hypot(points[..., 0], points[..., 2]), 0.0)
    radii = np.maximum(reach.max(axis=1), 0.01)
    outside = list(zip(radii, heights, strict=True))
    inside = list(zip(np.maximum(radii - 0.06, radii / 2), heights, strict=True))
    solid = [(0.0, heights[0]), *outside, (0.0, heights[-1])]
    round_part = revolve([*outside, *inside[::-1], outside[0]] if hollow else solid, sections=24)
    face_heights = vertices[mesh.faces].mean(axis=1)[:, 1]
    nearest = np.abs(round_part.triangles_center[:, 1:2] - face_heights).argmin(axis=1)
    return round_part, colors[nearest]


hybrid = one_of({_stretched: 0.2, _joined: 0.12, _stacked: 0.16, _spun: 0.2, _grown: 0.32})
