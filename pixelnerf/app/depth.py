"""Maps of numbers as pictures: depth and confidence in 16 bits with their scale, and in colours for people.

In a 16-bit PNG, number = pixel * scale, and pixel 0 means that nothing was seen. The scale stands in the PNG's text
under the key `scale`, what is measured under `Title`. Depth is z in the camera's frame, in units of the world.
"""

import io
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8, UInt16
from numpy import ndarray
from PIL import Image, PngImagePlugin

from pixelnerf.errors import UserError
from pixelnerf.images.pictures import color_map, depth_picture, to_8_bits
from pixelnerf.tools.files import refusal_in_a_line, write_atomically

HIGHEST = np.iinfo(np.uint16).max
# Rounding in float32 of a number that is the largest.
EXCESS = 1e-5


def write_map(
    path: Path, values: Float[ndarray, "height width"], *, largest: float, quantity: Literal["depth", "confidence"]
) -> float:
    """Writes numbers as a 16-bit PNG, exact to half a step, and returns the step.

    Args:
        path: the PNG, which is replaced if it exists.
        values: from 0 to `largest`; NaN where nothing was seen. Less than half a step is stored as a whole one.
        largest: the highest number that can be stored. The same for all frames of a path makes their pixels comparable.
        quantity: what is measured.

    Returns:
        The scale: number = pixel * scale.

    Raises:
        ValueError: a number outside the range.
        UserError: a path that cannot be written.
    """
    seen = ~np.isnan(values)
    if not (largest > 0 and np.isfinite(largest)):
        raise ValueError(f"largest {quantity} must be positive and finite, not {largest}")
    if seen.any() and not (values[seen].min() >= 0 and values[seen].max() <= largest * (1 + EXCESS)):
        raise ValueError(f"{quantity} from {values[seen].min()} to {values[seen].max()}, outside [0, {largest}]")
    scale = largest / HIGHEST
    steps = np.rint(np.where(seen, values, 0).astype(np.float64) / scale).clip(1, HIGHEST)
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", quantity)
    text.add_text("scale", repr(float(scale)))
    text.add_text("Description", f"{quantity} = pixel * scale; pixel 0: nothing seen")
    _write_png(path, np.where(seen, steps, 0).astype(np.uint16), text)
    return float(scale)


def read_map(path: Path) -> Float[ndarray, "height width"]:
    """The numbers of a file of `write_map`, NaN where nothing was seen.

    Raises:
        UserError: a file that is missing, damaged, not a 16-bit PNG, or without a scale.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            pixels, mode = np.array(image), image.mode
            text = image.text if isinstance(image, PngImagePlugin.PngImageFile) else {}
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not a whole PNG"
        raise UserError(f"cannot read map '{path}': {reason}") from None
    if mode != "I;16":
        raise UserError(f"map '{path}' is a picture of mode {mode}, not one channel of 16 bits")
    try:
        scale = float(text["scale"])
    except (KeyError, ValueError):
        scale = 0.0
    if not (scale > 0 and np.isfinite(scale)):
        raise UserError(f"map '{path}' has no 'scale' in its text: another program has rewritten it")
    return np.where(pixels > 0, pixels * scale, np.nan).astype(np.float32)


def write_colored_depth(
    path: Path,
    distance: Float[ndarray, "height width"],
    opacity: Float[ndarray, "height width"],
    bounds: tuple[float, float],
) -> None:
    """Depth in colours as an 8-bit PNG: near (the first of `bounds`) is bright, far and empty space are dark.

    Raises:
        UserError: a path that cannot be written.
    """
    _write_png(path, to_8_bits(depth_picture(distance, opacity, bounds)))


def write_colored_confidence(path: Path, confidence: Float[ndarray, "height width"]) -> None:
    """Confidence from 0 (dark) to 1 (bright) in colours as an 8-bit PNG.

    Raises:
        UserError: a path that cannot be written.
    """
    _write_png(path, to_8_bits(color_map(confidence)))


def _write_png(
    path: Path,
    pixels: UInt8[ndarray, "height width 3"] | UInt16[ndarray, "height width"],
    text: PngImagePlugin.PngInfo | None = None,
) -> None:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG", pnginfo=text)
    with refusal_in_a_line(f"'{path}'"):
        write_atomically(path, content.getvalue())
