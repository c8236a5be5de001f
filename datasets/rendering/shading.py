"""Light and material: two soft directional lights over a constant ambient term, no shadows, both sides of a face lit."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from datasets.rendering.surface import Paint, Surface

# Directions towards the lights, fixed in the world: a strong one from above, a weak one from the opposite side.
KEY_LIGHT = np.array([0.45, 0.80, -0.40], dtype=np.float32) / np.float32(np.sqrt(1.0025))
FILL_LIGHT = np.array([-0.70, 0.35, 0.60], dtype=np.float32) / np.float32(np.sqrt(0.9725))
AMBIENT, KEY_STRENGTH, FILL_STRENGTH = 0.34, 0.54, 0.26


def light(normals: Float[ndarray, "hit 3"]) -> Float[ndarray, " hit"]:
    """Light on unit normals, between `AMBIENT` and about 1.

    Each light is wrapped around the object, ((1 + cos) / 2)^2, which is smooth everywhere: no terminator, no shadow.
    """
    key = 0.5 + 0.5 * (normals @ KEY_LIGHT)
    fill = 0.5 + 0.5 * (normals @ FILL_LIGHT)
    return AMBIENT + KEY_STRENGTH * key**2 + FILL_STRENGTH * fill**2


def shade(
    surface: Surface,
    faces: Int[ndarray, " hit"],
    barycentric: Float[ndarray, "hit 3"],
    behind: Int[ndarray, " hit"],
) -> Float[ndarray, "hit 3"]:
    """Colours in [0, 1] where rays meet `faces`; `behind` is 1 where a face is wound away from its ray, else 0."""
    normals = np.einsum("hc,hci->hi", barycentric, surface.normals[faces])
    normals *= (np.where(behind, -1, 1) / np.maximum(np.linalg.norm(normals, axis=-1), 1e-12)).astype(np.float32)[:, None]
    return np.clip(albedo(surface.paint, behind, faces, barycentric) * light(normals)[:, None], 0.0, 1.0)


def albedo(
    paint: Paint, sides: Int[ndarray, " hit"], faces: Int[ndarray, " hit"], barycentric: Float[ndarray, "hit 3"]
) -> Float[ndarray, "hit 3"]:
    """Interpolated corner colour times the texture's bilinear texel."""
    colors = np.einsum("hc,hci->hi", barycentric, paint.colors[sides, faces])
    texture_index = paint.texture_index[sides, faces]
    for index in np.unique(texture_index[texture_index >= 0]):
        hits = np.flatnonzero(texture_index == index)
        uvs = np.einsum("hc,hci->hi", barycentric[hits], paint.uvs[sides[hits], faces[hits]])
        colors[hits] *= _bilinear(paint.textures[index], uvs)
    return colors


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
