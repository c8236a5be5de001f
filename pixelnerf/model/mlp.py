"""The radiance field of one scene, without photos: NeRF's MLP, which mip-NeRF and Tiny NeRF share."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from pixelnerf.model.activation import ActivationConfig, initialize_density_head


class MlpFieldConfig(ActivationConfig):
    """`depth` layers of `width`; the input is concatenated again after layer `skip_after`, unless that is null.

    The direction enters after the density, before one layer of `direction_width`; null (with `model.direction: null`)
    makes colour independent of direction.
    """

    name: Literal["mlp"]
    width: int = Field(ge=1)
    depth: int = Field(ge=1)
    skip_after: int | None = Field(ge=1)
    direction_width: int | None = Field(ge=1)

    @model_validator(mode="after")
    def _check(self) -> "MlpFieldConfig":
        if self.skip_after is not None and self.skip_after >= self.depth:
            raise ValueError(
                f"skip_after={self.skip_after} leaves no layer of depth={self.depth} for the input to enter"
            )
        return self


class MlpField(nn.Module):
    """Encoded samples to density and colour (NeRF, figure 7)."""

    def __init__(self, config: MlpFieldConfig, position_channels: int, direction_channels: int) -> None:
        super().__init__()
        self.config = config
        width = config.width
        inputs = [position_channels] + [
            width + (position_channels if layer == config.skip_after else 0) for layer in range(1, config.depth)
        ]
        self.layers = nn.ModuleList(nn.Linear(channels, width) for channels in inputs)
        self.density = nn.Linear(width, 1)
        if config.direction_width is None:
            self.color = nn.Linear(width, 3)
        else:
            self.bottleneck = nn.Linear(width, width)
            self.direction = nn.Linear(width + direction_channels, config.direction_width)
            self.color = nn.Linear(config.direction_width, 3)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        initialize_density_head(self.density, config)

    def forward(
        self,
        positions: Float[Tensor, "*batch ray sample position"],
        directions: Float[Tensor, "*batch ray direction"] | None,
    ) -> tuple[Float[Tensor, "*batch ray sample"], Float[Tensor, "*batch ray sample 3"]]:
        """Raw density and raw colour of every sample."""
        x = positions
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            if index == self.config.skip_after:
                # Equals the layer on the concatenation, without allocating it.
                of_layer, of_input = layer.weight.split([x.shape[-1], positions.shape[-1]], dim=1)
                x = F.linear(x, of_layer, layer.bias) + F.linear(positions, of_input)
            else:
                x = layer(x)
            x = F.relu(x, inplace=True)
        raw_density = self.density(x)[..., 0]
        if directions is not None:
            x = self._turned(x, directions)
        return raw_density, self.color(x)

    def _turned(
        self, x: Float[Tensor, "*batch ray sample width"], directions: Float[Tensor, "*batch ray direction"]
    ) -> Float[Tensor, "*batch ray sample hidden"]:
        """`relu(direction(cat(bottleneck(x), directions)))` with less work.

        No activation lies between the two layers, so their weights are multiplied first; and the direction's term is
        the same for all samples of a ray.
        """
        of_sample, of_ray = self.direction.weight.split([x.shape[-1], directions.shape[-1]], dim=1)
        bias = F.linear(self.bottleneck.bias, of_sample, self.direction.bias)
        along = F.linear(directions, of_ray, bias)
        return F.relu(F.linear(x, of_sample @ self.bottleneck.weight) + along[..., None, :], inplace=True)
