"""The interface of refiners and what they are given: rendered views, a reference photo, training patches.

An image is split into overlapping patches, and these are blended back without seams.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from pixelnerf.config import Config
from pixelnerf.types import Cameras, TensorRecord

PATCHES_AT_ONCE = 16
"""Bounds memory for images of any size."""

Patches = Float[Tensor, "patch 3 side side"]
Corners = Int[Tensor, "patch 2"]
"""Patches' upper left corners in an image as (column, row)."""
PatchChange = Callable[[Patches, Corners], Patches]
"""The change to add to patches at corners."""


@dataclass(frozen=True)
class RenderedView(TensorRecord):
    """A render in [0, 1], and each pixel's surface point in the world and opacity."""

    color: Float[Tensor, "3 height width"]
    points: Float[Tensor, "height width 3"]
    opacity: Float[Tensor, "height width"]


@dataclass(frozen=True)
class ReferenceView(TensorRecord):
    """A photo in [0, 1] and its camera (no batch axis)."""

    color: Float[Tensor, "3 height width"]
    camera: Cameras


@dataclass(frozen=True)
class Candidates(TensorRecord):
    """For each patch of a render, patches of the reference photo that might show the same surface, where `valid`."""

    colors: Float[Tensor, "patch candidate 3 side side"]
    valid: Bool[Tensor, "patch candidate"]


@dataclass(frozen=True)
class PatchBatch(TensorRecord):
    """Training patches as rendered and their true photos; candidates if the refiner uses a reference."""

    rendered: Patches
    truth: Patches
    candidates: Candidates | None


class PatchConfig(Config):
    """Options common to all refiners.

    Attributes:
        side: of a patch, in pixels.
        overlap: minimum overlap of neighbouring patches of a view, in pixels.
        width: channels at full resolution; they double with every halving of the resolution, up to four times `width`.
        halvings: number of times the networks halve the resolution.
    """

    side: int = Field(ge=8)
    overlap: int = Field(ge=0)
    width: int = Field(ge=1)
    halvings: int = Field(ge=1)

    @model_validator(mode="after")
    def _patches_fit(self) -> "PatchConfig":
        if self.halvings >= self.side.bit_length() or self.side % 2**self.halvings:
            raise ValueError(f"side = {self.side} cannot be halved {self.halvings} times")
        if self.overlap >= self.side:
            raise ValueError(f"overlap = {self.overlap} must be less than side = {self.side}")
        return self


@dataclass(frozen=True)
class RefinerLosses:
    """Weighted terms of the loss by name, and the refined patches."""

    terms: dict[str, Float[Tensor, ""]]
    refined: Patches


class Refiner(nn.Module, ABC):
    """Sharpens renders. Untrained, it returns them unchanged.

    Attributes:
        side: of its training patches, in pixels.
        needs_reference: whether it uses a reference photo of the scene.
    """

    needs_reference: bool

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.side, self.overlap = config.side, config.overlap

    def refine(self, view: RenderedView, reference: ReferenceView | None = None) -> Float[Tensor, "3 height width"]:
        """The refined view, in [0, 1]."""
        assert reference is not None or not self.needs_reference, "this refiner needs a reference"

        def change(patches: Patches, corners: Corners) -> Patches:
            found = self.candidates(view, reference, corners) if reference is not None else None
            return self.patch_change(patches, found)

        return change_in_patches(view.color, self.side, self.overlap, change).clamp(0.0, 1.0)

    def candidates(self, view: RenderedView, reference: ReferenceView, corners: Corners) -> Candidates | None:
        """The reference's candidates for patches at upper left corners (column, row); None if unused."""
        return None

    @abstractmethod
    def patch_change(self, patches: Patches, candidates: Candidates | None) -> Patches:
        """What to add to a render's patches."""

    @abstractmethod
    def losses(self, batch: PatchBatch) -> RefinerLosses:
        """The terms whose sum is minimised. Draws from torch's global random generator."""

    def health(self) -> dict[str, float]:
        """Indicators of whether training goes well, by name."""
        return {}


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
