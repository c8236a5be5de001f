"""Which of several faces at one position is seen: decided here on purpose, so that rounding never decides it.

ShapeNet's meshes repeat faces: two copies of a triangle, wound oppositely, sometimes of another colour; and they lay
labels into the plane of what they stick to. A renderer that leaves the choice to rounding shows speckle.

Of copies of a triangle that are wound alike the first wins. Opposite copies become one face with two sides: a ray sees
the copy that is wound (counter-clockwise) towards it, or on both sides the textured one if only one is. Faces of
different paint in one plane are lifted out of it, by far less than a pixel: textured over plain, and small areas over
large ones.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

LIFT = 5e-5
"""Distance between neighbouring layers, as a share of the mesh's size."""

_HIGHEST_LAYER = 8


def resolve_duplicates(
    vertices: Int[ndarray, "face 3"], is_textured: Bool[ndarray, " face"]
) -> tuple[Int[ndarray, " kept"], Int[ndarray, " kept"], Int[ndarray, " kept"]]:
    """One face for each triangle, and the faces whose paint shows on the side that it is wound towards, and behind it.

    Faces are copies of one another if they have the same three vertex numbers.
    """
    triangle = _triangle_numbers(np.sort(vertices, axis=1).astype(np.int64))
    lowest = vertices.argmin(axis=1)
    rows = np.arange(len(vertices))
    winding = (vertices[rows, (lowest + 1) % 3] < vertices[rows, (lowest + 2) % 3]).astype(np.int64)
    _, keep = np.unique(triangle, return_index=True)
    first_of_side = np.full(2 * (triangle.max() + 1), -1)
    first_of_side[(2 * triangle + winding)[::-1]] = rows[::-1]
    opposite = first_of_side[2 * triangle[keep] + 1 - winding[keep]]
    opposite = np.where(opposite < 0, keep, opposite)
    front = np.where(is_textured[opposite] & ~is_textured[keep], opposite, keep)
    back = np.where(is_textured[keep] & ~is_textured[opposite], keep, opposite)
    return keep, front, back


def _triangle_numbers(ordered: Int[ndarray, "face 3"]) -> Int[ndarray, " face"]:
    """Equal numbers for equal rows of sorted vertex numbers."""
    base = ordered.max() + 1
    if base < 1 << 21:
        # Three numbers below 2^21 fit in 63 bits.
        return np.unique((ordered[:, 0] * base + ordered[:, 1]) * base + ordered[:, 2], return_inverse=True)[1]
    return np.unique(ordered, axis=0, return_inverse=True)[1].reshape(-1)


def plane_layers(
    triangles: Float[ndarray, "face 3 3"], paint_key: Int[ndarray, " face"], is_textured: Bool[ndarray, " face"]
) -> Int[ndarray, " face"]:
    """How many layers each face is to be lifted; 0 for the paint that covers most of its plane.

    `paint_key` tells different paints apart.
    """
    area_normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    areas = np.linalg.norm(area_normals, axis=-1)
    plane = _plane_numbers(triangles, area_normals / areas[:, None])
    pairs, first, pair_of_face = np.unique(
        plane.astype(np.int64) * (paint_key.max() + 1) + paint_key, return_index=True, return_inverse=True
    )
    covered = np.bincount(pair_of_face, areas, minlength=len(pairs))
    pair_plane = plane[first]
    order = np.lexsort((-covered, is_textured[first], pair_plane))
    starts = np.searchsorted(pair_plane[order], pair_plane[order])
    layers = np.empty(len(pairs), dtype=int)
    layers[order] = np.minimum(np.arange(len(pairs)) - starts, _HIGHEST_LAYER)
    return layers[pair_of_face]


def _plane_numbers(triangles: Float[ndarray, "face 3 3"], units: Float[ndarray, "face 3"]) -> Int[ndarray, " face"]:
    """Numbers planes, whichever side the faces in them look to."""
    points = triangles.reshape(-1, 3)
    rounded = np.round(units, 3)
    leading = np.where(rounded[:, 0] != 0, rounded[:, 0], np.where(rounded[:, 1] != 0, rounded[:, 1], rounded[:, 2]))
    sign = np.where(leading < 0, -1.0, 1.0)
    centers = triangles.mean(axis=1) - points.mean(axis=0)
    heights = (units * centers).sum(axis=-1) * sign / np.ptp(points, axis=0).max()
    cells = np.concatenate([rounded * sign[:, None] * 1e3, np.round(heights * 2e4)[:, None]], axis=1).astype(np.int64)
    keys = ((cells[:, 0] * 4001 + cells[:, 1]) * 4001 + cells[:, 2]) * 200_003 + cells[:, 3]
    return np.unique(keys, return_inverse=True)[1].reshape(-1)
