"""Pictures as files."""

from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.images.pictures import to_8_bits
from pixelnerf.tools.files import file_written_whole, refusal_in_a_line


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
