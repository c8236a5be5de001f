"""The vocabulary that all objects are built from: primitives, extrusions, sweeps, lofts, surfaces of revolution.

Frame: x to the right, y up, the object faces -z. Sizes are (x, y, z). Every function returns a mesh whose faces are
counter-clockwise seen from outside.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeAlias, cast

import numpy as np
import trimesh
from jaxtyping import Float
from numpy import ndarray
from trimesh import Trimesh

Point: TypeAlias = Sequence[float] | ndarray
Axis: TypeAlias = Literal["x", "y", "z"]

_AXES: dict[str, tuple[int, int, int]] = {"x": (1, 2, 0), "y": (2, 0, 1), "z": (0, 1, 2)}


def box(size: Point, center: Point, top: tuple[float, float] = (1.0, 1.0), lean: Point = (0.0, 0.0)) -> Trimesh:
    """A block; its upper face is scaled by `top` along x and z, and moved by `lean` along x and z."""
    mesh = trimesh.creation.box(size)
    vertices = mesh.vertices.copy()
    upper = vertices[:, 1] > 0
    vertices[upper] *= (top[0], 1.0, top[1])
    vertices[upper] += (lean[0], 0.0, lean[1])
    return Trimesh(vertices + np.asarray(center), mesh.faces, process=False)


def cushion(size: Point, center: Point, squareness: float = 0.35) -> Trimesh:
    """A padded block: a superellipsoid, from a block (0) to an ellipsoid (1)."""
    latitudes = np.linspace(-np.pi / 2, np.pi / 2, 11)
    longitudes = np.linspace(0, 2 * np.pi, 20, endpoint=False) + np.pi / 20

    def power(values: ndarray) -> ndarray:
        return np.sign(values) * np.abs(values) ** squareness

    across, up = power(np.cos(latitudes)), power(np.sin(latitudes))
    rings = np.stack(
        np.broadcast_arrays(
            across[:, None] * power(np.cos(longitudes)), up[:, None], across[:, None] * power(np.sin(-longitudes))
        ),
        axis=-1,
    )
    return loft(rings * (np.asarray(size) / 2) + np.asarray(center))


def ellipsoid(radii: Point, center: Point) -> Trimesh:
    """A sphere stretched along the axes."""
    mesh = trimesh.creation.icosphere(subdivisions=2)
    return Trimesh(mesh.vertices * np.asarray(radii) + np.asarray(center), mesh.faces, process=False)


def cylinder(
    radius: float, length: float, center: Point, axis: Axis = "y", end_radius: float | None = None, sections: int = 16
) -> Trimesh:
    """A cylinder, or a cone's frustum with `end_radius` at its positive end."""
    end = radius if end_radius is None else end_radius
    return revolve(
        [(0, -length / 2), (radius, -length / 2), (end, length / 2), (0, length / 2)], center, axis, sections
    )


def revolve(
    profile: Sequence[tuple[float, float]], center: Point = (0, 0, 0), axis: Axis = "y", sections: int = 20
) -> Trimesh:
    """A surface of revolution: `profile` lists (radius, height along the axis), from the lower end up."""
    mesh = trimesh.creation.revolve(np.asarray(profile, dtype=float), sections=sections)
    order = np.argsort(_AXES[axis])
    return Trimesh(mesh.vertices[:, order] + np.asarray(center), mesh.faces, process=False)


def rod(start: Point, end: Point, radius: float, end_radius: float | None = None, sections: int = 8) -> Trimesh:
    """A straight round bar between two points."""
    return sweep([start, end], [radius, radius if end_radius is None else end_radius], sections)


def bars(path: Sequence[Point], radius: float, sections: int = 8) -> Trimesh:
    """Straight round bars from each point of a path to the next: a frame with sharp corners."""
    rods = [rod(start, end, radius, sections=sections) for start, end in pairwise(path)]
    return cast(Trimesh, trimesh.util.concatenate(rods))


def sweep(path: Sequence[Point] | ndarray, radius: float | Sequence[float], sections: int = 8) -> Trimesh:
    """A round tube along a polyline; the radius may change from point to point."""
    points = np.asarray(path, dtype=float)
    radii = np.broadcast_to(np.asarray(radius, dtype=float), len(points))
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=-1, keepdims=True)
    angles = np.linspace(0, 2 * np.pi, sections, endpoint=False)
    side = np.cross(tangents[0], np.eye(3)[np.abs(tangents[0]).argmin()])
    other = np.cross(tangents[0], side)
    rings = []
    for point, tangent, size in zip(points, tangents, radii, strict=True):
        # The frame is carried along the path, so the tube does not twist.
        side = side - tangent * (side @ tangent)
        length = np.linalg.norm(side)
        if length < 1e-9:
            # A right angle in the plane of `side`: the other axis stays.
            side, length = np.cross(other, tangent), 1.0
        side /= length
        other = np.cross(tangent, side)
        rings.append(point + size * (np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * other))
    return loft(np.stack(rings))


def loft(rings: Float[ndarray, "ring point 3"]) -> Trimesh:
    """A skin over rings of equally many points, closed by fans at both ends.

    Seen against the direction in which the rings advance, their points run counter-clockwise.
    """
    count, around = rings.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    low, high = index[:-1], index[1:]
    next_low, next_high = np.roll(low, -1, axis=1), np.roll(high, -1, axis=1)
    first, last = count * around, count * around + 1
    faces = [
        np.stack([low, next_low, next_high], axis=-1).reshape(-1, 3),
        np.stack([low, next_high, high], axis=-1).reshape(-1, 3),
        np.stack([np.full(around, first), np.roll(index[0], -1), index[0]], axis=-1),
        np.stack([np.full(around, last), index[-1], np.roll(index[-1], -1)], axis=-1),
    ]
    vertices = np.concatenate([rings.reshape(-1, 3), rings[:1].mean(axis=1), rings[-1:].mean(axis=1)])
    return Trimesh(vertices, np.concatenate(faces), process=False)


def extrude(outline: Sequence[tuple[float, float]], thickness: float, axis: Axis, offset: float = 0.0) -> Trimesh:
    """A simple polygon given thickness along an axis, centred on `offset`.

    The outline's coordinates are (z, y) for axis x (a side view), (x, z) for y (a plan), (x, y) for z (a front view).
    """
    flat = np.asarray(outline, dtype=float)
    following = np.roll(flat, -1, axis=0)
    if (flat[:, 0] * following[:, 1] - following[:, 0] * flat[:, 1]).sum() < 0:
        flat = flat[::-1]
    count = len(flat)
    caps = np.asarray(_ear_clip(flat))
    low = np.arange(count)
    high, next_low = low + count, np.roll(low, -1)
    faces = np.concatenate(
        [
            caps[:, ::-1],
            caps + count,
            np.stack([low, next_low, next_low + count], axis=-1),
            np.stack([low, next_low + count, high], axis=-1),
        ]
    )
    depth = np.repeat([-thickness / 2, thickness / 2], count) + offset
    first, second = np.tile(flat, (2, 1)).T
    columns = {"x": (depth, second, first), "y": (first, depth, second), "z": (first, second, depth)}[axis]
    # (z, y, x) and (x, z, y) are left-handed orders of the axes, so those two turn their faces around.
    return Trimesh(np.stack(columns, axis=-1), faces if axis == "z" else faces[:, ::-1], process=False)


def _ear_clip(outline: Float[ndarray, "point 2"]) -> list[tuple[int, int, int]]:
    """Triangles of a simple counter-clockwise polygon."""
    remaining = list(range(len(outline)))
    triangles = []
    while len(remaining) > 3:
        for position in range(len(remaining)):
            ear = (remaining[position - 1], remaining[position], remaining[(position + 1) % len(remaining)])
            others = [index for index in remaining if index not in ear]
            if _is_ear(outline[list(ear)], outline[others]):
                break
        else:
            # Only rounding gets here; any cut keeps the surface closed.
            position, ear = 0, (remaining[-1], remaining[0], remaining[1])
        triangles.append(ear)
        remaining.pop(position)
    return [*triangles, (remaining[0], remaining[1], remaining[2])]


def _is_ear(corners: Float[ndarray, "3 2"], others: Float[ndarray, "other 2"]) -> bool:
    edges = np.roll(corners, -1, axis=0) - corners
    if edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0] <= 0:
        return False
    away = others[:, None] - corners
    sides = edges[:, 0] * away[..., 1] - edges[:, 1] * away[..., 0]
    return not bool((sides >= 0).all(axis=1).any())


def turned(mesh: Trimesh, degrees: float, axis: Axis, about: Point = (0, 0, 0)) -> Trimesh:
    """A copy rotated about an axis through a point, by the right-hand rule."""
    direction = np.eye(3)["xyz".index(axis)]
    return mesh.copy().apply_transform(trimesh.transformations.rotation_matrix(np.radians(degrees), direction, about))


def moved(mesh: Trimesh, offset: Point) -> Trimesh:
    """A translated copy."""
    return Trimesh(mesh.vertices + np.asarray(offset), mesh.faces, process=False)


def mirrored(mesh: Trimesh) -> Trimesh:
    """The copy on the other side of the plane x = 0."""
    return Trimesh(mesh.vertices * (-1, 1, 1), mesh.faces[:, ::-1], process=False)


def wing(
    root: tuple[float, float], tip: tuple[float, float], span: float, rise: float, thickness: float, height: float
) -> Trimesh:
    """A tapered wing from x = 0 to x = span; `root` and `tip` are the (leading, trailing) edges' z.

    `rise` is the tip's height over the root, `thickness` is relative to the chord.
    """
    outline = np.array([(0.0, 0.0), (0.25, 0.5), (0.6, 0.4), (1.0, 0.0), (0.6, -0.25), (0.25, -0.35)])
    rings = []
    for x, (lead, trail), y in ((0.0, root, height), (span, tip, height + rise)):
        chord = trail - lead
        z, up = lead + chord * outline[:, 0], y + chord * thickness * outline[:, 1]
        rings.append(np.stack([np.full(6, x), up, z], axis=-1))
    return loft(np.stack(rings))
