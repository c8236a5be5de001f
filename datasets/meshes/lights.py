"""Lights on a surface: the studio light of the published renders, and a lamp of some width that casts soft shadows."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

# Directions towards the studio's lights, fixed in the world: a strong one from above, a weak one from across.
_KEY_LIGHT = np.array([0.45, 0.80, -0.40]) / np.linalg.norm([0.45, 0.80, -0.40])
_FILL_LIGHT = np.array([-0.70, 0.35, 0.60]) / np.linalg.norm([-0.70, 0.35, 0.60])
_AMBIENT, _KEY_STRENGTH, _FILL_STRENGTH = 0.34, 0.54, 0.26

_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def studio_light(normals: Float[ndarray, "*corner 3"]) -> Float[ndarray, "*corner"]:
    """Light on unit normals, between the ambient term and about 1.

    Each light is wrapped around the object, ((1 + cos) / 2)^2, which is smooth everywhere: no terminator, no shadow.
    """
    key = 0.5 + 0.5 * np.einsum("...i,i->...", normals, _KEY_LIGHT)
    fill = 0.5 + 0.5 * np.einsum("...i,i->...", normals, _FILL_LIGHT)
    return _AMBIENT + _KEY_STRENGTH * key**2 + _FILL_STRENGTH * fill**2


@dataclass(frozen=True)
class Lamp:
    """A distant round lamp and the light of its surroundings, fixed in the world.

    Attributes:
        direction: unit vector towards the lamp's centre.
        radius: half the angle that the lamp takes up, in radians: the softness of its shadows.
        key: RGB that the lamp adds to a surface that faces it, unless something is between.
        above: RGB of the surroundings on a surface that faces up (+y).
        below: the same on one that faces down; between, it changes in proportion to the normal's y.
    """

    direction: Float[ndarray, "3"]
    radius: float
    key: Float[ndarray, "3"]
    above: Float[ndarray, "3"]
    below: Float[ndarray, "3"]

    def points(self, count: int) -> Float32[ndarray, "count 3"]:
        """Unit vectors towards points spread evenly over the lamp, any few of the first of them, too."""
        # Vogel's spiral; every other point of it comes first.
        order = np.concatenate([np.arange(0, count, 2), np.arange(1, count, 2)])
        radii = np.tan(self.radius) * np.sqrt((order + 0.5) / count)
        side = np.cross(self.direction, np.eye(3)[np.abs(self.direction).argmin()])
        side /= np.linalg.norm(side)
        other = np.cross(self.direction, side)
        across, along = radii * np.cos(order * _GOLDEN_ANGLE), radii * np.sin(order * _GOLDEN_ANGLE)
        towards = self.direction + across[:, None] * side + along[:, None] * other
        return (towards / np.linalg.norm(towards, axis=-1, keepdims=True)).astype(np.float32)

    def on(
        self, normals: Float32[ndarray, "hit 3"], towards: Float32[ndarray, "hit 3"], visible: Float32[ndarray, " hit"]
    ) -> Float32[ndarray, "hit 3"]:
        """Light on unit normals from the lamp's point in the direction `towards`, where that is `visible` (0 or 1)."""
        cosine = np.maximum(np.einsum("hi,hi->h", normals, towards), 0.0)
        share_above = 0.5 + 0.5 * normals[:, 1]
        key, above, below = (color.astype(np.float32) for color in (self.key, self.above, self.below))
        return (cosine * visible)[:, None] * key + below + share_above[:, None] * (above - below)
