"""A field's raw outputs to density and colour."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from pixelnerf.config import Config


class ActivationConfig(Config):
    """Settings common to all fields.

    `softplus_shifted` is softplus(x - 1): the shift is mip-NeRF's, so that a new field is thin. `density_noise` is the
    standard deviation of Gaussian noise on the raw density, in training only. `color_padding` stretches the sigmoid to
    [-padding, 1 + padding], so that pure black and white need no infinite logit (mip-NeRF).
    """

    density_activation: Literal["softplus_shifted", "softplus", "relu"]
    density_noise: float = Field(ge=0.0)
    color_padding: float = Field(ge=0.0, lt=0.5)


# Initial raw density of a ReLU field, in inverse units of its length: a haze thin enough to see through.
YOUNG_RELU_DENSITY = 0.1


def initialize_density_head(head: nn.Linear, config: ActivationConfig) -> None:
    """Starts a ReLU field as a uniform thin haze.

    With random weights, about every other seed is negative along all rays: no light and never a gradient.
    """
    if config.density_activation == "relu":
        nn.init.zeros_(head.weight)
        nn.init.constant_(head.bias, YOUNG_RELU_DENSITY)


def activate(
    raw_density: Float[Tensor, "*#batch"],
    raw_color: Float[Tensor, "*batch 3"],
    config: ActivationConfig,
    generator: torch.Generator | None,
) -> tuple[Float[Tensor, "*#batch"], Float[Tensor, "*batch 3"]]:
    """Density >= 0 and colour, always in float32. Noise is added only if there is a generator."""
    raw_density, raw_color = raw_density.float(), raw_color.float()
    if generator is not None and config.density_noise > 0:
        noise = torch.randn(raw_density.shape, generator=generator, device=raw_density.device)
        raw_density = raw_density + config.density_noise * noise
    if config.density_activation == "relu":
        density = F.relu(raw_density)
    else:
        density = F.softplus(raw_density - 1.0 if config.density_activation == "softplus_shifted" else raw_density)
    return density, torch.sigmoid(raw_color) * (1 + 2 * config.color_padding) - config.color_padding
