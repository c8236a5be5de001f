"""Objects of no category: parts of airplanes, cars and chairs, stretched, turned, painted and put together anew.

A model that trains on three categories alone sees them everywhere. These objects are made of the same parts, so nothing
of another category enters the training data, but their shapes cannot be known by heart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator
from trimesh import Trimesh

from datasets.shapes13.airplane import airplane
from datasets.shapes13.assembly import Assembly, PaintedPart
from datasets.shapes13.car import car
from datasets.shapes13.chair import chair
from datasets.shapes13.draws import chance, pick
from datasets.shapes13.lathe import spun
from datasets.shapes13.palette import fabric, light, metal, paint, wood

_DONORS: Sequence[Callable[[Assembly, Generator], None]] = (airplane, car, chair)
_PAINTS = (paint, paint, fabric, metal, wood, light)
_MOST_STRETCH = 2.5
_QUARTER_TURNS = [
    turn
    for order in permutations(range(3))
    for signs in product((-1.0, 1.0), repeat=3)
    if np.linalg.det(turn := np.eye(3)[list(order)] * np.array(signs)[:, None]) > 0
]


@dataclass(frozen=True)
class _Place:
    """The box that a piece fills: its centre and its sizes along x, y and z."""

    center: Float[ndarray, "3"]
    size: Float[ndarray, "3"]


def hybrid(assembly: Assembly, rng: Generator) -> None:
    """One object of a random layout."""
    layout = pick([_stretched, _joined, _stacked, _spun, _grown], rng, (0.2, 0.12, 0.16, 0.2, 0.32))
    layout(assembly, rng)


def _stretched(assembly: Assembly, rng: Generator) -> None:
    """A whole object, each of its axes in another scale, perhaps lying on its side."""
    frame = _stretch(rng) @ _turn(rng)
    for mesh, colors in _repainted(_donor(rng), rng):
        assembly.add_painted(_transformed(mesh, frame), colors)


def _joined(assembly: Assembly, rng: Generator) -> None:
    """Two objects, the second on a side of the first."""
    first, second = ([*_repainted(_donor(rng), rng)] for _ in range(2))
    ground = _Place(np.zeros(3), _sizes(rng))
    beside = _attached(ground, ground.size * rng.uniform(0.3, 1.0, 3), int(rng.integers(3)), rng)
    for parts, place in ((first, ground), (second, beside)):
        _fill(assembly, parts, place, _turn(rng))


def _stacked(assembly: Assembly, rng: Generator) -> None:
    """Pieces on top of each other, mostly as wide as deep: columns, towers."""
    _pile(assembly, _pieces(rng), 1.0 if chance(0.6, rng) else rng.uniform(0.3, 1.0), _turn, rng)


def _spun(assembly: Assembly, rng: Generator) -> None:
    """Round pieces on top of each other, the same from all sides: what a lathe makes of the parts' outlines.

    Few parts of the three categories are round about the vertical, and what never was seen round is not thought so.
    """
    pieces = [spun(mesh, colors, _turn(rng), hollow=chance(0.3, rng)) for mesh, colors in _pieces(rng)]
    _pile(assembly, pieces, 1.0, _upright, rng)


def _pile(
    assembly: Assembly,
    pieces: Sequence[PaintedPart],
    depth: float,
    turn: Callable[[Generator], Float[ndarray, "3 3"]],
    rng: Generator,
) -> None:
    height = 0.0
    for _ in range(rng.integers(1, 6)):
        width, rise = np.exp(rng.uniform(np.log(0.08), 0.0)), np.exp(rng.uniform(np.log(0.08), np.log(0.8)))
        place = _Place(np.array([0, height + rise / 2, 0]), np.array([width, rise, width * depth]))
        _fill(assembly, [pick(pieces, rng)], place, turn(rng))
        height += rise * rng.uniform(0.85, 1.0)


def _grown(assembly: Assembly, rng: Generator) -> None:
    """A body, and further pieces on the sides of what is there: alone, in pairs, or at four corners."""
    pieces = _pieces(rng)
    places = [_Place(np.zeros(3), _sizes(rng))]
    _fill(assembly, [pick(pieces, rng)], places[0], _turn(rng))
    for _ in range(rng.integers(1, 8)):
        host, axis = pick(places, rng, _shares(places)), int(rng.integers(3))
        size = host.size * np.exp(rng.uniform(np.log(0.08), 0.0, 3))
        if chance(0.35, rng):
            size[axis] = rng.uniform(0.01, 0.06)  # a panel, a screen, a door
        place = _attached(host, size, axis, rng)
        piece, turn = pick(pieces, rng), _turn(rng)
        for copy in _copies(place, host, axis, rng):
            _fill(assembly, [piece], copy, turn)
            places.append(copy)


def _donor(rng: Generator) -> Sequence[PaintedPart]:
    source = Assembly()
    pick(_DONORS, rng)(source, rng)
    return source.parts


def _pieces(rng: Generator) -> Sequence[PaintedPart]:
    return [*_repainted(_donor(rng), rng), *_repainted(_donor(rng), rng)]


def _repainted(parts: Sequence[PaintedPart], rng: Generator) -> Sequence[PaintedPart]:
    """The same parts; those of one colour keep one colour, mostly a new one."""
    if chance(0.15, rng):
        return parts
    old, index = np.unique(np.concatenate([colors for _, colors in parts]), axis=0, return_inverse=True)
    new = np.where(rng.uniform(size=(len(old), 1)) < 0.85, [pick(_PAINTS, rng)(rng) for _ in old], old)
    painted = np.split(new[index.reshape(-1)], np.cumsum([len(colors) for _, colors in parts])[:-1])
    return [(mesh, colors) for (mesh, _), colors in zip(parts, painted, strict=True)]


def _fill(assembly: Assembly, parts: Sequence[PaintedPart], place: _Place, turn: Float[ndarray, "3 3"]) -> None:
    """Adds the parts turned, then stretched together to fill a place."""
    corners = np.concatenate([mesh.vertices @ turn.T for mesh, _ in parts])
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = place.size / np.maximum(high - low, 1e-6)
    for mesh, colors in parts:
        centered = (mesh.vertices @ turn.T - (low + high) / 2) * scale
        assembly.add_painted(Trimesh(centered + place.center, mesh.faces, process=False), colors)


def _attached(host: _Place, size: Float[ndarray, "3"], axis: int, rng: Generator) -> _Place:
    """A place on a side of the host along the axis, in the middle of it or anywhere within."""
    center = host.center + rng.uniform(-1, 1, 3) * rng.integers(0, 2, 3) * (host.size - size) / 2
    sunk = rng.uniform(0.0, 0.3)
    center[axis] = host.center[axis] + rng.choice([-1, 1]) * (host.size[axis] / 2 + size[axis] * (0.5 - sunk))
    return _Place(center, size)


def _copies(place: _Place, host: _Place, axis: int, rng: Generator) -> Sequence[_Place]:
    """The place alone, or also mirrored in the host's middle along one or both of the other axes."""
    mirrors = [other for other in range(3) if other != axis and chance(0.45, rng)]
    copies = [place]
    for mirror in mirrors:
        flip = np.where(np.arange(3) == mirror, -1.0, 1.0)
        copies += [_Place(host.center + (copy.center - host.center) * flip, copy.size) for copy in copies]
    return copies


def _sizes(rng: Generator) -> Float[ndarray, "3"]:
    return np.exp(rng.uniform(np.log(0.12), 0.0, 3))


def _shares(places: Sequence[_Place]) -> Sequence[float]:
    """Larger places are likelier hosts."""
    sizes = np.array([place.size.prod() ** (1 / 3) for place in places])
    return list(sizes / sizes.sum())


def _stretch(rng: Generator) -> Float[ndarray, "3 3"]:
    return np.diag(_MOST_STRETCH ** rng.uniform(-1, 1, 3))


def _turn(rng: Generator) -> Float[ndarray, "3 3"]:
    """Quarter turns; one in five is then turned about the vertical by any angle."""
    turn = pick(_QUARTER_TURNS, rng) if chance(0.6, rng) else np.eye(3)
    if chance(0.8, rng):
        return turn
    angle = rng.uniform(0, 2 * np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]) @ turn


def _upright(rng: Generator) -> Float[ndarray, "3 3"]:
    """As it is, or upside down."""
    flip = rng.choice([-1.0, 1.0])
    return np.diag([1.0, flip, flip])


def _transformed(mesh: Trimesh, frame: Float[ndarray, "3 3"]) -> Trimesh:
    return Trimesh(mesh.vertices @ frame.T, mesh.faces, process=False)
