"""Photos and masks from files, as 8-bit arrays, and text files."""

import codecs
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image

from datasets.file_names import found_image
from datasets.messages import note
from pixelnerf.errors import UserError
from pixelnerf.images.files import reading

# 16-bit and float images would lose their range in a silent conversion to 8 bits.
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")
# Pillow warns of more pixels than this, and refuses twice as many before it decodes any: 134 megapixels, 400 MB.
Image.MAX_IMAGE_PIXELS = 2**26
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_text(kind: str, path: Path) -> str:
    """The content of a text file of some kind, in UTF-8 or with UTF-16's byte order mark, with any ends of lines."""
    with reading(kind, path):
        content = path.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_size(path: Path) -> tuple[int, int]:
    """(width, height) of an image file, from its header; notes it if viewers show the image turned."""
    with reading("image", path), Image.open(found_image(path)) as image:
        if is_turned(image):
            note(
                "viewers turn it (EXIF orientation), but cameras are taken to belong to the pixels as they are stored; "
                "if they are of the upright photos, write these upright (`mogrify -auto-orient`)",
                path,
            )
        return image.size


def is_turned(image: Image.Image) -> bool:
    """Whether an image's EXIF data ask viewers to turn or mirror it."""
    return image.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)


def read_image(path: Path) -> UInt8[np.ndarray, "height width channel"]:
    """An image of 8 bits a channel as RGB, or as RGBA with straight alpha where the file has alpha."""
    image = _load(path)
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    # A copy: arrays that look into Pillow's memory cannot become tensors.
    return np.array(image.convert("RGBA" if has_alpha else "RGB"))


def read_mask(path: Path, size: tuple[int, int], image_path: Path) -> UInt8[np.ndarray, "height width"]:
    """An object mask, 255 on the object, that belongs to an image of a size (width, height).

    Masks of several channels count by their first one, and masks of 0 and 1 are stretched to 0 and 255.
    """
    image = _load(path)
    if image.size != size:
        raise UserError(f"mask '{path}' is {_by(image.size)} but its image '{image_path}' is {_by(size)}")
    values = np.asarray(image.convert("L") if image.mode in ("1", "P") else image)
    values = values[..., 0] if values.ndim == 3 else values
    return np.where(values > 0, np.uint8(255), np.uint8(0)) if values.max() == 1 else values


def check_size(path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    """Raises a UserError if an image is not of the size that its camera or its scene has."""
    if size != expected:
        raise UserError(f"image '{path}' is {_by(size)}, its camera and the other views are {_by(expected)}")


def _load(path: Path) -> Image.Image:
    with reading("image", path), Image.open(found_image(path)) as image:
        image.load()
    if image.mode in DEEP_MODES:
        raise UserError(f"image '{path}' has more than 8 bits a channel (mode {image.mode}): convert it to 8 bits")
    return image


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
