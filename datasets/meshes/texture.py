"""Textures that are looked up at the resolution they are seen at."""

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray


class MipTexture:
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


def texel_density(
    triangles: Float[ndarray, "face 3 3"], uvs: Float[ndarray, "side face 3 2"], sizes: Int[ndarray, "side face"]
) -> Float32[ndarray, "side face"]:
    """Texels per unit of length on each face, for textures of `sizes` texels in all."""
    area = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=-1)
    first, second = uvs[..., 1, :] - uvs[..., 0, :], uvs[..., 2, :] - uvs[..., 0, :]
    uv_area = np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])
    return np.sqrt(uv_area * sizes / area).astype(np.float32)


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
