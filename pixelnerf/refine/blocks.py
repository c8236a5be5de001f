"""Convolutional blocks of refiners."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pixelnerf.refine.refiner import Patches

FeatureMaps = Float[Tensor, "patch channel height width"]


def start_unchanged(layer: nn.Conv2d) -> nn.Conv2d:
    """Zeroes a layer, so that its output is zero until it is trained."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None, "made with one"
    nn.init.zeros_(layer.bias)
    return layer


def channels_by_resolution(width: int, halvings: int) -> list[int]:
    """Channels at full resolution, at half of it, and so on."""
    return [width * min(2**halving, 4) for halving in range(halvings + 1)]


class ResidualBlock(nn.Module):
    """x + two convolutions, without normalisation, which would lose the patch's brightness."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = start_unchanged(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: FeatureMaps) -> FeatureMaps:
        """Keeps the shape."""
        return x + self.second(torch.relu(self.first(torch.relu(x))))


class PatchEncoder(nn.Module):
    """A patch's feature maps from full resolution down, each half the size of the previous."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels[0], 3, padding=1), ResidualBlock(channels[0]))
        self.halvings = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(wide, narrow, 4, stride=2, padding=1), ResidualBlock(narrow))
            for wide, narrow in pairwise(channels)
        )

    def forward(self, patches: Patches) -> list[Tensor]:
        """The maps, finest first."""
        maps = [self.stem(patches - 0.5)]
        for halve in self.halvings:
            maps.append(halve(maps[-1]))
        return maps
