"""The whole configuration of a training run: what `train.py` composes and a checkpoint carries."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from datasets.module import LoaderConfig
from datasets.registry import DatasetConfig
from pixelnerf.config import Config
from pixelnerf.model.config import ModelConfig
from pixelnerf.training.logging import LoggerConfig
from pixelnerf.training.losses import LossConfig
from pixelnerf.training.optimization import OptimizerConfig


class TrainerConfig(Config):
    """How long, how precise, how often.

    Training ends at `max_steps` or after `max_minutes` of training, whichever comes first; the learning rate has
    decayed by then in either case. `precision: auto` is bfloat16 where the device multiplies it faster than float32.
    """

    loader: LoaderConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    max_steps: int = Field(ge=1)
    max_minutes: float | None = Field(gt=0.0)
    gradient_clip: float | None = Field(gt=0.0)
    ema_decay: float = Field(ge=0.0, lt=1.0)
    precision: Literal["auto", "float32", "bfloat16"]
    accelerator: str
    devices: int | str
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)
    log_every: int = Field(ge=1)


class ExperimentConfig(Config):
    """`name` is the folder under `runs/`; `resume` a checkpoint to go on from."""

    name: str
    seed: int = Field(ge=0)
    run_dir: Path
    resume: Path | None
    model: ModelConfig
    dataset: DatasetConfig
    trainer: TrainerConfig
    logger: LoggerConfig
