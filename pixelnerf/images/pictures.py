"""Pictures for people: depth and error maps in colour, and strips that show a render beside what it should be."""

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from numpy import ndarray

GAP = 2
"""White pixels between the pictures of a strip."""


def to_8_bits(image: Float[ndarray, "*shape"]) -> UInt8[ndarray, "*shape"]:
    """[0, 1] to 0..255, truncated as pixelNeRF's evaluation does."""
    return (np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)


def rounded_to_8_bits(image: Float[ndarray, "*shape"]) -> UInt8[ndarray, "*shape"]:
    """[0, 1] to the nearest of 0..255, for pictures whose scores are of the unsaved ones."""
    return np.rint(np.clip(image, 0.0, 1.0) * 255).astype(np.uint8)


def from_8_bits(image: UInt8[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """0..255 to [0, 1] in float32."""
    return image.astype(np.float32) / np.float32(255)


def color_map(values: Float[ndarray, "height width"]) -> Float[ndarray, "height width 3"]:
    """Values in [0, 1] as viridis colours in [0, 1]; outside values are clipped."""
    return colormaps["viridis"](np.clip(np.nan_to_num(values), 0.0, 1.0))[..., :3].astype(np.float32)


def depth_picture(
    distance: Float[ndarray, "height width"], opacity: Float[ndarray, "height width"], bounds: tuple[float, float]
) -> Float[ndarray, "height width 3"]:
    """Near is bright, far is dark, and so is what light passes through: a haze darkens by its opacity."""
    near, far = bounds
    return color_map(opacity * (far - distance) / (far - near))


def error_picture(
    prediction: Float[ndarray, "height width 3"], truth: Float[ndarray, "height width 3"]
) -> Float[ndarray, "height width 3"]:
    """Mean absolute error over the channels; the scale ends at 0.5."""
    return color_map(2.0 * np.abs(prediction - truth).mean(-1))


def side_by_side(pictures: list[Float[ndarray, "height _ 3"]]) -> UInt8[ndarray, "height width 3"]:
    """Pictures in a row with a white gap between; lower ones are padded with white at the bottom."""
    height = max(picture.shape[0] for picture in pictures)
    padded = [
        np.pad(picture, ((0, height - picture.shape[0]), (0, GAP), (0, 0)), constant_values=1.0) for picture in pictures
    ]
    return to_8_bits(np.concatenate(padded, axis=1)[:, :-GAP])


def comparison_strip(
    photo: Float[ndarray, "photo_height photo_width 3"] | None,
    prediction: Float[ndarray, "height width 3"],
    truth: Float[ndarray, "height width 3"],
    distance: Float[ndarray, "height width"],
    opacity: Float[ndarray, "height width"],
    bounds: tuple[float, float],
) -> UInt8[ndarray, "strip_height strip_width 3"]:
    """input | prediction | truth | depth | error, the input left out where the model has none."""
    pictures = [prediction, truth, depth_picture(distance, opacity, bounds), error_picture(prediction, truth)]
    return side_by_side(pictures if photo is None else [photo, *pictures])
