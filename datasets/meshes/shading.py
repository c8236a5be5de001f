"""The colours of points on a surface: material, texture and light. Both sides are lit."""

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from datasets.meshes.lights import studio_light
from datasets.meshes.surface import Surface, area_normals


class Shader:
    """Colours of points on a surface, under the studio light or, with `unlit`, none: those of its materials.

    The studio light is found once a corner, and interpolated with the corner's colour.
    """

    def __init__(self, surface: Surface, unlit: bool = False) -> None:
        self._lit: Float32[ndarray, "2 face 3 3"] = surface.paint.colors
        if not unlit:
            brightness = np.stack([studio_light(surface.normals), studio_light(-surface.normals)])
            self._lit = (surface.paint.colors * brightness[..., None]).astype(np.float32)
        self._paint = surface.paint
        self._textures = [_MipTexture(texels) for texels in surface.paint.textures]
        if self._textures:
            self._density = _texel_density(surface)

    def colors(
        self,
        faces: Int[ndarray, " hit"],
        barycentric: Float32[ndarray, "hit 3"],
        sides: Int[ndarray, " hit"],
        ray_widths: Float32[ndarray, " hit"],
        points: Float32[ndarray, "hit 3"],
    ) -> Float32[ndarray, "hit 3"]:
        """RGB in [0, 1]; a side is 0 where a face is wound (counter-clockwise) towards the viewer, else 1.

        `ray_widths` are the distances between neighbouring rays where they hit, at `points`.
        """
        colors = np.einsum("hc,hci->hi", barycentric, self._lit[sides, faces])
        for index, texture in enumerate(self._textures):
            hits = np.flatnonzero(self._paint.texture_index[sides, faces] == index)
            uvs = np.einsum("hc,hci->hi", barycentric[hits], self._paint.uvs[sides[hits], faces[hits]])
            colors[hits] *= texture.lookup(uvs, self._density[sides[hits], faces[hits]] * ray_widths[hits])
        if self._paint.solid is not None and self._paint.patches is not None:
            self._paint.solid.apply(colors, self._paint.patches[sides, faces], points)
        return np.clip(colors, 0.0, 1.0, out=colors)


def _texel_density(surface: Surface) -> Float32[ndarray, "side face"]:
    """Texels per unit of length on each face."""
    paint = surface.paint
    texels = np.array([texture.shape[0] * texture.shape[1] for texture in paint.textures])[paint.texture_index]
    first, second = (paint.uvs[..., corner, :] - paint.uvs[..., 0, :] for corner in (1, 2))
    uv_area = np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])
    area = np.linalg.norm(area_normals(surface.triangles), axis=-1)
    return np.sqrt(uv_area * texels / area).astype(np.float32)


class _MipTexture:
    """A texture and its halvings by 2x2 means; a look-up is bilinear in the level whose texels are a ray's width.

    Without them a texture of 1,000 texels on an object 40 pixels wide is a different noise in each view.
    """

    def __init__(self, texels: Float[ndarray, "height width 3"]) -> None:
        self._levels: list[Float32[ndarray, "_ _ 3"]] = [texels.astype(np.float32)]
        while max(self._levels[-1].shape[:2]) > 1:
            self._levels.append(_halved(self._levels[-1]))

    def lookup(self, uvs: Float[ndarray, "hit 2"], texels_per_ray: Float[ndarray, " hit"]) -> Float32[ndarray, "hit 3"]:
        """Colours at coordinates whose origin is the bottom left corner and which repeat outside [0, 1]."""
        levels = np.round(np.log2(np.maximum(texels_per_ray, 1.0))).astype(int).clip(max=len(self._levels) - 1)
        colors = np.empty((len(uvs), 3), dtype=np.float32)
        for level in np.unique(levels):
            hits = np.flatnonzero(levels == level)
            colors[hits] = _bilinear(self._levels[level], uvs[hits])
        return colors


def _halved(texels: Float32[ndarray, "height width 3"]) -> Float32[ndarray, "half_height half_width 3"]:
    """2x2 means; an odd last row or column is repeated."""
    height, width = texels.shape[:2]
    even = np.pad(texels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return even.reshape((height + 1) // 2, 2, (width + 1) // 2, 2, 3).mean(axis=(1, 3))


def _bilinear(texture: Float32[ndarray, "height width 3"], uvs: Float[ndarray, "hit 2"]) -> Float[ndarray, "hit 3"]:
    height, width = texture.shape[:2]
    x, y = uvs[:, 0] * width - 0.5, (1 - uvs[:, 1]) * height - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    across, down = (x - left)[:, None], (y - top)[:, None]
    left, right, top, bottom = left % width, (left + 1) % width, top % height, (top + 1) % height
    upper = texture[top, left] * (1 - across) + texture[top, right] * across
    lower = texture[bottom, left] * (1 - across) + texture[bottom, right] * across
    return upper * (1 - down) + lower * down
