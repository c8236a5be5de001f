"""What the ray caster needs of a mesh: triangles, and at each of their corners a normal, a colour and a texel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from datasets.meshes.coplanar import LIFT, plane_layers, resolve_duplicates

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
    """Drops degenerate faces, settles which of coplanar faces is seen, and smooths normals up to the crease angle."""
    vertices = _shared_vertices(triangles)
    areas = np.linalg.norm(_area_normals(triangles), axis=-1)
    solid = np.flatnonzero((areas > 1e-12 * areas.max()) & _has_distinct_corners(vertices))
    textured = paint.texture_index >= 0
    kept, front, back = (solid[faces] for faces in resolve_duplicates(vertices[solid], textured[solid]))
    layers = plane_layers(triangles[kept], _paint_keys(paint)[front], textured[front])
    # What lies on a plane is lifted to both sides of it: ShapeNet's winding does not tell which side it is on.
    lifted = np.flatnonzero(layers)
    signed_layers = np.concatenate([layers, -layers[lifted]])
    kept, front, back = (np.concatenate([faces, faces[lifted]]) for faces in (kept, front, back))
    units = _unit_normals(triangles[kept])
    size = np.ptp(triangles.reshape(-1, 3), axis=0).max()
    sides = np.stack([front, back])
    # Copies list the same corners in another order: `corners` finds each of the kept face's corners in them.
    corners = (vertices[kept][None, :, :, None] == vertices[sides][:, :, None, :]).argmax(axis=-1)
    return Surface(
        triangles=triangles[kept] + (LIFT * size * signed_layers[:, None] * units)[:, None],
        normals=_corner_normals(triangles[kept], vertices[kept]).astype(np.float32),
        paint=Paint(
            paint.colors[sides[..., None], corners].astype(np.float32),
            paint.uvs[sides[..., None], corners],
            paint.texture_index[sides],
            paint.textures,
        ),
    )


def _paint_keys(paint: Paint) -> Int[ndarray, " face"]:
    """Equal numbers for faces of one texture and, to 8 bits, one mean colour."""
    red, green, blue = np.round(paint.colors.mean(axis=-2) * 255).astype(np.int64).T
    keys = (((paint.texture_index + 1) * 256 + red) * 256 + green) * 256 + blue
    return np.unique(keys, return_inverse=True)[1].reshape(-1)


def _shared_vertices(triangles: Float[ndarray, "face 3 3"]) -> Int[ndarray, "face 3"]:
    """Corner numbers; corners at one position (to a millionth of the size) share theirs."""
    points = triangles.reshape(-1, 3)
    cells = np.round((points - points.min(axis=0)) * (1e6 / np.ptp(points, axis=0).max())).astype(np.int64)
    keys = (cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]
    return np.unique(keys, return_inverse=True)[1].reshape(-1, 3)


def _area_normals(triangles: Float[ndarray, "face 3 3"]) -> Float[ndarray, "face 3"]:
    return np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])


def _unit_normals(triangles: Float[ndarray, "face 3 3"]) -> Float[ndarray, "face 3"]:
    normals = _area_normals(triangles)
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def _has_distinct_corners(vertices: Int[ndarray, "face 3"]) -> ndarray:
    ordered = np.sort(vertices, axis=1)
    return (ordered[:, 0] != ordered[:, 1]) & (ordered[:, 1] != ordered[:, 2])


def _corner_normals(
    triangles: Float[ndarray, "face 3 3"], vertices: Int[ndarray, "face 3"]
) -> Float[ndarray, "face 3 3"]:
    """Area-weighted means over the faces around a vertex that are joined without a crease."""
    area_normals = _area_normals(triangles)
    units = _unit_normals(triangles)
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
