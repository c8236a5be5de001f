"""The vocabulary that all objects are built from: primitives, extrusions, sweeps, lofts, surfaces of revolution.

Frame: x to the right, y up, the object faces -z. Sizes are (x, y, z). Every function returns a mesh whose faces are
counter-clockwise seen from outside.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeAlias, cast

import numpy as np
import trimesh
from jaxtyping import Float, Int
from numpy import ndarray
from trimesh import Trimesh

Point: TypeAlias = Sequence[float] | ndarray
Path: TypeAlias = Sequence[Point] | ndarray
Axis: TypeAlias = Literal["x", "y", "z"]


def box(size: Point, center: Point, top: tuple[float, float] = (1.0, 1.0), lean: Point = (0.0, 0.0)) -> Trimesh:
    """A block; its upper face is scaled by `top` along x and z, and moved by `lean` along x and z."""
    mesh = trimesh.creation.box(size)
    upper = mesh.vertices[:, 1:2] > 0
    scale, shift = np.where(upper, (top[0], 1.0, top[1]), 1.0), np.where(upper, (lean[0], 0.0, lean[1]), 0.0)
    return Trimesh(mesh.vertices * scale + shift + center, mesh.faces, process=False)


def cushion(size: Point, center: Point, squareness: float = 0.35) -> Trimesh:
    """A padded block: a superellipsoid, from a block (0) to an ellipsoid (1)."""
    latitudes = np.linspace(-np.pi / 2, np.pi / 2, 11)[:, None]
    longitudes = np.linspace(0, 2 * np.pi, 20, endpoint=False) + np.pi / 20

    waves = np.cos(latitudes), np.sin(latitudes), np.cos(longitudes), np.sin(-longitudes)
    across, up, x, z = (np.sign(wave) * np.abs(wave) ** squareness for wave in waves)
    unit = across * x, up, across * z
    return loft(*(axis * (length / 2) + middle for axis, length, middle in zip(unit, size, center, strict=True)))


def ellipsoid(radii: Point, center: Point) -> Trimesh:
    """A sphere stretched along the axes."""
    mesh = trimesh.creation.icosphere(subdivisions=2)
    return Trimesh(mesh.vertices * radii + center, mesh.faces, process=False)


def cylinder(
    radius: float, length: float, center: Point, axis: Axis = "y", end_radius: float | None = None, sections: int = 16
) -> Trimesh:
    """A cylinder, or a cone's frustum with `end_radius` at its positive end."""
    end, half = radius if end_radius is None else end_radius, length / 2
    return revolve([(0, -half), (radius, -half), (end, half), (0, half)], center, axis, sections)


def revolve(profile: Path, center: Point = (0, 0, 0), axis: Axis = "y", sections: int = 20) -> Trimesh:
    """A surface of revolution: `profile` lists (radius, height along the axis), from the lower end up."""
    mesh = trimesh.creation.revolve(np.asarray(profile, dtype=float), sections=sections)
    return Trimesh(np.roll(mesh.vertices, "zxy".index(axis), axis=1) + center, mesh.faces, process=False)


def rod(start: Point, end: Point, radius: float, end_radius: float | None = None, sections: int = 8) -> Trimesh:
    """A straight round bar between two points."""
    return sweep([start, end], [radius, radius if end_radius is None else end_radius], sections)


def bars(path: Path, radius: float, sections: int = 8) -> Trimesh:
    """Straight round bars from each point of a path to the next: a frame with sharp corners."""
    return cast(Trimesh, trimesh.util.concatenate([rod(*ends, radius, sections=sections) for ends in pairwise(path)]))


def sweep(path: Path, radius: float | Sequence[float], sections: int = 8) -> Trimesh:
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
    return loft(*np.moveaxis(np.stack(rings), -1, 0))


def loft(x: ndarray, y: ndarray, z: ndarray) -> Trimesh:
    """A skin over rings of equally many points, closed by fans at both ends.

    The coordinates broadcast to one array with axes (ring, point). Seen against the direction in which the rings
    advance, their points run counter-clockwise.
    """
    rings = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    count, around = rings.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    low, high = index[:-1], index[1:]
    next_low, next_high = np.roll(low, -1, axis=1), np.roll(high, -1, axis=1)
    skin = _triangles(low, next_low, next_high), _triangles(low, next_high, high)
    fans = _triangles(index.size, next_low[0], low[0]), _triangles(index.size + 1, high[-1], next_high[-1])
    vertices = np.concatenate([rings.reshape(-1, 3), rings[:1].mean(axis=1), rings[-1:].mean(axis=1)])
    return Trimesh(vertices, np.concatenate([*skin, *fans]), process=False)


def _triangles(*corners: Int[ndarray, "..."] | int) -> Int[ndarray, "face 3"]:
    return np.stack(np.broadcast_arrays(*corners), axis=-1).reshape(-1, 3)


def extrude(outline: Path, thickness: float, axis: Axis, offset: float = 0.0) -> Trimesh:
    """A simple polygon given thickness along an axis, centred on `offset`.

    The outline's coordinates are (z, y) for axis x (a side view), (x, z) for y (a plan), (x, y) for z (a front view).
    """
    flat = np.asarray(outline, dtype=float)
    following = np.roll(flat, -1, axis=0)
    if (flat[:, 0] * following[:, 1] - following[:, 0] * flat[:, 1]).sum() < 0:
        flat = flat[::-1]
    caps, count = np.asarray(_ear_clip(flat)), len(flat)
    low, next_low = np.arange(count), np.roll(np.arange(count), -1)
    sides = _triangles(low, next_low, next_low + count), _triangles(low, next_low + count, low + count)
    faces = np.concatenate([caps[:, ::-1], caps + count, *sides])
    depth = np.repeat([-thickness / 2, thickness / 2], count) + offset
    first, second = np.tile(flat, (2, 1)).T
    columns = {"x": (depth, second, first), "y": (first, depth, second), "z": (first, second, depth)}[axis]
    # (z, y, x) and (x, z, y) are left-handed orders of the axes, so those two turn their faces around.
    return Trimesh(np.stack(columns, axis=-1), faces if axis == "z" else faces[:, ::-1], process=False)


def _ear_clip(outline: Float[ndarray, "point 2"]) -> list[tuple[int, int, int]]:
    """Triangles of a simple counter-clockwise polygon."""
    remaining, triangles = list(range(len(outline))), []
    while len(remaining) > 3:
        cuts = list(zip(remaining[-1:] + remaining[:-1], remaining, remaining[1:] + remaining[:1], strict=True))
        # Only rounding leaves no ear; any cut keeps the surface closed.
        ear = next((cut for cut in cuts if _is_ear(outline, cut, remaining)), cuts[0])
        triangles.append(ear)
        remaining.remove(ear[1])
    return [*triangles, (remaining[0], remaining[1], remaining[2])]


def _is_ear(outline: Float[ndarray, "point 2"], cut: tuple[int, int, int], remaining: list[int]) -> bool:
    corners, others = outline[list(cut)], outline[[index for index in remaining if index not in cut]]
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
    return Trimesh(mesh.vertices + offset, mesh.faces, process=False)


def mirrored(mesh: Trimesh) -> Trimesh:
    """The copy on the other side of the plane x = 0."""
    return Trimesh(mesh.vertices * (-1, 1, 1), mesh.faces[:, ::-1], process=False)


def wing(root: Point, tip: Point, span: float, rise: float, thickness: float, height: float) -> Trimesh:
    """A tapered wing from x = 0 to x = span; `root` and `tip` are the (leading, trailing) edges' z.

    `rise` is the tip's height over the root, `thickness` is relative to the chord.
    """
    along = np.array([0.0, 0.25, 0.6, 1.0, 0.6, 0.25])
    above = np.array([0.0, 0.5, 0.4, 0.0, -0.25, -0.35])
    lead, trail = np.array([root, tip]).T[:, :, None]
    chord = trail - lead
    x, y = np.array([[0.0], [span]]), np.array([[height], [height + rise]])
    return loft(x, y + chord * thickness * above, lead + chord * along)
