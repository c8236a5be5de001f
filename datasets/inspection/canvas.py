"""Drawing on photos and on plain ground: smooth lines, dots and labels."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]

INK: Color = (40, 40, 40)
PALE: Color = (205, 205, 205)
ACCENT: Color = (214, 39, 40)
BOX: Color = (31, 119, 180)
POINT: Color = (255, 127, 14)
# Ten colours that are told apart on photos (the "tab10" palette without its grey).
LABELS: tuple[Color, ...] = (
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (214, 39, 40),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (188, 189, 34),
    (23, 190, 207),
)
# Drawn larger by this and shrunk at the end, since Pillow's lines are jagged.
OVERSAMPLING = 2


class Canvas:
    """A picture to draw on, in its own pixel coordinates; (0, 0) is the corner."""

    def __init__(self, picture: Image.Image) -> None:
        self.width, self.height = picture.size
        self._picture = picture.convert("RGB").resize((OVERSAMPLING * self.width, OVERSAMPLING * self.height))
        self._draw = ImageDraw.Draw(self._picture)

    @classmethod
    def blank(cls, width: int, height: int) -> Self:
        """White ground."""
        return cls(Image.new("RGB", (width, height), (255, 255, 255)))

    def line(self, start: Sequence[float], end: Sequence[float], color: Color, width: float = 1.0) -> None:
        """A straight line; parts outside the picture are not drawn."""
        ends = np.clip(np.array([start, end], dtype=np.float64), -1e5, 1e5) * OVERSAMPLING
        self._draw.line(ends.ravel().tolist(), fill=color, width=max(1, round(width * OVERSAMPLING)))

    def dots(self, centers: Float[np.ndarray, "dot 2"], color: Color, radius: float = 1.0) -> None:
        """Filled circles."""
        for x, y in np.asarray(centers) * OVERSAMPLING:
            reach = radius * OVERSAMPLING
            self._draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=color)

    def ring(self, center: Sequence[float], color: Color, radius: float = 5.0) -> None:
        """A circle's outline."""
        x, y = (coordinate * OVERSAMPLING for coordinate in center)
        reach = radius * OVERSAMPLING
        self._draw.ellipse((x - reach, y - reach, x + reach, y + reach), outline=color, width=2 * OVERSAMPLING)

    def text(self, corner: Sequence[float], words: str, color: Color = INK, size: int = 13) -> None:
        """A line of text from its upper left corner, on a pale ground."""
        font = ImageFont.load_default(size * OVERSAMPLING)
        position = (corner[0] * OVERSAMPLING, corner[1] * OVERSAMPLING)
        self._draw.rectangle(self._draw.textbbox(position, words, font=font), fill=(250, 250, 250))
        self._draw.text(position, words, fill=color, font=font)

    def picture(self) -> Image.Image:
        """The finished picture."""
        return self._picture.resize((self.width, self.height), Image.Resampling.LANCZOS)


def stack_rows(rows: Sequence[Sequence[Image.Image]], gap: int = 8) -> Image.Image:
    """Pictures side by side in rows, from the left, on white."""
    width = max(sum(picture.width + gap for picture in row) for row in rows) + gap
    heights = [max(picture.height for picture in row) + gap for row in rows]
    page = Image.new("RGB", (width, sum(heights) + gap), (255, 255, 255))
    top = gap
    for row, height in zip(rows, heights, strict=True):
        left = gap
        for picture in row:
            page.paste(picture, (left, top))
            left += picture.width + gap
        top += height
    return page
