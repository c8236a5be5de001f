"""What the ray caster needs of a mesh: triangles, and at each of their corners a normal, a colour and a texel.

Which of several faces at one position is seen is decided here, on purpose. ShapeNet's meshes repeat faces: two copies
of a triangle, wound oppositely, sometimes of another colour; and they lay labels in the plane of what is beneath.
A renderer that leaves the choice to rounding shows speckle.

Of copies of a triangle that are wound alike the first wins. Opposite copies become one face with two sides: a ray sees
the copy that is wound (counter-clockwise) towards it, or on both sides the textured one if only one is. Faces of
different paint in one plane are lifted out of it, by far less than a pixel: textured over plain, and small areas over
large ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from datasets.meshes.solid_textures import SolidTextures
from pixelnerf.errors import UserError

_CREASE_DEGREES = 40.0
"""Faces that meet at a sharper angle than this keep their edge; the others are shaded as one smooth surface."""
_LIFT = 5e-5
"""Distance between neighbouring layers, as a share of the mesh's size."""
_HIGHEST_LAYER = 8


@dataclass(frozen=True)
class Paint:
    """Colours of faces: RGB factors in [0, 1] at the corners, times a texture where `texture_index` is not -1.

    Texture coordinates have their origin at the bottom left and repeat outside [0, 1]. With `solid` textures, `patches`
    says to which of their patches a face belongs.
    """

    colors: Float[ndarray, "*side face 3 3"]
    uvs: Float[ndarray, "*side face 3 2"]
    texture_index: Int[ndarray, "*side face"]
    textures: Sequence[Float[ndarray, "_ _ 3"]] = ()
    patches: Int[ndarray, "*side face"] | None = None
    solid: SolidTextures | None = None

    @classmethod
    def plain(cls, colors: Float[ndarray, "face 3"] | Float[ndarray, "face 3 3"]) -> "Paint":
        """One colour a face or a corner, no texture."""
        count = len(colors)
        corners = colors if colors.ndim == 3 else np.repeat(colors[:, None], 3, axis=1)
        return cls(corners, np.zeros((count, 3, 2)), np.full(count, -1))


@dataclass(frozen=True)
class Surface:
    """Triangles with unit normals at their corners, and paint whose axis `side` is (front, back)."""

    triangles: Float[ndarray, "face 3 3"]
    normals: Float[ndarray, "face 3 3"]
    paint: Paint


def build_surface(triangles: Float[ndarray, "face 3 3"], paint: Paint) -> Surface:
    """Drops degenerate faces, settles which of coplanar faces is seen, and smooths normals up to the crease angle.

    Raises:
        UserError: all faces are degenerate.
    """
    vertices = _shared_vertices(triangles)
    areas = np.linalg.norm(area_normals(triangles), axis=-1)
    ordered = np.sort(vertices, axis=1)
    solid = np.flatnonzero((areas > 1e-12 * areas.max()) & (np.diff(ordered, axis=1) > 0).all(axis=1))
    if not len(solid):
        raise UserError("no triangle has an area beside the mesh's size: a coordinate may be far off")
    textured = paint.texture_index >= 0
    kept, front, back = (solid[faces] for faces in _resolve_duplicates(vertices[solid], textured[solid]))
    layers = _plane_layers(triangles[kept], _paint_numbers(paint)[front], textured[front])
    # What lies on a plane is lifted to both sides of it: ShapeNet's winding does not tell which side it is on.
    lifted = np.flatnonzero(layers)
    signed_layers = np.concatenate([layers, -layers[lifted]])
    kept, front, back = (np.concatenate([faces, faces[lifted]]) for faces in (kept, front, back))
    size = np.ptp(triangles.reshape(-1, 3), axis=0).max()
    shift = _LIFT * size * signed_layers[:, None] * _unit_normals(triangles[kept])
    sides = np.stack([front, back])
    # Copies list the same corners in another order: `corners` finds each of the kept face's corners in them.
    corners = (vertices[kept][None, :, :, None] == vertices[sides][:, :, None, :]).argmax(axis=-1)
    colors, uvs = (values[sides[..., None], corners] for values in (paint.colors, paint.uvs))
    patches = None if paint.patches is None else paint.patches[sides]
    return Surface(
        triangles=triangles[kept] + shift[:, None],
        normals=_corner_normals(triangles[kept], vertices[kept]).astype(np.float32),
        paint=Paint(colors.astype(np.float32), uvs, paint.texture_index[sides], paint.textures, patches, paint.solid),
    )


def area_normals(triangles: Float[ndarray, "face 3 3"]) -> Float[ndarray, "face 3"]:
    """Normals as long as twice the triangle's area."""
    return np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])


def _unit_normals(triangles: Float[ndarray, "face 3 3"]) -> Float[ndarray, "face 3"]:
    normals = area_normals(triangles)
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def _numbered(keys: Int[ndarray, "*shape"]) -> Int[ndarray, "*shape"]:
    """Equal numbers, from 0 up, for equal keys."""
    return np.unique(keys, return_inverse=True)[1].reshape(keys.shape)


def _shared_vertices(triangles: Float[ndarray, "face 3 3"]) -> Int[ndarray, "face 3"]:
    """Corner numbers; corners at one position (to a millionth of the size) share theirs."""
    points = triangles.reshape(-1, 3)
    cells = np.round((points - points.min(axis=0)) * (1e6 / np.ptp(points, axis=0).max())).astype(np.int64)
    return _numbered((cells[:, 0] << 42) | (cells[:, 1] << 21) | cells[:, 2]).reshape(-1, 3)


def _paint_numbers(paint: Paint) -> Int[ndarray, " face"]:
    """Equal numbers for faces of one texture and, to 8 bits, one mean colour."""
    red, green, blue = np.round(paint.colors.mean(axis=-2) * 255).astype(np.int64).T
    return _numbered((((paint.texture_index + 1) * 256 + red) * 256 + green) * 256 + blue)


def _resolve_duplicates(
    vertices: Int[ndarray, "face 3"], is_textured: Bool[ndarray, " face"]
) -> tuple[Int[ndarray, " kept"], Int[ndarray, " kept"], Int[ndarray, " kept"]]:
    """One face for each triangle, and the faces whose paint shows on the side that it is wound towards, and behind it.

    Faces are copies of one another if they have the same three vertex numbers.
    """
    ordered = np.sort(vertices, axis=1).astype(np.int64)
    base = ordered.max() + 1
    # Edges are numbered first, so that the product stays below 2^63.
    triangle = _numbered(_numbered(ordered[:, 0] * base + ordered[:, 1]) * base + ordered[:, 2])
    lowest, rows = vertices.argmin(axis=1), np.arange(len(vertices))
    winding = (vertices[rows, (lowest + 1) % 3] < vertices[rows, (lowest + 2) % 3]).astype(np.int64)
    _, keep = np.unique(triangle, return_index=True)
    first_of_side = np.full(2 * (triangle.max() + 1), -1)
    first_of_side[(2 * triangle + winding)[::-1]] = rows[::-1]
    opposite = first_of_side[2 * triangle[keep] + 1 - winding[keep]]
    opposite = np.where(opposite < 0, keep, opposite)
    front = np.where(is_textured[opposite] & ~is_textured[keep], opposite, keep)
    back = np.where(is_textured[keep] & ~is_textured[opposite], keep, opposite)
    return keep, front, back


def _plane_layers(
    triangles: Float[ndarray, "face 3 3"], paint_number: Int[ndarray, " face"], is_textured: Bool[ndarray, " face"]
) -> Int[ndarray, " face"]:
    """How many layers each face is to be lifted; 0 for the paint that covers most of its plane."""
    areas = np.linalg.norm(area_normals(triangles), axis=-1)
    plane = _plane_numbers(triangles)
    _, first, pair_of_face = np.unique(
        plane * (paint_number.max() + 1) + paint_number, return_index=True, return_inverse=True
    )
    covered = np.bincount(pair_of_face, areas)
    order = np.lexsort((-covered, is_textured[first], plane[first]))
    starts = np.searchsorted(plane[first][order], plane[first][order])
    layers = np.empty(len(first), dtype=int)
    layers[order] = np.minimum(np.arange(len(first)) - starts, _HIGHEST_LAYER)
    return layers[pair_of_face]


def _plane_numbers(triangles: Float[ndarray, "face 3 3"]) -> Int[ndarray, " face"]:
    """Numbers planes, whichever side the faces in them look to."""
    points, units = triangles.reshape(-1, 3), _unit_normals(triangles)
    rounded = np.round(units, 3)
    leading = np.where(rounded[:, 0] != 0, rounded[:, 0], np.where(rounded[:, 1] != 0, rounded[:, 1], rounded[:, 2]))
    sign = np.where(leading < 0, -1.0, 1.0)
    centers = triangles.mean(axis=1) - points.mean(axis=0)
    heights = (units * centers).sum(axis=-1) * sign / np.ptp(points, axis=0).max()
    cells = np.concatenate([rounded * sign[:, None] * 1e3, np.round(heights * 2e4)[:, None]], axis=1).astype(np.int64)
    return _numbered(((cells[:, 0] * 4001 + cells[:, 1]) * 4001 + cells[:, 2]) * 200_003 + cells[:, 3])


def _corner_normals(
    triangles: Float[ndarray, "face 3 3"], vertices: Int[ndarray, "face 3"]
) -> Float[ndarray, "face 3 3"]:
    """Area-weighted means over the faces around a vertex that are joined without a crease."""
    weights, units = area_normals(triangles), _unit_normals(triangles)
    group = _smooth_groups(vertices, units).astype(np.int64)
    corner = _numbered(group[:, None] * (vertices.max() + 1) + vertices)
    sums = [np.bincount(corner.reshape(-1), np.repeat(weights[:, axis], 3)) for axis in range(3)]
    normals = np.stack(sums, axis=-1)[corner]
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    # Normals of a needle's tip may cancel; that corner is then shaded flat.
    flat = lengths < 1e-6 * np.linalg.norm(weights, axis=-1)[:, None, None]
    return np.where(flat, units[:, None], normals / np.where(flat, 1.0, lengths))


def _smooth_groups(vertices: Int[ndarray, "face 3"], units: Float[ndarray, "face 3"]) -> Int[ndarray, " face"]:
    """Numbers the sets of faces that are connected over edges blunter than the crease angle."""
    edges = np.sort(np.concatenate([vertices[:, [0, 1]], vertices[:, [1, 2]], vertices[:, [2, 0]]]), axis=1)
    keys = edges[:, 0].astype(np.int64) * (vertices.max() + 1) + edges[:, 1]
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    first, second = order[same] % len(vertices), order[same + 1] % len(vertices)
    blunt = (units[first] * units[second]).sum(axis=-1) > np.cos(np.radians(_CREASE_DEGREES))
    joined = (np.ones(blunt.sum(), dtype=bool), (first[blunt], second[blunt]))
    return connected_components(coo_array(joined, shape=(len(vertices), len(vertices))), directed=False)[1]
