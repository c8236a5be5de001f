"""The training loss over both passes: colour, and optionally opacity from masks."""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.types import RenderOutput


class LossConfig(Config):
    """`coarse_weight` is 1 for NeRF and pixelNeRF, 0.1 for mip-NeRF. `smooth_l1_beta` is where the L1 part begins.

    With one MLP for both passes `coarse_weight` can be 0: the first pass then only places the second's samples, which
    saves its backward pass.

    `opacity_weight` weights the squared difference of opacity and mask. Colours alone cannot tell a white haze from
    empty space in front of a white background; masks can. Zero, as in the papers, needs no masks.
    """

    name: Literal["mse", "smooth_l1"]
    coarse_weight: float = Field(ge=0.0)
    smooth_l1_beta: float = Field(gt=0.0)
    opacity_weight: float = Field(ge=0.0)


def training_loss(
    output: RenderOutput,
    colors: Float[Tensor, "batch pixel 3"],
    coverage: Float[Tensor, "batch pixel"],
    config: LossConfig,
) -> Float[Tensor, ""]:
    """Mean over pixels and channels of the second pass's loss plus the weighted first's.

    The rays of a pixel are adjacent. `coverage` is the share of each pixel inside the mask, NaN without a mask.

    Raises:
        UserError: opacity is weighted, but no pixel has a mask.
    """
    masked = coverage.isfinite()
    if config.opacity_weight > 0 and not masked.any():
        raise UserError(
            "trainer.loss.opacity_weight > 0 compares with masks, but these scenes have none: "
            "set trainer.loss.opacity_weight=0"
        )

    def pass_loss(rendered: RenderOutput) -> Tensor:
        color = pixel_means(rendered.color, colors.shape[1])
        smooth = config.name == "smooth_l1"
        loss = F.smooth_l1_loss(color, colors, beta=config.smooth_l1_beta) if smooth else F.mse_loss(color, colors)
        if config.opacity_weight == 0:
            return loss
        opacity = pixel_means(rendered.opacity, colors.shape[1])
        error = (opacity - coverage.nan_to_num()).square() * masked
        return loss + config.opacity_weight * error.sum() / masked.sum()

    loss = pass_loss(output)
    if output.coarse is None or config.coarse_weight == 0:
        return loss
    return loss + config.coarse_weight * pass_loss(output.coarse)


def pixel_means(values: Float[Tensor, "batch ray *channel"], pixels: int) -> Float[Tensor, "batch pixel *channel"]:
    """Means over each pixel's equally many rays (NeRF-SR's super-sampling)."""
    return values if values.shape[1] == pixels else values.unflatten(1, (pixels, -1)).mean(2)
