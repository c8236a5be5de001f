"""The conditioned radiance field: a residual MLP, first per view, then on the average over views.

Blocks are pre-activation residual blocks whose second layer starts at zero (pixelNeRF, appendix B.1). The photo's
feature is added before each of the first `injection_blocks` blocks; those linear layers live in `FeatureProjection`,
because they are applied to the maps, once per texel.
"""

import functools
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from typing_extensions import override

from pixelnerf.model.activation import ActivationConfig, initialize_density_head
from pixelnerf.model.photo_colors import PhotoColors

Upsample = Callable[[Tensor, tuple[int, int]], Tensor]


class ResidualFieldConfig(ActivationConfig):
    """`injection_blocks` is the paper's K: features enter each of the first K blocks, then views are averaged.

    With `photo_colors`, part of a sample's colour is looked up in the photos (see `pixelnerf.model.photo_colors`).
    """

    name: Literal["residual"]
    width: int = Field(ge=1)
    blocks: int = Field(ge=1)
    injection_blocks: int = Field(ge=1)
    pooling: Literal["mean", "masked_mean"]
    direction: Literal["after_density", "input"]
    photo_colors: bool

    @model_validator(mode="after")
    def _check(self) -> "ResidualFieldConfig":
        if self.injection_blocks > self.blocks:
            raise ValueError(f"injection_blocks={self.injection_blocks} exceeds blocks={self.blocks}")
        return self


class ResidualBlock(nn.Module):
    """x + W1 relu(W0 relu(x))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        nn.init.kaiming_normal_(self.first.weight)
        nn.init.zeros_(self.first.bias)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    @override
    def forward(self, x: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        return x + self.second(F.relu(self.first(F.relu(x)), inplace=True))


class FeatureProjection(nn.Module):
    """The K injection layers as one linear map from a photo's feature to K * width channels, applied to the maps.

    Its bias is left out of the maps: a sample behind a camera has a zero *feature*, but still gets the bias.
    """

    def __init__(self, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(blocks * width, channels))
        self.bias = nn.Parameter(torch.zeros(blocks, width))
        nn.init.kaiming_normal_(self.weight)

    def forward(self, stages: list[Tensor], upsample: Upsample) -> Float[Tensor, "image height width channel"]:
        """Projects every stage (channels last) at its own resolution, then upsamples: the two commute."""
        size = (stages[0].shape[1], stages[0].shape[2])
        weights = self.weight.split([stage.shape[-1] for stage in stages], dim=1)
        projected = [upsample(F.linear(stage, weight), size) for stage, weight in zip(stages, weights, strict=True)]
        return functools.reduce(torch.add, projected)


class ResidualField(nn.Module):
    """Encoded samples and injected features to density and colour."""

    def __init__(self, config: ResidualFieldConfig, position_channels: int, direction_channels: int) -> None:
        super().__init__()
        self.config = config
        width = config.width
        at_input = config.direction == "input"
        self.input = nn.Linear(position_channels + (direction_channels if at_input else 0), width)
        nn.init.kaiming_normal_(self.input.weight)
        nn.init.zeros_(self.input.bias)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(config.blocks))
        self.density = nn.Linear(width, 1)
        initialize_density_head(self.density, config)
        if at_input:
            self.color = nn.Linear(width, 3)
        else:
            self.bottleneck = nn.Linear(width, width // 2)
            self.direction = nn.Linear(direction_channels, width // 2, bias=False)
            self.color = nn.Linear(width // 2, 3)
        self.photo_colors = PhotoColors(width) if config.photo_colors else None

    def forward(
        self,
        positions: Float[Tensor, "batch view ray sample position"],
        directions: Float[Tensor, "batch view ray direction"],
        injected: Float[Tensor, "batch view ray sample block width"],
        valid: Bool[Tensor, "batch view ray sample"],
        present: Bool[Tensor, "batch view"],
    ) -> tuple[Float[Tensor, "batch ray sample"], Float[Tensor, "batch ray sample 3"]]:
        """Raw density and raw colour of every sample; `injected` includes the projection's bias."""
        _, pooled = self.hidden(positions, directions, injected, valid, present)
        return self.heads(pooled, directions, present)

    def hidden(
        self,
        positions: Float[Tensor, "batch view #ray sample position"],
        directions: Float[Tensor, "batch view ray direction"],
        injected: Float[Tensor, "batch view #ray sample block width"],
        valid: Bool[Tensor, "batch view #ray sample"],
        present: Bool[Tensor, "batch view"],
    ) -> tuple[Float[Tensor, "batch view #ray sample width"], Float[Tensor, "batch #ray sample width"]]:
        """Each view's vector before pooling, and the pooled vector that `heads` reads; arguments as for `forward`."""
        if self.config.direction == "input":
            along = directions[..., None, :].expand(*positions.shape[:-1], directions.shape[-1])
            positions = torch.cat([positions, along], dim=-1)
        x = self.input(positions)
        for block, features in enumerate(injected.unbind(-2)):
            x = self.blocks[block](x + features.to(x.dtype))
        pooled = self._pool(x, valid, present)
        for block in range(self.config.injection_blocks, self.config.blocks):
            pooled = self.blocks[block](pooled)
        return x, pooled

    def heads(
        self,
        pooled: Float[Tensor, "batch #ray sample width"],
        directions: Float[Tensor, "batch view ray direction"],
        present: Bool[Tensor, "batch view"],
    ) -> tuple[Float[Tensor, "batch #ray sample"], Float[Tensor, "batch ray sample 3"]]:
        """Raw density and raw colour of pooled vectors, which may be the same for all rays."""
        x = F.relu(pooled)
        raw_density = self.density(x)[..., 0]
        if self.config.direction == "input":
            return raw_density, self.color(x)
        shares = present.to(directions.dtype)
        mean_direction = (directions * shares[..., None, None]).sum(1) / shares.sum(1)[:, None, None]
        x = F.relu(self.bottleneck(x) + self.direction(mean_direction)[..., None, :])
        return raw_density, self.color(x)

    def _pool(self, x: Tensor, valid: Tensor, present: Tensor) -> Float[Tensor, "batch ray sample width"]:
        if x.shape[1] == 1:
            return x[:, 0]
        counted = present[:, :, None, None].expand_as(valid)
        if self.config.pooling == "masked_mean":
            seen = valid & counted
            # A sample that no photo sees averages over all of them, whose features are zero.
            counted = torch.where(seen.any(1, keepdim=True), seen, counted)
        shares = counted.to(x.dtype)
        return (x * shares[..., None]).sum(1) / shares.sum(1)[..., None]
