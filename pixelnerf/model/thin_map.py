"""A thin map at the photo's full resolution, beside the encoder's stages.

The encoder's finest stage has half the photo's resolution, so outlines are known to two pixels at best. Two small
convolutions at full resolution cost a hundredth of the encoder. Their output is looked up together with the photo's
colours and enters the field where the other features do. It has few channels, so this linear layer is applied once per
sample instead of to the map.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class ThinMap(nn.Module):
    """Colours in [0, 1] to `channels` features per pixel, of its 5x5 neighbourhood."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, images: Float[Tensor, "image height width 3"]) -> Float[Tensor, "image height width channel"]:
        """The map, channels last."""
        x = F.relu(self.first(2 * images.movedim(-1, 1) - 1), inplace=True)
        return F.relu(self.second(x), inplace=True).movedim(1, -1).float()


class ThinInjection(nn.Module):
    """The contribution of a pixel's colour and thin features to the K injected vectors; starts at zero."""

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 + channels, blocks * width, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, values: Float[Tensor, "batch view point channel"]) -> Float[Tensor, "batch view point added"]:
        """For all K blocks, concatenated."""
        return self.linear(values)
