"""Light and material: two soft directional lights, a constant ambient term, no shadows, both sides of faces lit."""

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from datasets.meshes.surface import Surface
from datasets.meshes.texture import MipTexture, texel_density

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
        self._lit: Float32[ndarray, "2 face 3 3"] = (surface.paint.colors * brightness[..., None]).astype(np.float32)
        self._paint = surface.paint
        self._textures = [MipTexture(texels) for texels in surface.paint.textures]
        if self._textures:
            texel_counts = np.array([texels.shape[0] * texels.shape[1] for texels in surface.paint.textures])
            self._density = texel_density(surface.triangles, surface.paint.uvs, texel_counts[self._paint.texture_index])

    def colors(
        self,
        faces: Int[ndarray, " hit"],
        barycentric: Float32[ndarray, "hit 3"],
        sides: Int[ndarray, " hit"],
        ray_widths: Float32[ndarray, " hit"],
    ) -> Float32[ndarray, "hit 3"]:
        """RGB in [0, 1]; a side is 0 where a face is wound (counter-clockwise) towards the viewer, else 1.

        `ray_widths` are the distances between neighbouring rays where they hit.
        """
        colors = np.einsum("hc,hci->hi", barycentric, self._lit[sides, faces])
        for index, texture in enumerate(self._textures):
            hits = np.flatnonzero(self._paint.texture_index[sides, faces] == index)
            uvs = np.einsum("hc,hci->hi", barycentric[hits], self._paint.uvs[sides[hits], faces[hits]])
            colors[hits] *= texture.lookup(uvs, self._density[sides[hits], faces[hits]] * ray_widths[hits])
        return np.clip(colors, 0.0, 1.0, out=colors)
