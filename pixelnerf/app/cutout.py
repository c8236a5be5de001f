"""The background goes: where in a photo the object is, and its colours over white without a fringe."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image

from pixelnerf.app.grabcut import connected_parts, frame_of, grab_cut, resized
from pixelnerf.app.photo_files import Photo, PhotoSource, read_mask
from pixelnerf.errors import UserError

Way = Literal["alpha", "plain background", "GrabCut", "rembg", "mask"]
Matting = Literal["auto", "rembg"]

_PLAIN_SIDE = 1000
_PLAIN_SHARE, _PLAIN_NOISE = 0.9, 1.0
_CLEAR_DIFFERENCE = 15.0
_STRONGEST_RIPPLE = 6.0
_SMALLEST_HOLE = 3e-4
_SMALLEST_PART = 0.01


@dataclass(frozen=True)
class CutOut:
    """Where the object is in a photo.

    Attributes:
        mask: The object's share of each pixel, in [0, 1].
        how: Where the mask comes from.
        notes: Short sentences on what was assumed.
    """

    mask: Float[ndarray, "height width"]
    how: Way
    notes: tuple[str, ...]


def cut_out(photo: Photo, matting: Matting = "auto", mask: PhotoSource | None = None) -> CutOut:
    """Separates the object from its background.

    Args:
        photo: What `read_photo` returned.
        matting: "auto" takes the photo's alpha channel, else finds a plain background, else uses GrabCut; "rembg" uses
            the library of that name, whose weights it downloads by itself.
        mask: The user's own mask, of the photo's size, instead.

    Raises:
        UserError: no object was found, the mask cannot be used, or rembg is asked for and not there.
    """
    if mask is not None:
        cut = CutOut(read_mask(mask, photo).astype(np.float32) / 255, "mask", ("background removed by the given mask",))
    elif matting == "rembg":
        cut = CutOut(_ask_rembg(photo), "rembg", ("background removed by rembg",))
    elif photo.alpha is not None:
        alpha = photo.alpha.astype(np.float32) / 255
        cut = CutOut(_without_specks(alpha), "alpha", ("background removed by the photo's alpha channel",))
    elif (plain := plain_background_mask(photo.colors)) is not None:
        note = "background removed by its colour, which is plain along the frame"
        cut = CutOut(plain, "plain background", (note,))
    else:
        cut = _by_grab_cut(photo)
    if not (cut.mask >= 0.5).any():
        raise UserError(f"no object found in {photo.name}: give a mask of it, or a photo with a plain background")
    return cut


def _by_grab_cut(photo: Photo) -> CutOut:
    mask, left_out = grab_cut(photo.colors)
    notes = ["background removed by GrabCut, a guess: look at the picture, or give a mask"]
    if left_out:
        notes.append(f"GrabCut left out {left_out} other part{'s' * (left_out > 1)} that stood out as much")
    return CutOut(_without_holes(mask), "GrabCut", tuple(notes))


def plain_background_mask(colors: UInt8[ndarray, "height width 3"]) -> Float[ndarray, "height width"] | None:
    """The object's share of each pixel if its background is plain, as of a drawing or a render, else None.

    The colour may change slowly over the photo, be compressed by JPEG, and the object may touch a little of the frame.
    A wall or a sheet of paper is not plain: it has grain, and shadows, which GrabCut tells better from the object.
    """
    import cv2

    small = resized(colors, _PLAIN_SIDE).astype(np.float32)
    fitted = _background(small)
    if fitted is None:
        return None
    background, noise = fitted
    difference = np.abs(small - background).max(axis=-1)
    clear = difference > _CLEAR_DIFFERENCE
    # JPEG leaves ripples around the object that the frame knows nothing of: they are measured where they are.
    ripple = float(np.percentile(np.append(difference[_ring(clear, 2, 6)], 0.0), 50))
    if np.percentile(np.append(difference[_ring(clear, 6, 12)], 0.0), 90) > _STRONGEST_RIPPLE:
        return None  # a shadow, or no sharp edge
    threshold = min(2.0 + 4.0 * max(noise, ripple), _CLEAR_DIFFERENCE)
    inside = difference > threshold
    inside = _without_specks(_without_holes(inside.astype(np.float32))) > 0.5
    if _several(inside):
        return None
    mask = _matted(small, inside)
    return np.clip(cv2.resize(mask, colors.shape[1::-1], interpolation=cv2.INTER_LINEAR), 0.0, 1.0)


def over_white(
    colors: Float[ndarray, "height width 3"], mask: Float[ndarray, "height width"], how: Way
) -> Float[ndarray, "height width 3"]:
    """The object over white. Colours in [0, 1] are those of the photo; all sides of the object are in it.

    With an alpha channel the colours are the object's own. Beside a plain background, a pixel of the edge is
    `a F + (1 - a) B` with a known B, so `(1 - a) (1 - B)` is added to it; on white nothing changes. GrabCut and the
    like err by a pixel or two, which would leave a fringe of B, so there F continues the colours further inside.
    """
    share = mask[..., None]
    if how == "alpha":
        return share * colors + 1 - share
    edge = (share > 0) & (share < 1)
    if how == "plain background":
        behind, known = _continued(colors, mask <= 0)
        mended = np.where(known, np.clip(colors + (1 - share) * (1 - behind), 0, 1), colors)
        return np.where(edge, mended, np.where(share > 0, colors, 1.0))
    import cv2

    inner = cv2.erode((mask >= 1).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    own, known = _continued(colors, inner)
    rim = ~inner[..., None] & (share > 0)
    return share * np.where(rim & known, own, colors) + 1 - share


def _background(
    colors: Float[ndarray, "height width 3"],
) -> tuple[Float[ndarray, "height width 3"], float] | None:
    """A quadratic in x and y through the frame's colours, and their standard deviation; None if they are not plain."""
    height, width = colors.shape[:2]
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).astype(np.float32)
    frame = frame_of((height, width))
    basis, values = terms[frame], colors[frame]
    fitted = np.broadcast_to(np.median(values, axis=0), values.shape)
    # From all that may be background down to what agrees with it.
    for tolerance in (40.0, 30.0, 20.0, 15.0, 12.0, 12.0):
        agrees = np.abs(values - fitted).max(axis=-1) < tolerance
        if agrees.mean() < 0.6:
            return None
        weights = np.linalg.lstsq(basis[agrees], values[agrees], rcond=None)[0]
        fitted = basis @ weights
    noise = float(np.abs(values - fitted)[agrees].std() * 1.5)
    if agrees.mean() < _PLAIN_SHARE or noise > _PLAIN_NOISE:
        return None
    return terms @ weights, noise


def _ring(region: Bool[ndarray, "height width"], inner: int, outer: int) -> Bool[ndarray, "height width"]:
    """Pixels more than `inner` and at most `outer` pixels away from a region."""
    import cv2

    near, far = (
        cv2.dilate(region.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        for reach in (inner, outer)
    )
    return (far > 0) & (near == 0)


def _matted(
    colors: Float[ndarray, "height width 3"], inside: Bool[ndarray, "height width"]
) -> Float[ndarray, "height width"]:
    """The object's share of each pixel along its edge, by how far it is from the background's colour to its own."""
    import cv2

    square = np.ones((3, 3), np.uint8)
    core = cv2.erode(inside.astype(np.uint8), square, borderType=cv2.BORDER_REPLICATE).astype(bool)
    around = cv2.dilate(inside.astype(np.uint8), square).astype(bool)
    own, has_own = _continued(colors, core)
    behind, has_behind = _continued(colors, ~around)
    contrast = own - behind
    length = (contrast * contrast).sum(axis=-1)
    share = ((colors - behind) * contrast).sum(axis=-1) / np.maximum(length, 1.0)
    edge = inside & ~core & has_own[..., 0] & has_behind[..., 0] & (length > 20.0**2)
    return np.where(edge, np.clip(share, 0.05, 1.0), inside).astype(np.float32)


def _continued(
    colors: Float[ndarray, "height width 3"], known: Bool[ndarray, "height width"]
) -> tuple[Float[ndarray, "height width 3"], Bool[ndarray, "height width 1"]]:
    """The mean of the known colours within a few pixels, and where there are any."""
    import cv2

    weight = known.astype(np.float32)
    # Rounding makes sums over windows of no weight tiny instead of 0.
    total, colors_total = cv2.blur(weight, (9, 9)), cv2.blur(weight[..., None] * colors, (9, 9))
    there = total > 0.5 / 81
    return colors_total / np.where(there, total, 1.0)[..., None], there[..., None]


def _several(inside: Bool[ndarray, "height width"]) -> bool:
    """Whether there is more than an object: further parts at the frame, as seams of a floor, or large ones."""
    label, stats = connected_parts(inside)
    if len(stats) <= 2:
        return False
    main = 1 + int(stats[1:, 4].argmax())
    at_frame = np.unique(np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]]))
    return bool((~np.isin(at_frame, (0, main))).any() or stats[1:, 4].sum() > 1.5 * stats[main, 4])


def _without_specks(mask: Float[ndarray, "height width"]) -> Float[ndarray, "height width"]:
    """A mask without parts smaller than a hundredth of the largest."""
    label, stats = connected_parts(mask > 0)
    if len(stats) <= 2:
        return mask
    large = stats[:, 4] >= _SMALLEST_PART * stats[1:, 4].max()
    return mask * large[label]


def _without_holes(mask: Float[ndarray, "height width"]) -> Float[ndarray, "height width"]:
    """A mask whose holes of a few ten-thousandths of the object's area are filled."""
    import cv2

    label, stats = connected_parts(mask < 0.5, connectivity=4)
    tiny = stats[:, 4] < max(2.0, _SMALLEST_HOLE * float((mask >= 0.5).sum()))
    tiny[0] = False
    # Parts at the photo's edge are no holes.
    at_edge = np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])
    tiny[np.unique(at_edge)] = False
    filled = cv2.dilate(tiny[label].astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.where(filled > 0, np.float32(1), mask)


def _ask_rembg(photo: Photo) -> Float[ndarray, "height width"]:
    try:
        import rembg  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError("matting='rembg' needs the library rembg: pip install 'pixelnerf[matting]'") from None
    try:
        mask = rembg.remove(Image.fromarray(photo.colors), only_mask=True)
    except Exception as error:  # it downloads its weights, and whatever fails there
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(f"rembg failed on {photo.name}: {reason}; without it, GrabCut is used") from None
    return np.asarray(mask, np.float32) / 255
