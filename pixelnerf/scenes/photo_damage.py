"""What people's photos suffer: blur, wrong white balance, noise, JPEG, and a mask that is cut a little wrong.

For input photos in training, never for their targets: the model learns to look through the damage.
"""

import io

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from PIL import Image
from pydantic import Field, model_validator
from scipy.ndimage import distance_transform_edt, gaussian_filter
from torch import Tensor

from pixelnerf.config import Config

_MASK_PATCHES = 4
"""A mask's edge errs in as many patches along each axis, each by another distance."""


class PhotoDamageConfig(Config):
    """How much a photo may be damaged; each photo draws its own amounts, evenly from none to the most.

    Attributes:
        share: probability that a photo is damaged at all.
        mask_shift: distance in pixels by which the mask's edge lies too far out, where it shows what is behind the
            object, or too far in. Scenes without masks are spared.
        blur: standard deviation of the blur in pixels.
        white_balance: relative error of the gains of red and blue.
        noise: standard deviation of the sensor's noise where the photo is white; it falls with the root of brightness.
        jpeg_quality: lowest and highest quality.
    """

    share: float = Field(gt=0, le=1)
    mask_shift: float = Field(ge=0)
    blur: float = Field(ge=0)
    white_balance: float = Field(ge=0, lt=1)
    noise: float = Field(ge=0, lt=1)
    jpeg_quality: tuple[int, int]

    @model_validator(mode="after")
    def _qualities_are_a_range(self) -> "PhotoDamageConfig":
        if not 1 <= self.jpeg_quality[0] <= self.jpeg_quality[1] <= 100:
            raise ValueError(
                f"jpeg_quality = {list(self.jpeg_quality)} is not a range [lowest, highest] within 1 to 100"
            )
        return self


def damaged(
    photo: Float[Tensor, "3 height width"],
    mask: Bool[Tensor, "height width"] | None,
    background: tuple[float, float, float],
    config: PhotoDamageConfig,
    random: np.random.Generator,
) -> Float[Tensor, "3 height width"]:
    """A photo with RGB in [0, 1] over a plain background, as a camera and a careless cut would have given it.

    In front of a wall of any colour it is blurred, tinted, made noisy and compressed; then the object is cut out along
    an edge that is slightly wrong, and laid on the background again.
    """
    if random.uniform() >= config.share:
        return photo
    image, paper = photo.movedim(0, -1).numpy(), np.array(background, np.float32)
    covered = None if mask is None else mask.numpy()
    if covered is not None:
        image = _before_wall(image, covered, paper, _wall(random))
    blur = random.uniform(0, config.blur)
    image = gaussian_filter(image, (blur, blur, 0), mode="nearest") if blur > 0.2 else image
    red, blue = 1 + config.white_balance * random.uniform(-1, 1, 2)
    image = image * np.array([red, 1.0, blue], np.float32)
    noise = random.uniform(0, config.noise) * random.standard_normal(image.shape, np.float32)
    quality = int(random.integers(*config.jpeg_quality, endpoint=True))
    image = _compressed(image + noise * np.sqrt(np.maximum(image, 0)), quality)
    if covered is not None:
        shift = random.uniform(0, config.mask_shift) * random.uniform(-1, 1, (_MASK_PATCHES, _MASK_PATCHES))
        alpha = _cut(covered, shift)[..., None]
        image = alpha * image + (1 - alpha) * paper
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0), np.float32))


def _wall(random: np.random.Generator) -> Float[ndarray, "3"]:
    """Any grey with a trace of colour, as most of what stands behind things."""
    return np.clip(random.uniform(0.05, 1) + 0.12 * random.uniform(-1, 1, 3), 0, 1).astype(np.float32)


def _before_wall(
    image: Float[ndarray, "height width 3"],
    covered: Bool[ndarray, "height width"],
    paper: Float[ndarray, "3"],
    wall: Float[ndarray, "3"],
) -> Float[ndarray, "height width 3"]:
    """The object before a wall instead of plain paper."""
    # Pixels beside the mask that are not plain are covered by less than half; how much is not known.
    is_plain = np.abs(image - paper).max(axis=-1) < 1 / 255
    bare = np.where(covered, 0.0, np.where(is_plain, 1.0, 0.7)).astype(np.float32)
    return image + bare[..., None] * (wall - paper)


def _compressed(image: Float[ndarray, "height width 3"], quality: int) -> Float[ndarray, "height width 3"]:
    """Through JPEG; its colours are as sharp as its brightness, since large photos are compressed and then shrunk."""
    file = io.BytesIO()
    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(levels).save(file, "jpeg", quality=quality, subsampling=0)
    return np.asarray(Image.open(file), np.float32) / 255


def _cut(
    covered: Bool[ndarray, "height width"], shift: Float[ndarray, "patch patch"]
) -> Float[ndarray, "height width"]:
    """A soft mask whose edge is moved outwards by `shift` pixels, given in patches of the photo."""
    if covered.all() or not covered.any():
        return covered.astype(np.float32)
    inside, outside = (np.asarray(distance_transform_edt(side)) for side in (covered, ~covered))
    # Distances are between centres of pixels, so the edge is half a pixel from the nearest.
    outwards = np.where(covered, 0.5 - inside, outside - 0.5)
    rows, columns = (_interpolation(size, len(shift)) for size in covered.shape)
    return np.clip(0.5 + rows @ shift @ columns.T - outwards, 0, 1).astype(np.float32)


def _interpolation(size: int, patches: int) -> Float[ndarray, "size patch"]:
    """Linear interpolation between the middles of patches, at each of `size` pixels, as a matrix."""
    place = np.clip((np.arange(size) + 0.5) * patches / size - 0.5, 0, patches - 1)
    return np.maximum(1 - np.abs(place[:, None] - np.arange(patches)), 0)
