"""Lenses that bend straight lines, and the photos that they would have taken without."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8

from pixelnerf.errors import UserError

Distortion = Callable[[Float[np.ndarray, "point 2"]], Float[np.ndarray, "point 2"]]
"""Where a lens shows points of the plane z = 1 (OpenCV axes), on that plane."""

# A photo's middle is shrunk and magnified by no more than this to fill the frame.
SMALLEST_ZOOM, LARGEST_ZOOM = 0.7, 2.0
# Border points per side, and steps from the middle to each, at which a zoom is checked.
BORDER_POINTS, RADIAL_STEPS = 33, 65


@dataclass(frozen=True)
class Lens:
    """The camera of a photo, and the pinhole camera that takes its place.

    The pinhole has the photo's size and principal point, and the smallest focal length at which it sees nothing that
    the photo does not show. Without distortion it is the camera itself.

    Attributes:
        photo: its file.
        distortion: what the lens does; None if it keeps lines straight.
        intrinsics: the camera's, for a photo of `size`.
        size: (width, height) in pixels.
        pixel_center: where the intrinsics have the centre of the first pixel.
    """

    photo: Path
    distortion: Distortion | None
    intrinsics: Float[np.ndarray, "3 3"]
    size: tuple[int, int]
    pixel_center: float

    @cached_property
    def straight(self) -> Float[np.ndarray, "3 3"]:
        """The pinhole's intrinsics.

        Raises:
            UserError: it would see less than half of the photo's width and height.
        """
        if self.distortion is None:
            return self.intrinsics
        if not self._fits(LARGEST_ZOOM):
            raise UserError(
                f"the lens of '{self.photo}' is so distorted that a straight picture would show less than half of it: "
                "check the camera's parameters, or leave the photo out (dataset.leave_out)"
            )
        low, high = SMALLEST_ZOOM, LARGEST_ZOOM
        if self._fits(low):
            return self._zoomed(low)
        while high - low > 1e-5:
            middle = (low + high) / 2
            low, high = (low, middle) if self._fits(middle) else (middle, high)
        return self._zoomed(high)

    def straightened(
        self, image: UInt8[np.ndarray, "height width channel"]
    ) -> UInt8[np.ndarray, "height width channel"]:
        """What the pinhole sees, by bicubic interpolation in a photo of `size`."""
        if self.distortion is None:
            return image
        width, height = self.size
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        sources = self._sources(self.straight, np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(np.float64))
        grid = 2 * sources / (np.array(self.size) - 1) - 1
        seen = F.grid_sample(
            torch.from_numpy(image).permute(2, 0, 1)[None].float(),
            torch.from_numpy(grid.astype(np.float32)).reshape(1, height, width, 2),
            mode="bicubic",
            padding_mode="border",
            align_corners=True,
        )
        return seen[0].permute(1, 2, 0).round_().clamp_(0, 255).to(torch.uint8).numpy()

    def _zoomed(self, zoom: float) -> Float[np.ndarray, "3 3"]:
        straight = self.intrinsics.copy()
        straight[[0, 1], [0, 1]] *= zoom
        return straight

    def _sources(
        self, straight: Float[np.ndarray, "3 3"], pixels: Float[np.ndarray, "point 2"]
    ) -> Float[np.ndarray, "point 2"]:
        """Where in the photo a pinhole's pixels are found, both counted from 0 at the first pixel's centre."""
        assert self.distortion is not None
        points = (pixels + self.pixel_center - straight[:2, 2]) / np.diag(straight)[:2]
        return self.distortion(points) * np.diag(self.intrinsics)[:2] + self.intrinsics[:2, 2] - self.pixel_center

    def _fits(self, zoom: float) -> bool:
        """Whether all that the zoomed pinhole sees is in the photo, and shown once."""
        last = np.array(self.size, np.float64) - 1
        side = np.linspace(0, 1, BORDER_POINTS)
        border = last * np.concatenate(
            [np.stack(pair, axis=-1) for x in (0 * side, 0 * side + 1) for pair in ((x, side), (side, x))]
        )
        middle = self.intrinsics[:2, 2] - self.pixel_center
        steps = np.linspace(0, 1, RADIAL_STEPS)[:, None, None]
        found = self._sources(self._zoomed(zoom), (middle + steps * (border - middle)).reshape(-1, 2))
        found = found.reshape(RADIAL_STEPS, -1, 2)
        inside = (found[-1] >= -1e-3).all() and (found[-1] <= last + 1e-3).all()
        # Polynomials turn round somewhere outside of the photo that they were fitted to.
        outward = np.diff(np.linalg.norm(found - middle, axis=-1), axis=0) > 0
        return bool(inside and outward.all())


def brown_distortion(values: Mapping[str, Any]) -> Distortion | None:
    """OpenCV's radial and tangential distortion (Brown 1966), as nerfstudio has it; None if there is none.

    Args:
        values: k1 to k4 of the radius' square, and p1, p2; 0 where missing.
    """
    k1, k2, k3, k4, p1, p2 = _numbers(values, "k1", "k2", "k3", "k4", "p1", "p2")
    if not any((k1, k2, k3, k4, p1, p2)):
        return None

    def distortion(points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "point 2"]:
        x, y = points.T
        square = x**2 + y**2
        radial = 1 + square * (k1 + square * (k2 + square * (k3 + square * k4)))
        return np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (square + 2 * x**2),
                y * radial + p1 * (square + 2 * y**2) + 2 * p2 * x * y,
            ],
            axis=-1,
        )

    return distortion


def fisheye_distortion(values: Mapping[str, Any]) -> Distortion:
    """OpenCV's fisheye (Kannala and Brandt 2006): radii are angles, times a polynomial of their squares.

    Args:
        values: k1 to k4; 0 where missing.
    """
    k1, k2, k3, k4 = _numbers(values, "k1", "k2", "k3", "k4")

    def distortion(points: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "point 2"]:
        radius = np.linalg.norm(points, axis=-1, keepdims=True)
        angle = np.arctan(radius)
        square = angle**2
        bent = angle * (1 + square * (k1 + square * (k2 + square * (k3 + square * k4))))
        # The quotient tends to 1 in the middle.
        return points * np.divide(bent, radius, out=np.ones_like(radius), where=radius > 0)

    return distortion


def _numbers(values: Mapping[str, Any], *names: str) -> tuple[float, ...]:
    return tuple(float(values.get(name, 0.0)) for name in names)
