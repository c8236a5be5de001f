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
from pixelnerf.model.present import PresentPhotos

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
    def forward(
        self, x: Float[Tensor, "*batch width"], shift: Float[Tensor, "width"] | None = None
    ) -> Float[Tensor, "*batch width"]:
        """The block's output, plus a constant if given, which costs nothing beside the second layer's bias."""
        bias = self.second.bias if shift is None else self.second.bias + shift
        return x + F.linear(F.relu(self.first(F.relu(x)), inplace=True), self.second.weight, bias)


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
    """Encoded samples and injected features to density and colour: `of_views`, then `pooled`, then `heads`.

    Axes "batch view" of its arguments are those of `photos.features`: only present photos.
    """

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

    def of_views(
        self,
        positions: Float[Tensor, "batch view #ray sample position"],
        directions: Float[Tensor, "batch view ray direction"],
        injected: Float[Tensor, "batch view #ray sample block width"],
        biases: Float[Tensor, "block width"],
    ) -> Float[Tensor, "batch view #ray sample width"]:
        """Each view's hidden vector, which no other view enters; `biases` are the projection's."""
        if self.config.direction == "input":
            along = directions[..., None, :].expand(*positions.shape[:-1], directions.shape[-1])
            positions = torch.cat([positions, along], dim=-1)
        # Each injection's bias goes into that of the layer before it: adding it to the features would be a pass of its
        # own over the largest tensor.
        first, *others = biases.unbind()
        x = F.linear(positions, self.input.weight, self.input.bias + first)
        for block, (features, shift) in enumerate(zip(injected.unbind(-2), [*others, None], strict=True)):
            x = self.blocks[block](x + features.to(x.dtype), shift)
        return x

    def pooled(
        self,
        views: Float[Tensor, "batch view #ray sample width"],
        valid: Bool[Tensor, "batch view #ray sample"],
        photos: PresentPhotos,
    ) -> Float[Tensor, "scene #ray sample width"]:
        """The views' average, through the remaining blocks: the vector that `heads` reads."""
        x = self._pool(views, valid, photos)
        for block in range(self.config.injection_blocks, self.config.blocks):
            x = self.blocks[block](x)
        return x

    def heads(
        self,
        pooled: Float[Tensor, "scene #ray sample width"],
        directions: Float[Tensor, "batch view ray direction"],
        photos: PresentPhotos,
    ) -> tuple[Float[Tensor, "scene #ray sample"], Float[Tensor, "scene ray sample 3"]]:
        """Raw density and raw colour of pooled vectors, which may be the same for all rays."""
        x = F.relu(pooled)
        raw_density = self.density(x)[..., 0]
        if self.config.direction == "input":
            return raw_density, self.color(x)
        x = F.relu(self.bottleneck(x) + self.direction(photos.mean(directions))[..., None, :])
        return raw_density, self.color(x)

    def _pool(self, x: Tensor, valid: Tensor, photos: PresentPhotos) -> Float[Tensor, "scene ray sample width"]:
        if self.config.pooling == "mean" or photos.views == 1:
            return photos.mean(x)
        shares = valid.to(x.dtype)
        seen_by = photos.total(shares)[..., None]
        # A sample that no photo sees averages over all of them, whose features are zero.
        return torch.where(seen_by > 0, photos.total(x * shares[..., None]) / seen_by.clamp_min(1), photos.mean(x))
