"""Splitting an image into overlapping patches, and blending them back without seams."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

PATCHES_AT_ONCE = 16
"""Bounds memory for images of any size."""

Patches = Float[Tensor, "patch 3 side side"]
Corners = Int[Tensor, "patch 2"]
"""Patches' upper left corners in an image as (column, row)."""
PatchChange = Callable[[Patches, Corners], Patches]
"""The change to add to patches at corners."""


def change_in_patches(
    image: Float[Tensor, "3 height width"], side: int, overlap: int, change: PatchChange
) -> Float[Tensor, "3 height width"]:
    """The image plus the blended changes of its patches.

    Changes are blended, not patches, so that the image stays exactly the same where nothing changes. An image smaller
    than a patch is padded with its border.
    """
    height, width = image.shape[1:]
    padded = pad_to_side(image, side)
    corners = patch_corners(padded.shape[2], padded.shape[1], side, overlap).to(image.device)
    window = blending_window(side).to(image)
    total = torch.zeros_like(padded)
    weight = torch.zeros_like(padded[0])
    for part in corners.split(PATCHES_AT_ONCE):
        changes = change(cut_patches(padded, part, side), part)
        for (column, row), patch_change in zip(part.tolist(), changes, strict=True):
            window_slices = (slice(row, row + side), slice(column, column + side))
            total[:, *window_slices] += window * patch_change
            weight[window_slices] += window
    return (padded + total / weight)[:, :height, :width]


def patch_corners(width: int, height: int, side: int, overlap: int) -> Corners:
    """Upper left corners (column, row) of patches that cover the image evenly and overlap by at least `overlap`."""
    columns, rows = (_even_positions(length, side, overlap) for length in (width, height))
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).flatten(0, 1)


def pad_to_side(
    image: Float[Tensor, "channel height width"], side: int
) -> Float[Tensor, "channel padded_height padded_width"]:
    """The image, padded with its border at the right and bottom if it is smaller than a patch."""
    height, width = image.shape[1:]
    return F.pad(image[None], (0, max(side - width, 0), 0, max(side - height, 0)), mode="replicate")[0]


def blending_window(side: int) -> Float[Tensor, "side side"]:
    """A patch's weights: a pyramid, positive everywhere and almost zero at the border."""
    positions = torch.arange(side) + 0.5
    tent = torch.minimum(positions, side - positions) / (side / 2)
    return tent[:, None] * tent


def cut_patches(
    image: Float[Tensor, "channel height width"], corners: Corners, side: int
) -> Float[Tensor, "patch channel {side} {side}"]:
    """Square patches at upper left corners (column, row) inside the image."""
    return torch.stack([image[:, row : row + side, column : column + side] for column, row in corners.tolist()])


def _even_positions(length: int, side: int, overlap: int) -> Int[Tensor, "position"]:
    count = 1 + math.ceil((length - side) / (side - overlap))
    return torch.linspace(0, length - side, count, dtype=torch.float64).round().long()
