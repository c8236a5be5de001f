"""Rendered pictures, and pictures as files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.images.pictures import to_8_bits
from pixelnerf.tools.files import file_written_whole, refusal_in_a_line
from pixelnerf.types import Cameras, ImageOutput


@dataclass(frozen=True)
class Picture:
    """A rendered view.

    Attributes:
        color: RGB in [0, 1], over the background.
        opacity: in [0, 1].
        depth: along the camera's axis, in the world's units; NaN where less than half of the light is stopped.
        camera: that sees it.
    """

    color: Float[Tensor, "height width 3"]
    opacity: Float[Tensor, "height width"]
    depth: Float[Tensor, "height width"]
    camera: Cameras
    _find_confidence: Callable[[], Tensor] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, image: ImageOutput, camera: Cameras, find_confidence: Callable[[], Tensor]) -> "Picture":
        """From a render of the camera."""
        depth = torch.where(image.opacity >= 0.5, image.median_distance, torch.nan)
        return cls(image.color, image.opacity, depth, camera, find_confidence)

    @cached_property
    def confidence(self) -> Float[Tensor, "height width"]:
        """How far each pixel's colour can be trusted, in [0, 1]; see `pixelnerf.app.confidence`.

        Rendered from the baked volume at the first use.

        Raises:
            ValueError: the picture is not one of `Scene.render`.
        """
        if self._find_confidence is None:
            raise ValueError("only pictures of Scene.render have a confidence")
        return self._find_confidence()

    def save(self, path: str | Path) -> None:
        """Writes the colours as a picture, in the format that the file's name ends with.

        Raises:
            UserError: it cannot be written.
        """
        write_picture(Path(path), self.color)


def write_picture(path: Path, color: Float[Tensor, "height width channel"]) -> None:
    """Writes RGB or RGBA in [0, 1] in the format that the file's name ends with, whole or not at all.

    Raises:
        UserError: an unknown format, or a place that cannot be written.
    """
    formats = Image.registered_extensions()
    if path.suffix.lower() not in formats:
        raise UserError(f"cannot write {path}: '{path.suffix}' is no format of pictures; try .png")
    image = Image.fromarray(to_8_bits(torch.nan_to_num(color).cpu().numpy()))
    with refusal_in_a_line(path), file_written_whole(path) as temporary:
        image.save(temporary, format=formats[path.suffix.lower()])
