"""What is minimised, and how: colours, and opacity where there are masks, by AdamW or Muon.

The learning rate's warm-up and decay follow the budget in steps or minutes.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.model.net import PhotoNet
from pixelnerf.training.muon import Muon, is_matrix
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
    masked_pixels: Float[Tensor, ""] | None = None,
) -> Float[Tensor, ""]:
    """Mean over pixels and channels of the second pass's loss plus the weighted first's.

    The rays of a pixel are adjacent. `coverage` is the share of each pixel inside the mask, NaN without a mask.
    `masked_pixels` is how many have one, by default in this batch; where processes train together it is their mean, so
    that the mean of their losses is the whole batch's.

    Raises:
        UserError: opacity is weighted, but no pixel has a mask.
    """
    masked = coverage.isfinite()
    masked_pixels = masked.sum() if masked_pixels is None else masked_pixels
    if config.opacity_weight > 0 and not masked_pixels > 0:
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
        return loss + config.opacity_weight * error.sum() / masked_pixels

    loss = pass_loss(output)
    if output.coarse is None or config.coarse_weight == 0:
        return loss
    return loss + config.coarse_weight * pass_loss(output.coarse)


def pixel_means(values: Float[Tensor, "batch ray *channel"], pixels: int) -> Float[Tensor, "batch pixel *channel"]:
    """Means over each pixel's equally many rays (NeRF-SR's super-sampling)."""
    return values if values.shape[1] == pixels else values.unflatten(1, (pixels, -1)).mean(2)


class OptimizerConfig(Config):
    """`muon` moves matrices by orthogonalised momentum, and everything else as `adamw` does.

    `encoder_rate` multiplies the image encoder's learning rate; the rate decays to `final_share` of itself.

    During the first `warmup_share` of the budget it rises from `warmup_start` times the full rate.
    """

    name: Literal["adamw", "muon"]
    learning_rate: float = Field(gt=0.0)
    encoder_rate: float = Field(ge=0.0)
    weight_decay: float = Field(ge=0.0)
    schedule: Literal["cosine", "exponential", "constant"]
    final_share: float = Field(gt=0.0, le=1.0)
    warmup_share: float = Field(ge=0.0, lt=1.0)
    warmup_start: float = Field(gt=0.0, le=1.0)


def learning_rate_factor(progress: float, config: OptimizerConfig) -> float:
    """The learning rate's factor when `progress` in [0, 1] of the budget is spent."""
    progress = min(max(progress, 0.0), 1.0)
    decay = {
        "constant": 1.0,
        "exponential": config.final_share**progress,
        "cosine": config.final_share + (1 - config.final_share) * 0.5 * (1 + math.cos(math.pi * progress)),
    }[config.schedule]
    if progress >= config.warmup_share:
        return decay
    # A quarter of a sine, as in mip-NeRF's delayed schedule.
    rise = math.sin(0.5 * math.pi * progress / config.warmup_share)
    return decay * (config.warmup_start + (1 - config.warmup_start) * rise)


def build_optimizer(
    net: nn.Module, config: OptimizerConfig, progress: Callable[[], float]
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
    """The optimiser and its schedule, which calls `progress` for the spent share of the budget at every step.

    Only a `PhotoNet` has an image encoder, with its own learning rate.
    """
    encoder = list(net.encoder.parameters()) if isinstance(net, PhotoNet) else []
    of_encoder = set(encoder)
    others = [parameter for parameter in net.parameters() if parameter not in of_encoder]
    rate = config.learning_rate
    groups = [
        {"params": encoder, "lr": rate * config.encoder_rate, "weight_decay": 0.0},
        {"params": [p for p in others if p.ndim > 1], "lr": rate, "weight_decay": config.weight_decay},
        # Decay pulls biases and norms towards zero for no benefit.
        {"params": [p for p in others if p.ndim <= 1], "lr": rate, "weight_decay": 0.0},
    ]
    kind = torch.optim.AdamW
    if config.name == "muon":
        kind = Muon
        groups = [
            {**group, "orthogonal": chosen, "params": [p for p in group["params"] if is_matrix(p) == chosen]}
            for group in groups
            for chosen in (True, False)
        ]
    optimizer = kind([group for group in groups if group["params"]], fused=True)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: learning_rate_factor(progress(), config))
