"""Random changes of a scene's colours, the same for its inputs and targets, as in pixelNeRF on DTU."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

# Luma weights of ITU-R BT.601: the grey that saturation and contrast are relative to.
LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class ColorMap:
    """An affine map of RGB in [0, 1], clipped: matrix @ color + offset."""

    matrix: Float[Tensor, "3 3"]
    offset: Float[Tensor, "3"]

    def __call__(self, colors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
        """The changed colours."""
        return (colors @ self.matrix.T + self.offset).clamp(0, 1)


def draw_color_map(random: np.random.Generator, strength: float, mean_color: Float[Tensor, "3"]) -> ColorMap:
    """Draws hue, saturation, contrast and brightness, each off by up to `strength`.

    Hue is rotated about the grey axis by up to `strength` of a full turn; the others are factors from 1 - strength to
    1 + strength, contrast relative to the grey of `mean_color`.
    """
    saturation, contrast, brightness = 1 + strength * random.uniform(-1, 1, 3)
    turn = _rotation_about_grey(2 * np.pi * strength * random.uniform(-1, 1))
    grey = np.outer(np.ones(3), LUMA)
    colorful = saturation * np.eye(3) + (1 - saturation) * grey
    offset = brightness * (1 - contrast) * float(LUMA @ mean_color.double().numpy()) * np.ones(3)
    matrix = brightness * contrast * turn @ colorful
    return ColorMap(torch.from_numpy(matrix).float(), torch.from_numpy(offset).float())


def _rotation_about_grey(angle: float) -> Float[np.ndarray, "3 3"]:
    """Rotation about (1, 1, 1), by Rodrigues' formula."""
    axis = np.ones(3) / np.sqrt(3)
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
