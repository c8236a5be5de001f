"""Distorting lenses, and the photos that a pinhole camera would have taken instead."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pixelnerf.errors import UserError

Points = Float[np.ndarray, "point 2"]
Photo = UInt8[np.ndarray, "height width channel"]
Distortion = Callable[[Points], Points]
"""Where a lens shows points of the plane z = 1 (OpenCV axes), on that plane."""

# Zooms that are tried to fill the frame: below 1 they shrink the middle of the photo, above 1 they magnify it.
SMALLEST_ZOOM, LARGEST_ZOOM, ZOOMS = 0.7, 2.0, 2**17 + 1
# A zoom is checked at so many points along each side of the border, and so many steps from the centre to each.
BORDER_POINTS, RADIAL_STEPS = 33, 65


@dataclass(frozen=True)
class Lens:
    """A photo's camera, and the pinhole camera that replaces it.

    The pinhole has the photo's size and principal point, and the smallest focal length at which it sees nothing that
    the photo does not show. Without distortion it is the camera itself.

    Attributes:
        photo: its file.
        distortion: of the lens; None if it keeps lines straight.
        intrinsics: the camera's, for a photo of `size`.
        size: (width, height) in pixels.
        pixel_center: where the first pixel's centre lies in the coordinates of the intrinsics, 0.5 or 0.
    """

    photo: Path
    distortion: Distortion | None
    intrinsics: Float[np.ndarray, "3 3"]
    size: tuple[int, int]
    pixel_center: float

    @cached_property
    def straight(self) -> Float[np.ndarray, "3 3"]:
        """The pinhole's intrinsics; a UserError if it would see less than half of the photo's width and height."""
        if self.distortion is None:
            return self.intrinsics
        if not self._fits(LARGEST_ZOOM):
            raise UserError(
                f"the lens of '{self.photo}' is so distorted that a straight picture would show less than half of it: "
                "check the camera's parameters, or leave the photo out (dataset.leave_out)"
            )
        zooms = np.linspace(SMALLEST_ZOOM, LARGEST_ZOOM, ZOOMS)
        return self._zoomed(zooms[bisect_left(zooms, True, key=self._fits)])

    def straightened(self, image: Photo) -> Photo:
        """What the pinhole sees of an RGB or RGBA photo of `size`, by bicubic interpolation."""
        if self.distortion is None:
            return image
        width, height = self.size
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1, dtype=np.float64)
        sources = self._sources(self.straight, pixels.reshape(-1, 2))
        columns, rows = sources.T.astype(np.float32).reshape(2, height, width)
        return cv2.remap(image, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    def _zoomed(self, zoom: float) -> Float[np.ndarray, "3 3"]:
        straight = self.intrinsics.copy()
        straight[[0, 1], [0, 1]] *= zoom
        return straight

    def _sources(self, straight: Float[np.ndarray, "3 3"], pixels: Points) -> Points:
        """The photo's pixels that a pinhole's pixels show; both count from 0 at the first pixel's centre."""
        assert self.distortion is not None
        points = (pixels + self.pixel_center - straight[:2, 2]) / np.diag(straight)[:2]
        return self.distortion(points) * np.diag(self.intrinsics)[:2] + self.intrinsics[:2, 2] - self.pixel_center

    def _fits(self, zoom: float) -> bool:
        """Whether the photo shows everything that the zoomed pinhole sees, once."""
        last = np.array(self.size) - 1
        side = np.linspace(0, 1, BORDER_POINTS)
        grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        border = last * grid[((grid == 0) | (grid == 1)).any(axis=-1)]
        center = self.intrinsics[:2, 2] - self.pixel_center
        steps = np.linspace(0, 1, RADIAL_STEPS)[:, None, None]
        sources = self._sources(self._zoomed(zoom), (center + steps * (border - center)).reshape(-1, 2))
        sources = sources.reshape(RADIAL_STEPS, -1, 2)
        inside = (sources[-1] >= -1e-3).all() and (sources[-1] <= last + 1e-3).all()
        # Outside the photo that it was fitted to, a polynomial may turn back and show things twice.
        outward = np.diff(np.linalg.norm(sources - center, axis=-1), axis=0) > 0
        return bool(inside and outward.all())


def brown_distortion(values: Mapping[str, Any]) -> Distortion | None:
    """OpenCV's radial and tangential distortion (Brown 1966) with nerfstudio's k4; None if all numbers are 0.

    `values` has k1 to k4 of the squared radius, and p1, p2; missing ones are 0. `cv2.projectPoints` has no such term:
    its k4 to k6 are those of a denominator.
    """
    k1, k2, k3, k4, p1, p2 = (float(values.get(name, 0.0)) for name in ("k1", "k2", "k3", "k4", "p1", "p2"))
    if not any((k1, k2, k3, k4, p1, p2)):
        return None

    def distortion(points: Points) -> Points:
        x, y = points.T
        square = x**2 + y**2
        radial = 1 + square * (k1 + square * (k2 + square * (k3 + square * k4)))
        bent_x = x * radial + 2 * p1 * x * y + p2 * (square + 2 * x**2)
        bent_y = y * radial + p1 * (square + 2 * y**2) + 2 * p2 * x * y
        return np.stack([bent_x, bent_y], axis=-1)

    return distortion


def fisheye_distortion(values: Mapping[str, Any]) -> Distortion:
    """OpenCV's fisheye (Kannala and Brandt 2006): radii are angles, times a polynomial (k1 to k4) of their squares."""
    coefficients = np.array([float(values.get(name, 0.0)) for name in ("k1", "k2", "k3", "k4")])
    return lambda points: cv2.fisheye.distortPoints(points[None], np.eye(3), coefficients)[0]
