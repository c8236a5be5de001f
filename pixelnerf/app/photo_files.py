"""One photo, from wherever it comes: 8-bit colours, alpha, and the focal length that EXIF tells."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.images.files import reading

PhotoSource: TypeAlias = str | Path | Image.Image | ndarray | Tensor

LARGEST_PIXELS = 100_000_000
"""Larger photos are refused before they are decoded."""

SMALLEST_SIDE = 16
"""Pixels; nothing can be told from a smaller photo."""

_FILM_DIAGONAL = math.hypot(36, 24)
_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_HIGHEST_16_BITS = 65535


@dataclass(frozen=True)
class Photo:
    """An upright photo.

    Attributes:
        colors: RGB.
        alpha: Straight alpha where the photo has one that says anything: neither all opaque nor all transparent.
        name: What messages call it.
        focal: Focal length in pixels from EXIF; None if it has none, or none that holds for these pixels.
        notes: Short sentences on what was assumed.
    """

    colors: UInt8[ndarray, "height width 3"]
    alpha: UInt8[ndarray, "height width"] | None
    name: str
    focal: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.colors.shape[1], self.colors.shape[0]


def read_photo(source: PhotoSource) -> Photo:
    """Reads a photo and turns it upright by its EXIF orientation.

    Args:
        source: A file; a Pillow image; an array "height width" or "height width channel"; or a tensor
            "channel height width". Channels are grey, RGB or RGBA; whole numbers are 8 or 16 bits, floats in [0, 1].

    Raises:
        UserError: there is no such file, it is not a photo, or it has too many or too few pixels.

    >>> read_photo(np.full((20, 30), 0.5)).size
    (30, 20)
    """
    if isinstance(source, str | Path):
        return _from_file(Path(source))
    if isinstance(source, Image.Image):
        return _from_image(source, "photo")
    return _from_array(source)


def read_mask(source: PhotoSource, photo: Photo) -> UInt8[ndarray, "height width"]:
    """A mask of the object in a photo, 0 to 255: the alpha channel of an image that has one, else its brightness.

    Masks of 0 and 1 are stretched to 0 and 255.

    Raises:
        UserError: it cannot be read, or its size is not the photo's.
    """
    mask = read_photo(source)
    if mask.size != photo.size:
        sizes = [f"{width}x{height}" for width, height in (mask.size, photo.size)]
        name = f"mask '{source}'" if isinstance(source, str | Path) else "the mask"
        raise UserError(f"{name} is {sizes[0]} but {photo.name} is {sizes[1]}; give a mask of the photo's size")
    values = mask.colors.max(axis=-1) if mask.alpha is None else mask.alpha
    return values * np.uint8(255) if values.max() == 1 else values


def _from_file(path: Path) -> Photo:
    name = f"photo '{path}'"
    with reading("photo", path), warnings.catch_warnings():
        # The limit below is ours, and stricter than the size that Pillow warns of.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(path)
        except UnidentifiedImageError:
            raise UserError(_not_a_photo(path)) from None
        except Image.DecompressionBombError:
            raise UserError(_too_large(name, "more")) from None
        with image:
            return _from_image(image, name)


def _not_a_photo(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:] in _HEIC_BRANDS:
        return f"photo '{path}' is HEIC, which is not read here: convert it to JPEG or PNG first"
    return f"'{path}' is not a photo that can be read: give a JPEG, PNG, WebP or TIFF file"


def _too_large(name: str, pixels: str) -> str:
    limit = LARGEST_PIXELS // 1_000_000
    return f"{name} has {pixels} than {limit} million pixels: make it smaller first, 2000 pixels across are plenty"


def _from_image(image: Image.Image, name: str) -> Photo:
    check_pixels(image.size, name)
    exif = image.getexif()
    focal, notes = _focal_from_exif(exif, image.size)
    image = ImageOps.exif_transpose(image)
    return _photo(*_to_8_bits(image, name), name, focal, notes)


def check_pixels(size: tuple[int, int], name: str) -> None:
    """Refuses a photo by its size (width, height), before it is decoded.

    Raises:
        UserError: it has too many or too few pixels.
    """
    if size[0] * size[1] > LARGEST_PIXELS:
        raise UserError(_too_large(name, "more"))
    if min(size) < SMALLEST_SIDE:
        raise UserError(f"{name} is {size[0]}x{size[1]} pixels: give one of at least {SMALLEST_SIDE} on each side")


def _to_8_bits(
    image: Image.Image, name: str
) -> tuple[UInt8[ndarray, "height width 3"], UInt8[ndarray, "height width"] | None]:
    if image.mode == "F":
        raise UserError(f"{name} holds floats, whose range is unknown: convert it to 8 or 16 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image, dtype=np.int64)
        if values.min() < 0 or values.max() > _HIGHEST_16_BITS:
            raise UserError(f"{name} has more than 16 bits a channel: convert it to 8 or 16 bits")
        return _three_channels(((values + 128) // 257).astype(np.uint8)), None
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        values = np.array(image.convert("RGBA"))
        return values[..., :3], values[..., 3]
    return np.array(image.convert("RGB")), None


def _from_array(source: ndarray | Tensor) -> Photo:
    name = "photo"
    values = source.detach().cpu().numpy() if isinstance(source, Tensor) else source
    if isinstance(source, Tensor) and values.ndim == 3:
        values = values.transpose(1, 2, 0)
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] not in (1, 3, 4):
        axes = "(channel, height, width)" if isinstance(source, Tensor) else "(height, width, channel)"
        raise UserError(f"a photo of shape {tuple(source.shape)}: give {axes} with 1, 3 or 4 channels")
    check_pixels((values.shape[1], values.shape[0]), name)
    if values.dtype == np.uint16:
        values = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif values.dtype == bool:
        values = values * np.uint8(255)
    elif np.issubdtype(values.dtype, np.floating):
        # Written so that NaN fails, too.
        if not (values.min() >= 0.0 and values.max() <= 1.0):
            raise UserError(f"a photo of floats from {values.min():g} to {values.max():g}: scale them to [0, 1]")
        values = np.rint(values * 255.0).astype(np.uint8)
    elif values.dtype != np.uint8:
        raise UserError(f"a photo of type {values.dtype}: give uint8, uint16 or floats in [0, 1]")
    alpha = values[..., 3].copy() if values.shape[-1] == 4 else None
    colors = values[..., :3].copy() if values.shape[-1] > 1 else _three_channels(values[..., 0])
    return _photo(colors, alpha, name)


def _three_channels(grey: UInt8[ndarray, "height width"]) -> UInt8[ndarray, "height width 3"]:
    return np.repeat(grey[..., None], 3, axis=-1)


def _photo(
    colors: UInt8[ndarray, "height width 3"],
    alpha: UInt8[ndarray, "height width"] | None,
    name: str,
    focal: float | None = None,
    notes: tuple[str, ...] = (),
) -> Photo:
    informative = alpha is not None and alpha.min() < 128 <= alpha.max()
    return Photo(colors, alpha if informative else None, name, focal, notes)


def _focal_from_exif(exif: Image.Exif, size: tuple[int, int]) -> tuple[float | None, tuple[str, ...]]:
    """Focal length in pixels of the image as stored, and what to say about it.

    The 35 mm equivalent is by the diagonal (CIPA DCG-001). A photo whose shape is no longer the one that was taken was
    cropped, so its focal length in pixels is unknown.
    """
    tags = exif.get_ifd(ExifTags.IFD.Exif)
    taken = [_number(tags.get(tag)) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)]
    film, lens = (_number(tags.get(tag)) for tag in (ExifTags.Base.FocalLengthIn35mmFilm, ExifTags.Base.FocalLength))
    density = _number(tags.get(ExifTags.Base.FocalPlaneXResolution))
    unit = _MM_PER_UNIT.get(tags.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))
    # Some programs rotate the pixels and leave the size in EXIF, so longer sides are compared with longer sides.
    longer, shorter = max(size), min(size)
    if film:
        focal = film * math.hypot(*size) / _FILM_DIAGONAL
    elif lens and density and unit and all(taken):
        focal = lens * density / unit * longer / max(taken)
    else:
        return None, ()
    if all(taken) and abs(max(taken) / min(taken) * shorter / longer - 1) > 0.02:
        return None, ("EXIF's focal length not used: the photo was cropped after it was taken",)
    field_of_view = math.degrees(2 * math.atan(longer / 2 / focal))
    if not 1 < field_of_view < 150:
        return None, (f"EXIF's field of view not used: {field_of_view:.3g} degrees cannot be",)
    return focal, ()


def _number(value: object) -> float:
    """A positive finite EXIF number, or 0: tags may be missing, of any type, or 1/0."""
    try:
        number = float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
