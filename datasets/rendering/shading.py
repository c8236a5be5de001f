"""Light and material: two soft directional lights, a constant ambient term, no shadows, both sides of faces lit."""

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from datasets.rendering.surface import Surface

# Directions towards the lights, fixed in the world: a strong one from above, a weak one from the opposite side.
KEY_LIGHT = np.array([0.45, 0.80, -0.40]) / np.linalg.norm([0.45, 0.80, -0.40])
FILL_LIGHT = np.array([-0.70, 0.35, 0.60]) / np.linalg.norm([-0.70, 0.35, 0.60])
AMBIENT, KEY_STRENGTH, FILL_STRENGTH = 0.34, 0.54, 0.26


def light(normals: Float[ndarray, "*corner 3"]) -> Float[ndarray, "*corner"]:
    """Light on unit normals, between `AMBIENT` and about 1.

    Each light is wrapped around the object, ((1 + cos) / 2)^2, which is smooth everywhere: no terminator, no shadow.
    """
    key = 0.5 + 0.5 * np.einsum("...i,i->...", normals, KEY_LIGHT)
    fill = 0.5 + 0.5 * np.einsum("...i,i->...", normals, FILL_LIGHT)
    return AMBIENT + KEY_STRENGTH * key**2 + FILL_STRENGTH * fill**2


class Shader:
    """Colours of points on a surface. Light is found once a corner, and interpolated with the corner's colour."""

    def __init__(self, surface: Surface) -> None:
        brightness = np.stack([light(surface.normals), light(-surface.normals)])
        self._paint = surface.paint
        self._lit: Float32[ndarray, "2 face 3 3"] = (surface.paint.colors * brightness[..., None]).astype(np.float32)
        self._is_textured = bool((surface.paint.texture_index >= 0).any())

    def colors(
        self,
        faces: Int[ndarray, " hit"],
        barycentric: Float32[ndarray, "hit 3"],
        sides: Int[ndarray, " hit"],
    ) -> Float32[ndarray, "hit 3"]:
        """RGB in [0, 1]; a side is 0 where a face is wound (counter-clockwise) towards the viewer, else 1."""
        colors = np.einsum("hc,hci->hi", barycentric, self._lit[sides, faces])
        if self._is_textured:
            self._apply_textures(colors, faces, barycentric, sides)
        return np.clip(colors, 0.0, 1.0, out=colors)

    def _apply_textures(
        self,
        colors: Float32[ndarray, "hit 3"],
        faces: Int[ndarray, " hit"],
        barycentric: Float32[ndarray, "hit 3"],
        sides: Int[ndarray, " hit"],
    ) -> None:
        texture_index = self._paint.texture_index[sides, faces]
        for index in np.unique(texture_index[texture_index >= 0]):
            hits = np.flatnonzero(texture_index == index)
            uvs = np.einsum("hc,hci->hi", barycentric[hits], self._paint.uvs[sides[hits], faces[hits]])
            colors[hits] *= _bilinear(self._paint.textures[index], uvs)


def _bilinear(texture: Float[ndarray, "height width 3"], uvs: Float[ndarray, "hit 2"]) -> Float[ndarray, "hit 3"]:
    """Texels at coordinates whose origin is the bottom left corner and which repeat outside [0, 1]."""
    height, width = texture.shape[:2]
    x, y = uvs[:, 0] * width - 0.5, (1 - uvs[:, 1]) * height - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = (x - left)[:, None], (y - top)[:, None]
    left, right, top, bottom = left % width, (left + 1) % width, top % height, (top + 1) % height
    upper = texture[top, left] * (1 - across) + texture[top, right] * across
    lower = texture[bottom, left] * (1 - across) + texture[bottom, right] * across
    return upper * (1 - down) + lower * down
