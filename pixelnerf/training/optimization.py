"""AdamW, and a learning rate whose warm-up and decay follow the budget in steps or minutes."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from pixelnerf.config import Config
from pixelnerf.model.net import PhotoNet


class OptimizerConfig(Config):
    """`encoder_rate` multiplies the image encoder's learning rate; the rate decays to `final_share` of itself.

    During the first `warmup_share` of the budget it rises from `warmup_start` times the full rate.
    """

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
    of_encoder = {id(parameter) for parameter in encoder}
    others = [parameter for parameter in net.parameters() if id(parameter) not in of_encoder]
    rate = config.learning_rate
    groups = [
        {"params": encoder, "lr": rate * config.encoder_rate, "weight_decay": 0.0},
        {"params": [p for p in others if p.ndim > 1], "lr": rate, "weight_decay": config.weight_decay},
        # Decay pulls biases and norms towards zero for no benefit.
        {"params": [p for p in others if p.ndim <= 1], "lr": rate, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], fused=True)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: learning_rate_factor(progress(), config))
