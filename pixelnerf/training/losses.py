"""The photometric loss over both levels."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from pixelnerf.config import Config
from pixelnerf.types import RenderOutput


class LossConfig(Config):
    """`coarse_weight` is 1 for NeRF and pixelNeRF, 0.1 for mip-NeRF. `smooth_l1_beta` is where the L1 part begins."""

    name: Literal["mse", "smooth_l1"]
    coarse_weight: float = Field(ge=0.0)
    smooth_l1_beta: float = Field(gt=0.0)


def photometric_loss(
    output: RenderOutput, colors: Float[Tensor, "batch ray 3"], config: LossConfig
) -> Float[Tensor, ""]:
    """Mean over rays and channels, of the fine level plus the weighted coarse one."""

    def level(predicted: Tensor) -> Tensor:
        if config.name == "mse":
            return F.mse_loss(predicted, colors)
        return F.smooth_l1_loss(predicted, colors, beta=config.smooth_l1_beta)

    loss = level(output.color)
    return loss if output.coarse is None else loss + config.coarse_weight * level(output.coarse.color)
