"""What `scripts/benchmark.py` composes."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from pixelnerf.config import Config
from pixelnerf.model.config import ModelConfig
from pixelnerf.scenes.scene import Split

Count = Annotated[int, Field(ge=1)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]


class BenchmarkConfig(Config):
    """What is measured.

    Attributes:
        model: the net that is timed.
        original: the net that is timed the original's way; its cost does not depend on its weights.
        checkpoint: trained weights of any size: their empty space is what `model` skips. None means random weights,
            whose space is nowhere empty, so that the rendering figures mean little.
        split: of the dataset.
        scenes: how many are rendered.
        side: pixels across a rendered view.
        objects: in a training step.
        rays: per object in a training step.
        train_coarse: whether our training step has a loss on the first pass too, as the original's always has.
        frames: in a turntable.
        original_rays: the original renders this many rays of a view, and its time is scaled to the whole view.
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
    scenes: Count
    side: Count
    objects: Count
    rays: Count
    train_coarse: bool
    frames: Count
    original_rays: Count
    repeats: Count
    pixels: Counts
    views: Counts
    samples: Counts
    output: Path
    device: str
