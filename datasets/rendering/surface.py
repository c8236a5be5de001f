"""What the ray caster needs of a mesh: triangles, and at each of their corners a normal, a colour and a texel.

ShapeNet's meshes repeat faces: two coplanar copies, wound oppositely, sometimes of another colour. Only one copy of a
place is kept for the ray caster, so that rounding never chooses between them. Of copies wound alike the first wins; an
opposite copy becomes the kept face's back side: a ray sees the copy that is wound (counter-clockwise) towards it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

CREASE_DEGREES = 40.0
"""Faces that meet at a sharper angle than this keep their edge; the others are shaded as one smooth surface."""


@dataclass(frozen=True)
class Paint:
    """Colours of faces: RGB factors in [0, 1] at the corners, times a texture where `texture_index` is not -1.

    Texture coordinates have their origin at the bottom left and repeat outside [0, 1].
    """

    colors: Float[ndarray, "*side face 3 3"]
    uvs: Float[ndarray, "*side face 3 2"]
    texture_index: Int[ndarray, "*side face"]
    textures: Sequence[Float[ndarray, "_ _ 3"]] = ()

    @classmethod
    def plain(cls, face_colors: Float[ndarray, "face 3"]) -> "Paint":
        """One colour a face, no texture."""
        count = len(face_colors)
        colors = np.repeat(face_colors[:, None], 3, axis=1)
        return cls(colors, np.zeros((count, 3, 2)), np.full(count, -1))


@dataclass(frozen=True)
class Surface:
    """Triangles with unit normals at their corners, and paint whose axis `side` is (front, back)."""

    triangles: Float[ndarray, "face 3 3"]
    normals: Float[ndarray, "face 3 3"]
    paint: Paint


def build_surface(triangles: Float[ndarray, "face 3 3"], paint: Paint) -> Surface:
    """Drops degenerate faces, resolves duplicate ones, and smooths normals up to the crease angle."""
    vertices = _shared_vertices(triangles)
    areas = np.linalg.norm(_area_normals(triangles), axis=-1)
    solid = np.flatnonzero((areas > 1e-12 * areas.max()) & _has_distinct_corners(vertices))
    keep, back = _resolve_duplicates(vertices[solid])
    front, back = solid[keep], solid[back]
    # The opposite copy lists the same corners in another order: `match` finds each of the kept face's corners in it.
    match = (vertices[front][:, :, None] == vertices[back][:, None, :]).argmax(axis=-1)
    sides = np.stack([front, back])
    corners = np.stack([np.broadcast_to(np.arange(3), match.shape), match])
    return Surface(
        triangles=triangles[front],
        normals=_corner_normals(triangles[front], vertices[front]).astype(np.float32),
        paint=Paint(
            paint.colors[sides[..., None], corners].astype(np.float32),
            paint.uvs[sides[..., None], corners],
            paint.texture_index[sides],
            paint.textures,
        ),
    )


def _shared_vertices(triangles: Float[ndarray, "face 3 3"]) -> Int[ndarray, "face 3"]:
    """Corner numbers; corners at one place (to a millionth of the extent) share theirs."""
    points = triangles.reshape(-1, 3)
    cells = np.round((points - points.min(axis=0)) * (1e6 / np.ptp(points, axis=0).max())).astype(np.int64)
    keys = (cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]
    return np.unique(keys, return_inverse=True)[1].reshape(-1, 3)


def _area_normals(triangles: Float[ndarray, "face 3 3"]) -> Float[ndarray, "face 3"]:
    return np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])


def _has_distinct_corners(vertices: Int[ndarray, "face 3"]) -> ndarray:
    ordered = np.sort(vertices, axis=1)
    return (ordered[:, 0] != ordered[:, 1]) & (ordered[:, 1] != ordered[:, 2])


def _resolve_duplicates(vertices: Int[ndarray, "face 3"]) -> tuple[Int[ndarray, " kept"], Int[ndarray, " kept"]]:
    """The faces to keep, and for each the face that shows from behind (itself where no copy is wound oppositely)."""
    ordered = np.sort(vertices, axis=1).astype(np.int64)
    base = ordered.max() + 1
    # Three numbers below 2^21 fit in 63 bits; larger meshes compare rows.
    if base < 1 << 21:
        place = np.unique((ordered[:, 0] * base + ordered[:, 1]) * base + ordered[:, 2], return_inverse=True)[1]
    else:
        place = np.unique(ordered, axis=0, return_inverse=True)[1].reshape(-1)
    lowest = vertices.argmin(axis=1)
    rows = np.arange(len(vertices))
    winding = (vertices[rows, (lowest + 1) % 3] < vertices[rows, (lowest + 2) % 3]).astype(np.int64)
    _, keep = np.unique(place, return_index=True)
    first_of_side = np.full(2 * (place.max() + 1), -1)
    first_of_side[(2 * place + winding)[::-1]] = rows[::-1]
    back = first_of_side[2 * place[keep] + 1 - winding[keep]]
    return keep, np.where(back < 0, keep, back)


def _corner_normals(
    triangles: Float[ndarray, "face 3 3"], vertices: Int[ndarray, "face 3"]
) -> Float[ndarray, "face 3 3"]:
    """Area-weighted means over the faces around a vertex that are joined without a crease."""
    area_normals = _area_normals(triangles)
    units = area_normals / np.linalg.norm(area_normals, axis=-1, keepdims=True)
    group = _smooth_groups(vertices, units).astype(np.int64)
    corner = np.unique(group[:, None] * (vertices.max() + 1) + vertices, return_inverse=True)[1].reshape(-1)
    weights = np.repeat(area_normals, 3, axis=0)
    sums = np.stack([np.bincount(corner, weights[:, axis]) for axis in range(3)], axis=-1)
    normals = sums[corner].reshape(-1, 3, 3)
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    # Normals of a needle's tip may cancel; that corner is then shaded flat.
    flat = lengths < 1e-6 * np.linalg.norm(area_normals, axis=-1)[:, None, None]
    return np.where(flat, units[:, None], normals / np.where(flat, 1.0, lengths))


def _smooth_groups(vertices: Int[ndarray, "face 3"], units: Float[ndarray, "face 3"]) -> Int[ndarray, " face"]:
    """Numbers the sets of faces that are connected over edges blunter than the crease angle."""
    edges = np.sort(np.concatenate([vertices[:, [0, 1]], vertices[:, [1, 2]], vertices[:, [2, 0]]]), axis=1)
    keys = edges[:, 0].astype(np.int64) * (vertices.max() + 1) + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    first, second = order[same] % len(vertices), order[same + 1] % len(vertices)
    blunt = (units[first] * units[second]).sum(axis=-1) > np.cos(np.radians(CREASE_DEGREES))
    joined = (np.ones(blunt.sum(), dtype=bool), (first[blunt], second[blunt]))
    return connected_components(coo_array(joined, shape=(len(vertices), len(vertices))), directed=False)[1]
