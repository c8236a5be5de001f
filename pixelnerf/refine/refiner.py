"""What every refiner can do: refine a whole view, and measure its losses on training patches."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from pixelnerf.config import Config
from pixelnerf.refine.views import PatchBatch, ReferenceView, RenderedView


class PatchConfig(Config):
    """Options that all refiners share.

    Attributes:
        side: of a patch, in pixels.
        overlap: of neighbouring patches of a view, at least, in pixels.
        width: channels at full resolution; they double with every halving of the resolution, up to four times.
    """

    side: int = Field(ge=8)
    overlap: int = Field(ge=0)
    width: int = Field(ge=1)

    @model_validator(mode="after")
    def _patches_advance(self) -> "PatchConfig":
        if self.overlap >= self.side:
            raise ValueError(f"overlap = {self.overlap} must be less than side = {self.side}")
        return self


@dataclass(frozen=True)
class RefinerLosses:
    """Weighted terms of the loss by name, and the refined patches."""

    terms: dict[str, Float[Tensor, ""]]
    refined: Float[Tensor, "patch 3 side side"]


class Refiner(nn.Module, ABC):
    """Sharpens renders. Untrained, it returns them as they are.

    Attributes:
        side: of the patches that it is trained on, in pixels.
        needs_reference: whether it looks at a reference photo of the scene.
    """

    side: int
    needs_reference: bool

    @abstractmethod
    def refine(self, view: RenderedView, reference: ReferenceView | None = None) -> Float[Tensor, "3 height width"]:
        """The refined view, in [0, 1]."""

    @abstractmethod
    def losses(self, batch: PatchBatch) -> RefinerLosses:
        """The terms whose sum is minimised. Draws from torch's global generator of random numbers."""

    @abstractmethod
    def health(self) -> dict[str, float]:
        """Figures that tell whether training goes well, by name."""


def start_unchanged(layer: nn.Conv2d) -> nn.Conv2d:
    """A layer whose output is zero until it is trained."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None, "made with one"
    nn.init.zeros_(layer.bias)
    return layer


def level_channels(width: int, halvings: int) -> list[int]:
    """Channels at full resolution, at half of it, and so on."""
    return [width * min(2**level, 4) for level in range(halvings + 1)]


class ResidualBlock(nn.Module):
    """x + two convolutions. Without normalisation, which would lose the patch's brightness."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = start_unchanged(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Float[Tensor, "patch channel height width"]) -> Float[Tensor, "patch channel height width"]:
        """Keeps the shape."""
        return x + self.second(torch.relu(self.first(torch.relu(x))))


class PatchEncoder(nn.Module):
    """A patch's feature maps from full resolution down, each half the size of the one before."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels[0], 3, padding=1), ResidualBlock(channels[0]))
        self.halvings = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(wide, narrow, 4, stride=2, padding=1), ResidualBlock(narrow))
            for wide, narrow in pairwise(channels)
        )

    def forward(self, patches: Float[Tensor, "patch 3 side side"]) -> list[Tensor]:
        """One map for each number of channels."""
        maps = [self.stem(patches - 0.5)]
        for halve in self.halvings:
            maps.append(halve(maps[-1]))
        return maps
