"""The interface of refiners and what they are given: rendered views, a reference photo, training patches."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from pixelnerf.config import Config
from pixelnerf.refine.patches import Corners, Patches, change_in_patches
from pixelnerf.types import Cameras, TensorRecord


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
        if self.side % 2**self.halvings:
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
