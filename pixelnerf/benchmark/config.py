"""What `scripts/benchmark.py` composes, and the nets that it makes of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field

from pixelnerf.benchmark.widen import widened
from pixelnerf.checkpoints.checkpoint import load_checkpoint
from pixelnerf.config import Config
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.net import Net, build_net
from pixelnerf.model.occupancy import check_can_skip
from pixelnerf.model.original import OriginalRenderer
from pixelnerf.scenes.scene import Split

Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class BenchmarkConfig(Config):
    """What is measured.

    Attributes:
        model: the net that is timed.
        original: the original's, rendered as the original does; its cost does not depend on its weights.
        checkpoint: trained weights, widened to `model` where that is larger; None for random ones, whose space is
            never empty, so that its figures of rendering mean little.
        split: of the dataset.
        scenes: so many are rendered for the cost in PSNR.
        side: pixels across the views that are compared.
        objects: of a training step.
        rays: of a training step, for each object.
        train_coarse: whether our training step has a loss on the first pass, too, as the original's always has.
        frames: of the turntable.
        original_rays: the original renders so many rays of a view, and its time is scaled to the whole.
        repeats: of every measurement; the median counts.
        pixels: sides of the views in the sweep over size.
        views: numbers of photos in the sweep over photos.
        samples: coarse samples in the sweep over samples.
        output: the folder of `bench.json` and `bench.png`.
        device: a torch device, or "auto" for a GPU where there is one.
    """

    model: ModelConfig
    original: ModelConfig
    checkpoint: Path | None
    split: Split
    scenes: int = Field(ge=1)
    side: int = Field(ge=1)
    objects: int = Field(ge=1)
    rays: int = Field(ge=1)
    train_coarse: bool
    frames: int = Field(ge=1)
    original_rays: int = Field(ge=1)
    repeats: int = Field(ge=1)
    pixels: Counts
    views: Counts
    samples: Counts
    output: Path
    device: str


@dataclass(frozen=True)
class Nets:
    """What is compared: `timed` at its own size, and `trained`, which it computes the same as, at the trained size."""

    timed: Net
    trained: Net
    original: OriginalRenderer

    @property
    def is_widened(self) -> bool:
        """Whether the timed net is a small trained one in a larger shell."""
        return self.timed is not self.trained


def build_nets(config: BenchmarkConfig, device: torch.device) -> Nets:
    """The nets, in evaluation mode.

    Raises:
        UserError: a checkpoint that is missing or does not fit, a model that cannot skip, or an unfit original.
    """
    torch.manual_seed(0)
    original = OriginalRenderer(build_net(config.original, load_pretrained=False).eval().to(device))
    if config.checkpoint is None:
        timed = trained = build_net(config.model, load_pretrained=False).eval()
    else:
        trained = load_checkpoint(config.checkpoint).net
        timed = trained if trained.config == config.model else widened(trained, config.model)
    check_can_skip(timed)
    return Nets(timed.to(device), trained.to(device), original)


def with_renderer_of(net: Net, model: ModelConfig) -> Net:
    """The same weights, sampled as another model samples."""
    return _resampled(net, net.config.model_copy(update={"renderer": model.renderer}))


def with_coarse_samples(net: Net, count: int) -> Net:
    """The same weights with another number of coarse samples."""
    renderer = net.config.renderer.model_copy(update={"coarse_samples": count})
    return _resampled(net, net.config.model_copy(update={"renderer": renderer}))


def _resampled(net: Net, config: ModelConfig) -> Net:
    other = build_net(config, load_pretrained=False).eval()
    other.load_state_dict(net.state_dict())
    return other.to(next(net.parameters()).device)
