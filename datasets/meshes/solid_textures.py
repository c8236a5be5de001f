"""Solid textures: colours as functions of a point in the object, so that no face needs texture coordinates.

A pattern is a field of values in [0, 1] in a frame of its own; it mixes a face's colour with a second one. A decal is a
flat picture, printed on what lies close to its plane.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray
from scipy.ndimage import map_coordinates

Values: TypeAlias = Float[ndarray, " point"]
Points: TypeAlias = Float[ndarray, "point 3"]
Field: TypeAlias = Callable[[Points], Values]

_NOISE_CELLS = 64
_NOISE_WAVES = (2, 16)
"""The longest and the shortest waves of the noise, as numbers of them along its period."""


def noise(points: Points) -> Values:
    """Smooth noise in [0, 1], mean 0.5, deviation 0.2, with features from 1/4 to 1/32; it repeats at whole steps."""
    return map_coordinates(_noise_volume(), (points * _NOISE_CELLS).T, order=1, mode="grid-wrap", prefilter=False)


@cache
def _noise_volume() -> Float32[ndarray, "cell cell cell"]:
    """Gaussian noise whose amplitude falls with the frequency (pink), band-limited."""
    white = np.random.default_rng(0).standard_normal((_NOISE_CELLS,) * 3)
    waves = np.fft.fftfreq(_NOISE_CELLS, 1 / _NOISE_CELLS)
    frequency = np.sqrt(waves[:, None, None] ** 2 + waves[:, None] ** 2 + waves**2)
    lowest, highest = _NOISE_WAVES
    in_band = (frequency >= lowest) & (frequency <= highest)
    pink = np.fft.ifftn(np.fft.fftn(white) * in_band / np.maximum(frequency, 1.0) ** 1.8).real
    return np.clip(0.5 + 0.2 * pink / pink.std(), 0.0, 1.0).astype(np.float32)


def wood(ring: float, center: tuple[float, float], twist: float) -> Field:
    """Fibres, and rings `ring` apart around a line along the first axis through `center`, wavy by `twist` of them."""

    def field(points: Points) -> Values:
        along, up, across = points.T
        wavy = noise(np.stack([0.3 * along, up, across], axis=-1)) - 0.5
        distance = np.hypot(up - center[0], across - center[1]) / ring + twist * wavy
        phase = distance % 1.0
        # Light early wood darkens slowly towards the late wood, which ends at once.
        late = np.where(phase < 0.85, phase / 0.85, (1 - phase) / 0.15) ** 2
        fibres = noise(np.stack([0.15 * along, 1.6 * up, 1.6 * across], axis=-1))
        return np.clip(0.65 * late + 0.7 * (fibres - 0.3), 0.0, 1.0)

    return field


def blotches(scale: float, edge: float) -> Field:
    """Noise with features about `scale` large, cut off at its mean; the borders are sharp (`edge` 0) or soft (1)."""

    def field(points: Points) -> Values:
        return np.clip(0.5 + (noise(points * (0.15 / scale)) - 0.5) / (0.05 + 0.95 * edge), 0.0, 1.0)

    return field


def stripes(period: float, share: float, direction: Float[ndarray, "3"]) -> Field:
    """Stripes across a unit vector that cover a share of each period."""
    return lambda points: ((points @ direction / period) % 1.0 < share).astype(np.float32)


def checks(period: float) -> Field:
    """Cubes, every other one of them filled."""
    return lambda points: (np.floor(points / period).sum(axis=-1) % 2).astype(np.float32)


def plaid(period: float, share: float) -> Field:
    """Stripes along two axes; where they cross, they are twice as strong."""
    first, second = (stripes(period, share, axis) for axis in np.eye(3)[[0, 2]])
    third = stripes(period, share, np.eye(3)[1])
    return lambda points: (first(points) + second(points) + third(points)) / 3


@dataclass(frozen=True)
class Pattern:
    """A field, and the colour it mixes in: none of it where the field is 0, nothing else where it is 1."""

    field: Field
    color: Float[ndarray, "3"]


@dataclass(frozen=True)
class Decal:
    """A flat picture: a disc, a target of two colours, or a label with lines of text.

    Attributes:
        shape: which.
        center: the picture's middle.
        axes: unit vectors across the picture, up in it, and out of it.
        half_size: half its width and height.
        depth: how far from its plane it still prints.
        paper: its main colour.
        ink: its second colour.
    """

    shape: Literal["disc", "target", "label"]
    center: Float[ndarray, "3"]
    axes: Float[ndarray, "3 3"]
    half_size: tuple[float, float]
    depth: float
    paper: Float[ndarray, "3"]
    ink: Float[ndarray, "3"]

    def print_on(self, colors: Float32[ndarray, "point 3"], points: Float32[ndarray, "point 3"]) -> None:
        """Replaces the colours of the points that it covers."""
        local = (points - self.center.astype(np.float32)) @ self.axes.T.astype(np.float32)
        near = np.flatnonzero(np.abs(local[:, 2]) < self.depth)
        x, y = local[near, :2].T / np.array(self.half_size)[:, None]
        radius = np.maximum(np.abs(x), np.abs(y)) if self.shape == "label" else np.hypot(x, y)
        colors[near[radius < 1]] = self.paper
        colors[near[(radius < 1) & self._is_ink(x, y, radius)]] = self.ink

    def _is_ink(self, x: Values, y: Values, radius: Values) -> Bool[ndarray, " point"]:
        if self.shape == "disc":
            return np.zeros(len(x), dtype=bool)
        if self.shape == "target":
            return (radius > 0.35) & (radius < 0.7)
        # Four lines of text of different lengths.
        line = np.floor((y + 0.8) / 0.4)
        return (np.abs(y) < 0.8) & ((y + 0.8) % 0.4 < 0.2) & (x > -0.8) & (x < 0.8 - 0.35 * (line % 3))


@dataclass(frozen=True)
class SolidTextures:
    """The patterns of an object's patches, and its decals.

    Attributes:
        frames: from a point in the object to its place in each patch's pattern, as 3x4 matrices.
        pattern_index: of each patch, -1 for none.
        patterns: the patterns.
        decals: printed over them, one after another.
    """

    frames: Float[ndarray, "patch 3 4"]
    pattern_index: Int[ndarray, " patch"]
    patterns: Sequence[Pattern]
    decals: Sequence[Decal]

    def apply(
        self, colors: Float32[ndarray, "point 3"], patches: Int[ndarray, " point"], points: Float32[ndarray, "point 3"]
    ) -> None:
        """Changes the colours of points on patches."""
        chosen = self.pattern_index[patches]
        frames = self.frames.astype(np.float32)
        for index, pattern in enumerate(self.patterns):
            on = np.flatnonzero(chosen == index)
            frame = frames[patches[on]]
            local = np.einsum("pij,pj->pi", frame[..., :3], points[on]) + frame[..., 3]
            share = pattern.field(local)[:, None].astype(np.float32)
            colors[on] += share * (pattern.color.astype(np.float32) - colors[on])
        for decal in self.decals:
            decal.print_on(colors, points)
