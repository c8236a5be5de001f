"""An object cut out of a photo with any background, by OpenCV's GrabCut, without a click.

GrabCut (Rother et al., 2004) refines a guess. The guess is geodesic saliency (Wei et al., 2012): superpixels that can
be reached from the frame only across strong edges belong to the object, those towards the middle rather than the rim.
Two passes: the whole photo, small, to find the object; then the object's surroundings at a higher resolution.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from skimage.filters import threshold_otsu
from skimage.segmentation import slic

FIRST_SIDE, SECOND_SIDE = 240, 400
"""Longer side in pixels of the picture that each pass works on."""

_SUPERPIXELS = 300
_ITERATIONS = (5, 3)
_MARGIN = 0.15


class Found(NamedTuple):
    """The object, and how many other parts of a comparable size were left out."""

    mask: Float[ndarray, "height width"]
    left_out: int


def grab_cut(colors: UInt8[ndarray, "height width 3"]) -> Found:
    """The mask of the object in [0, 1], with an edge of about a pixel; all zero if nothing stands out.

    The same photo always gives the same mask.
    """
    import cv2

    height, width = colors.shape[:2]
    small = resized(colors, FIRST_SIDE)
    saliency = geodesic_saliency(small)
    threshold = 0.6 * float(threshold_otsu(saliency)) if saliency.any() else 0.0
    guess = np.where(saliency > threshold, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    guess[frame_of(saliency.shape) & (saliency <= threshold)] = cv2.GC_BGD
    found, left_out = _object_alone(_cut(small, guess, _ITERATIONS[0]), saliency)
    if not found.any():
        return Found(np.zeros((height, width), np.float32), 0)
    # The second pass, around what the first one found.
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    scale = np.array([height / found.shape[0], width / found.shape[1]])
    low = np.array([rows[0], columns[0]]) * scale
    high = np.array([rows[-1] + 1, columns[-1] + 1]) * scale
    margin = _MARGIN * (high - low).max() + 2 * scale.max()
    top, left = np.maximum(low - margin, 0).astype(int)
    bottom, right = np.minimum(np.ceil(high + margin).astype(int), (height, width))
    near = resized(colors[top:bottom, left:right], SECOND_SIDE)
    first = cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)[
        top:bottom, left:right
    ]
    mask = _refined(near, cv2.resize(first, near.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0.5)
    whole = np.zeros((height, width), np.float32)
    whole[top:bottom, left:right] = smooth_edge(mask, (right - left, bottom - top))
    return Found(whole, left_out)


def geodesic_saliency(colors: UInt8[ndarray, "height width 3"]) -> Float[ndarray, "height width"]:
    """How far each superpixel's colour is from the frame along the easiest path, in [0, 1], less towards the rim."""
    import cv2

    height, width = colors.shape[:2]
    lab = cv2.cvtColor(colors.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    label = slic(lab, n_segments=_SUPERPIXELS, compactness=10, convert2lab=False, start_label=0, channel_axis=-1)
    count = int(label.max()) + 1
    pixels = np.bincount(label.ravel(), minlength=count)
    y, x = np.mgrid[:height, :width]

    def mean(values: ndarray) -> ndarray:
        return np.bincount(label.ravel(), values.ravel(), count) / pixels

    color = np.stack([mean(lab[..., channel]) for channel in range(3)], axis=1)
    neighbors = np.concatenate(
        [
            np.stack([label[:, :-1], label[:, 1:]], axis=-1).reshape(-1, 2),
            np.stack([label[:-1], label[1:]], axis=-1).reshape(-1, 2),
        ]
    )
    pairs = np.unique(np.sort(neighbors[neighbors[:, 0] != neighbors[:, 1]], axis=1), axis=0)
    step = np.linalg.norm(color[pairs[:, 0]] - color[pairs[:, 1]], axis=1)
    # Steps as small as those between a superpixel and its most similar neighbour are texture: they cost nothing.
    smallest = np.full(count, np.inf)
    np.minimum.at(smallest, pairs[:, 0], step)
    np.minimum.at(smallest, pairs[:, 1], step)
    step = np.maximum(step - np.median(smallest), 0)
    # A superpixel on the rim that is unlike the rest of it may be part of the object: it costs to start from there.
    rim = np.unique(np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]]))
    unlike = np.sort(np.linalg.norm(color[rim][:, None] - color[rim], axis=-1), axis=1)
    unlike = unlike[:, : max(2, len(rim) // 5)].mean(axis=1)
    start = np.maximum(unlike - 1.5 * np.median(unlike), 0)
    outside = count
    sources, targets = np.append(pairs[:, 0], np.full(len(rim), outside)), np.append(pairs[:, 1], rim)
    # A graph of scipy has no edges of length 0.
    lengths = np.append(step, start) + 1e-3
    graph = coo_matrix((lengths, (sources, targets)), shape=(count + 1, count + 1))
    distance = dijkstra(graph, directed=False, indices=outside)[:count]
    from_middle = (mean(x) / width - 0.5) ** 2 + (mean(y) / height - 0.5) ** 2
    saliency = distance * np.exp(-from_middle / (2 * 0.35**2))
    return (saliency / max(saliency.max(), 1e-9))[label]


def resized(image: ndarray, side: int) -> ndarray:
    """An image whose longer side is `side` pixels, by area means; a smaller image as it is."""
    import cv2

    scale = side / max(image.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def frame_of(shape: tuple[int, ...]) -> Bool[ndarray, "height width"]:
    """A rim of 2 % of the longer side, at least a pixel wide."""
    edge = max(1, round(0.02 * max(shape[:2])))
    frame = np.ones(shape[:2], bool)
    frame[edge:-edge, edge:-edge] = False
    return frame


def connected_parts(
    region: Bool[ndarray, "height width"], connectivity: int = 8
) -> tuple[Int[ndarray, "height width"], Int[ndarray, "part 5"]]:
    """The number of each pixel's part, and (left, top, width, height, area) of each; part 0 is all outside."""
    import cv2

    _, label, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=connectivity)
    return label.astype(np.intp), stats.astype(np.intp)


def smooth_edge(mask: Bool[ndarray, "height width"], size: tuple[int, int]) -> Float[ndarray, "new_height new_width"]:
    """A mask without its staircase at another size (width, height), its edge about a pixel wide there."""
    import cv2

    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)
    large = cv2.resize(blurred, size, interpolation=cv2.INTER_LINEAR)
    # A step that was blurred rises by 1 / (sqrt(2 pi) sigma) a pixel.
    rise = 2.5 * max(1.0, size[0] / mask.shape[1])
    return np.clip((large - 0.5) * rise + 0.5, 0.0, 1.0)


def _cut(colors: ndarray, guess: UInt8[ndarray, "height width"], iterations: int) -> Bool[ndarray, "height width"]:
    import cv2

    # GrabCut needs pixels of both kinds for its two colour models.
    foreground = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if foreground.sum() < 10 or (~foreground).sum() < 10:
        return foreground
    guess = guess.copy()
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(colors), guess, None, *models, iterations, cv2.GC_INIT_WITH_MASK)  # pyright: ignore
    return np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _object_alone(
    mask: Bool[ndarray, "height width"], saliency: Float[ndarray, "height width"]
) -> tuple[Bool[ndarray, "height width"], int]:
    """The part that holds most saliency, with the parts inside its box, as a chair's legs; and how many others."""
    label, stats = connected_parts(mask)
    if len(stats) == 1:
        return mask, 0
    weight = np.bincount(label.ravel(), saliency.ravel(), len(stats))
    weight[0] = 0
    main = int(weight.argmax())
    left, top, width, height = stats[main, :4]
    inside = (
        (stats[:, 0] >= left - 2)
        & (stats[:, 1] >= top - 2)
        & (stats[:, 0] + stats[:, 2] <= left + width + 2)
        & (stats[:, 1] + stats[:, 3] <= top + height + 2)
        & (stats[:, 4] > 0.005 * stats[main, 4])
    )
    inside[0] = False
    left_out = int(((stats[:, 4] > 0.3 * stats[main, 4]) & ~inside)[1:].sum())
    return inside[label], left_out


def _refined(colors: ndarray, first: Bool[ndarray, "height width"]) -> Bool[ndarray, "height width"]:
    """GrabCut again where it can be in doubt: near the edge that was found at a lower resolution."""
    import cv2

    reach = 0.08 * max(first.shape)
    inside = cv2.distanceTransform(np.pad(first.astype(np.uint8), 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]
    outside = cv2.distanceTransform((~first).astype(np.uint8), cv2.DIST_L2, 5)
    guess = np.where(first, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    guess[inside > reach] = cv2.GC_FGD
    guess[outside > reach] = cv2.GC_BGD
    # With hue and chroma before lightness, a shadow is nearer to the floor around it than to the object.
    lab = cv2.cvtColor(colors.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) * [2.55, 1.6, 1.6] + [0, 128, 128]
    found = _cut(np.clip(lab, 0, 255).astype(np.uint8), guess, _ITERATIONS[1])
    return _object_alone(found, first + 0.01)[0]
