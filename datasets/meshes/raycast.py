"""Anti-aliased views of a surface: the rays of many views go through one embree scene in one batch.

A pixel is the mean of rays through the cells of a 3x3 grid. Five of them (corners and centre) are cast first; where
they agree, which is inside faces and in the background, they stand for all nine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float, Float32, Int, UInt8
from numpy import ndarray

from datasets.meshes.lights import Lamp
from datasets.meshes.rig import Rig
from datasets.meshes.shading import Shader
from datasets.meshes.surface import Surface

_FIRST_OFFSETS = np.array([(-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1)]) / 3
_OTHER_OFFSETS = np.array([(0, -1), (-1, 0), (1, 0), (0, 1)]) / 3
_AGREEMENT = 4 / 255
"""Largest difference, per channel, among five rays that need no others."""
_AGREEMENT_IN_SHADOW = 12 / 255
"""The same under a lamp, where the rays of a pixel in the edge of a shadow differ by what they see of the lamp."""

_SHADOW_LIFT = 1e-3
"""Distance from a face, in units of the world, at which rays towards the lamp start: it does not shade itself."""

_PIXELS_PER_BATCH = 400_000


@dataclass(frozen=True)
class Views:
    """What cameras see: colours on white, where more than half of a pixel is covered, and depths if asked for."""

    images: UInt8[ndarray, "view size size 3"]
    masks: Bool[ndarray, "view size size"]
    depths: Float32[ndarray, "view size size"] | None = None


class _Pixels(NamedTuple):
    """Some pixels of a rig's square views."""

    view: Int[ndarray, " pixel"]
    row: Int[ndarray, " pixel"]
    column: Int[ndarray, " pixel"]

    def chosen(self, which: ndarray | slice) -> "_Pixels":
        return _Pixels(self.view[which], self.row[which], self.column[which])


class RayCaster:
    """Casts rays at one surface, under the studio light or a lamp."""

    def __init__(self, surface: Surface, lamp: Lamp | None = None) -> None:
        self._points = np.ascontiguousarray(surface.triangles.reshape(-1, 3), dtype=np.float32)
        self._normals = surface.normals
        self._lamp = lamp
        self._agreement = _AGREEMENT if lamp is None else _AGREEMENT_IN_SHADOW
        self._shader = Shader(surface, unlit=lamp is not None)
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, self._points.reshape(-1, 3, 3))

    def render(self, rig: Rig, size: int) -> Views:
        """Square views of `size` pixels."""
        images = np.full((len(rig.poses), size, size, 3), 255, dtype=np.uint8)
        masks = np.zeros((len(rig.poses), size, size), dtype=bool)
        for pixels in self._batches(rig, size):
            colors, coverage = self._antialiased(rig, pixels, size)
            images[pixels] = np.round(colors * 255)
            masks[pixels] = coverage > 0.5
        return Views(images, masks)

    def depth(self, rig: Rig, size: int) -> Float32[ndarray, "view size size"]:
        """Distance along the optical axis at each pixel's centre; 0 where no ray hits."""
        depth = np.zeros((len(rig.poses), size, size), dtype=np.float32)
        for pixels in self._batches(rig, size):
            found = self._intersect(*_rays(rig, pixels, np.zeros((1, 2)), size))
            depth[pixels] = np.where(found["primID"] >= 0, found["tfar"], 0.0)
        return depth

    def _antialiased(
        self, rig: Rig, pixels: _Pixels, size: int
    ) -> tuple[Float32[ndarray, "pixel 3"], Float[ndarray, " pixel"]]:
        """Mean colour and covered share of pixels."""
        colors, hits = self._trace(rig, pixels, _FIRST_OFFSETS, slice(0, 5), size)
        differs = (np.ptp(colors, axis=0) > self._agreement).any(axis=-1) | (hits.any(axis=0) != hits.all(axis=0))
        mean, coverage = colors.mean(axis=0), hits.mean(axis=0)
        others, other_hits = self._trace(rig, pixels.chosen(differs), _OTHER_OFFSETS, slice(5, 9), size)
        mean[differs] = (5 * mean[differs] + others.sum(axis=0)) / 9
        coverage[differs] = (5 * coverage[differs] + other_hits.sum(axis=0)) / 9
        return mean, coverage

    def _trace(
        self, rig: Rig, pixels: _Pixels, offsets: Float[ndarray, "offset 2"], lamp_points: slice, size: int
    ) -> tuple[Float32[ndarray, "offset pixel 3"], Bool[ndarray, "offset pixel"]]:
        """Colours on white, and what was hit, of one ray an offset and pixel; each offset has its point of the lamp."""
        origins, directions = _rays(rig, pixels, offsets, size)
        found = self._intersect(origins, directions)
        is_hit = found["primID"] >= 0
        hits = np.flatnonzero(is_hit)
        u, v = found["u"][hits], found["v"][hits]
        # Embree's normal is that of the counter-clockwise side.
        sides = (np.einsum("hi,hi->h", found["Ng"][hits], directions[hits]) > 0).astype(np.intp)
        # The ray's parameter is depth; three rays share a pixel's width.
        view = np.tile(pixels.view, len(offsets))[hits]
        widths = found["tfar"][hits] * (2 / (size * rig.focals * 3)).astype(np.float32)[view]
        colors = np.ones((len(is_hit), 3), dtype=np.float32)
        faces, barycentric = found["primID"][hits], np.stack([1 - u - v, u, v], axis=-1)
        points = origins[hits] + found["tfar"][hits, None] * directions[hits]
        colors[hits] = self._shader.colors(faces, barycentric, sides, widths, points)
        if self._lamp is not None:
            # Each of a pixel's rays looks at another point of the lamp, so their mean has soft shadows.
            towards = self._lamp.points(len(_FIRST_OFFSETS) + len(_OTHER_OFFSETS))[lamp_points][
                hits // len(pixels.view)
            ]
            sign = (1 - 2 * sides).astype(np.float32)[:, None]
            visible = self._sees(points, found["Ng"][hits] * sign, towards)
            light = self._lamp.on(self._smooth_normals(faces, barycentric) * sign, towards, visible)
            colors[hits] = np.minimum(colors[hits] * light, 1.0)
        return colors.reshape(len(offsets), -1, 3), is_hit.reshape(len(offsets), -1)

    def _smooth_normals(
        self, faces: Int[ndarray, " hit"], barycentric: Float32[ndarray, "hit 3"]
    ) -> Float32[ndarray, "hit 3"]:
        """Unit normals on the counter-clockwise side."""
        normals = np.einsum("hc,hci->hi", barycentric, self._normals[faces])
        return normals / np.sqrt(np.einsum("hi,hi->h", normals, normals))[:, None]

    def _sees(
        self, points: Float32[ndarray, "hit 3"], facing: Float32[ndarray, "hit 3"], towards: Float32[ndarray, "hit 3"]
    ) -> Float32[ndarray, " hit"]:
        """1 where nothing lies between a point, on a face with the normal `facing`, and what it looks towards, else 0.

        A face that is turned away sees it, too: smooth shading dims it without the steps of its polygons.
        """
        visible = np.ones(len(points), dtype=np.float32)
        asked = np.flatnonzero(np.einsum("hi,hi->h", facing, towards) > 0)
        up = facing[asked]
        starts = points[asked] + up * (_SHADOW_LIFT / np.sqrt(np.einsum("hi,hi->h", up, up)))[:, None]
        visible[asked] = self._scene.run(starts, np.ascontiguousarray(towards[asked]), query="OCCLUDED") < 0
        return visible

    def _intersect(self, origins: Float32[ndarray, "ray 3"], directions: Float32[ndarray, "ray 3"]) -> dict:
        return self._scene.run(origins, directions, query="INTERSECT", output=1)

    def _batches(self, rig: Rig, size: int) -> Iterator[_Pixels]:
        """Batches of the pixels in the bounding rectangle of any triangle in each view: all that a ray can hit."""
        reach = np.ones((len(rig.poses), size, size), dtype=bool)
        focals = rig.focals.astype(np.float32)
        for view, (pose, focal) in enumerate(zip(rig.poses.astype(np.float32), focals, strict=True)):
            x, y, depth = pose[:3, :3].T @ (self._points - pose[:3, 3]).T
            if depth.min() > 0:
                columns = _span((x / depth * focal).reshape(-1, 3), size)
                rows = _span((y / depth * focal).reshape(-1, 3), size)
                reach[view] = _union_of_rectangles(rows, columns, size)
        pixels = _Pixels(*np.nonzero(reach))
        for start in range(0, len(pixels.view), _PIXELS_PER_BATCH):
            yield pixels.chosen(slice(start, start + _PIXELS_PER_BATCH))


def _span(corners: Float32[ndarray, "face 3"], size: int) -> tuple[Int[ndarray, " face"], Int[ndarray, " face"]]:
    """First and one past the last pixel that triangles reach along an axis, with coordinates in [-1, 1]."""
    first, second, third = ((corners + 1) * (size / 2)).T
    # A margin of a hundredth of a pixel covers the rounding of single precision.
    low = np.floor(np.minimum(np.minimum(first, second), third) - 0.01)
    high = np.ceil(np.maximum(np.maximum(first, second), third) + 0.01)
    return np.clip(low, 0, size).astype(np.intp), np.clip(high, 0, size).astype(np.intp)


def _union_of_rectangles(
    rows: tuple[Int[ndarray, " face"], Int[ndarray, " face"]],
    columns: tuple[Int[ndarray, " face"], Int[ndarray, " face"]],
    size: int,
) -> Bool[ndarray, "size size"]:
    """Pixels inside any rectangle: the double cumulative sum of signed corners counts the rectangles over each."""
    side = size + 1
    counts = np.zeros(side * side)
    for row, row_sign in zip(rows, (1, -1), strict=True):
        for column, column_sign in zip(columns, (1, -1), strict=True):
            counts += row_sign * column_sign * np.bincount(row * side + column, minlength=side * side)
    return counts.reshape(side, side).cumsum(axis=0).cumsum(axis=1)[:size, :size] > 0.5


def _rays(
    rig: Rig, pixels: _Pixels, offsets: Float[ndarray, "offset 2"], size: int
) -> tuple[Float32[ndarray, "offset_pixel 3"], Float32[ndarray, "offset_pixel 3"]]:
    """Origins and directions (unit z in the camera frame) through points offset from pixel centres, in pixels."""
    poses = rig.poses.astype(np.float32)
    step = (2 / (size * rig.focals)).astype(np.float32)[:, None]
    right, down = step * poses[:, :3, 0], step * poses[:, :3, 1]
    x, y = (pixels.column + 0.5 - size / 2)[:, None], (pixels.row + 0.5 - size / 2)[:, None]
    centers = (poses[:, :3, 2][pixels.view] + x * right[pixels.view] + y * down[pixels.view]).astype(np.float32)
    shifts = (offsets[:, None, :1] * right + offsets[:, None, 1:] * down).astype(np.float32)
    directions = np.take(shifts, pixels.view, axis=1) + centers
    origins = np.broadcast_to(poses[:, :3, 3][pixels.view], directions.shape)
    return np.ascontiguousarray(origins).reshape(-1, 3), directions.reshape(-1, 3)
