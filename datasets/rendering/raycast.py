"""Anti-aliased views of a surface: the rays of many views go through one embree scene in one batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from jaxtyping import Bool, Float, Float32, Int, UInt8
from numpy import ndarray

from datasets.rendering.rig import Rig
from datasets.rendering.shading import shade
from datasets.rendering.surface import Surface

SUBSAMPLES = 3
"""Rays a pixel and axis: 9 rays, at the centres of a 3x3 grid, are averaged into a pixel."""

_RAYS_PER_BATCH = 2_000_000


@dataclass(frozen=True)
class Views:
    """What cameras see: colours on white, and where more than half of a pixel is covered."""

    images: UInt8[ndarray, "view size size 3"]
    masks: Bool[ndarray, "view size size"]


@dataclass(frozen=True)
class _RayBatch:
    """Rays of a few views; `pixels` are flat indices (view, row, column) over all views of the rig."""

    origins: Float32[ndarray, "ray 3"]
    directions: Float32[ndarray, "ray 3"]
    pixels: Int[ndarray, " ray"]


class RayCaster:
    """Casts rays at one surface."""

    def __init__(self, surface: Surface) -> None:
        self.surface = surface
        self._points = np.unique(surface.triangles.reshape(-1, 3), axis=0)
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, np.ascontiguousarray(surface.triangles, dtype=np.float32))

    def render(self, rig: Rig, size: int, subsamples: int = SUBSAMPLES) -> Views:
        """Square views of `size` pixels, anti-aliased with `subsamples`^2 rays a pixel."""
        fine = size * subsamples
        count = len(rig.poses) * size * size
        hits_in_pixel = np.zeros(count)
        missing_light = np.zeros((count, 3))
        for batch in self._batches(rig, fine):
            hits, colors = self._cast(batch)
            view, within = np.divmod(batch.pixels[hits], fine * fine)
            row, column = np.divmod(within, fine)
            pixel = (view * size + row // subsamples) * size + column // subsamples
            hits_in_pixel += np.bincount(pixel, minlength=count)
            for channel in range(3):
                missing_light[:, channel] += np.bincount(pixel, 1 - colors[:, channel], minlength=count)
        images = np.round(255 * (1 - missing_light / subsamples**2)).astype(np.uint8)
        masks = hits_in_pixel > 0.5 * subsamples**2
        return Views(images.reshape(-1, size, size, 3), masks.reshape(-1, size, size))

    def depth(self, rig: Rig, size: int) -> Float32[ndarray, "view size size"]:
        """Distance along the optical axis at each pixel's centre; 0 where there is nothing."""
        depth = np.zeros(len(rig.poses) * size * size, dtype=np.float32)
        for batch in self._batches(rig, size):
            found = self._scene.run(batch.origins, batch.directions, query="INTERSECT", output=1)
            # Directions have unit z in the camera frame, so the ray's parameter is the depth.
            depth[batch.pixels] = np.where(found["primID"] >= 0, found["tfar"], 0.0)
        return depth.reshape(-1, size, size)

    def _cast(self, batch: _RayBatch) -> tuple[Int[ndarray, " hit"], Float[ndarray, "hit 3"]]:
        """Which rays hit something, and the colours they see."""
        found = self._scene.run(batch.origins, batch.directions, query="INTERSECT", output=1)
        hits = np.flatnonzero(found["primID"] >= 0)
        faces, u, v = found["primID"][hits], found["u"][hits], found["v"][hits]
        barycentric = np.stack([1 - u - v, u, v], axis=-1)
        behind = (np.einsum("hi,hi->h", found["Ng"][hits], batch.directions[hits]) > 0).astype(np.int64)
        return hits, shade(self.surface, faces, barycentric, behind)

    def _batches(self, rig: Rig, size: int) -> Iterator[_RayBatch]:
        """The rays through pixel centres inside the surface's box in each view."""
        pending: list[_RayBatch] = []
        for view, pose in enumerate(rig.poses):
            window = self._window(pose, rig.focal, size)
            pending.append(_window_rays(view, pose.astype(np.float32), rig.focal, size, *window))
            if sum(len(rays.pixels) for rays in pending) > _RAYS_PER_BATCH:
                yield _joined(pending)
                pending = []
        if pending:
            yield _joined(pending)

    def _window(self, pose: Float[ndarray, "4 4"], focal: float, size: int) -> tuple[slice, slice]:
        """Rows and columns of the image that the surface can reach."""
        local = (self._points - pose[:3, 3]) @ pose[:3, :3]
        if local[:, 2].min() <= 0:
            return slice(0, size), slice(0, size)
        seen = (local[:, :2] / local[:, 2:] * focal + 1) * (size / 2)
        left, top = np.clip(np.floor(seen.min(axis=0)), 0, size).astype(int)
        right, bottom = np.clip(np.ceil(seen.max(axis=0)), 0, size).astype(int)
        return slice(top, bottom), slice(left, right)


def _window_rays(
    view: int, pose: Float32[ndarray, "4 4"], focal: float, size: int, rows: slice, columns: slice
) -> _RayBatch:
    centers = (((np.arange(size) + 0.5) * (2 / size) - 1) / focal).astype(np.float32)
    right, down, forward, origin = pose[:3].T
    directions = centers[rows, None, None] * down + (centers[columns, None] * right + forward)
    pixels = (view * size + np.arange(size)[rows, None]) * size + np.arange(size)[columns]
    directions = directions.reshape(-1, 3)
    return _RayBatch(np.broadcast_to(origin, directions.shape), directions, pixels.reshape(-1))


def _joined(batches: list[_RayBatch]) -> _RayBatch:
    return _RayBatch(
        np.concatenate([rays.origins for rays in batches]),
        np.concatenate([rays.directions for rays in batches]),
        np.concatenate([rays.pixels for rays in batches]),
    )
