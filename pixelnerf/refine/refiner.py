"""The interface of refiners: refine a whole view, and measure losses on training patches."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from pixelnerf.config import Config
from pixelnerf.refine.views import Candidates, PatchBatch, ReferenceView, RenderedView


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
    refined: Float[Tensor, "patch 3 side side"]


class Refiner(nn.Module, ABC):
    """Sharpens renders. Untrained, it returns them unchanged.

    Attributes:
        side: of its training patches, in pixels.
        needs_reference: whether it uses a reference photo of the scene.
    """

    side: int
    needs_reference: bool

    @abstractmethod
    def refine(self, view: RenderedView, reference: ReferenceView | None = None) -> Float[Tensor, "3 height width"]:
        """The refined view, in [0, 1]."""

    def candidates(
        self, view: RenderedView, reference: ReferenceView, corners: Int[Tensor, "patch 2"]
    ) -> Candidates | None:
        """The reference's candidates for patches at upper left corners (column, row); None if unused."""
        return None

    @abstractmethod
    def losses(self, batch: PatchBatch) -> RefinerLosses:
        """The terms whose sum is minimised. Draws from torch's global random generator."""

    def health(self) -> dict[str, float]:
        """Indicators of whether training goes well, by name."""
        return {}
