"""The whole configuration of a training run, as `train.py` composes it and checkpoints store it."""

from pathlib import Path
from typing import Generic, TypeVar

from pydantic import Field, model_validator

from pixelnerf.config import AnyConfig, Config
from pixelnerf.model.config import ModelConfig
from pixelnerf.scenes.data_module import LoaderConfig
from pixelnerf.tools.device import Precision
from pixelnerf.training.logging import LoggerConfig
from pixelnerf.training.losses import LossConfig
from pixelnerf.training.optimization import OptimizerConfig


class LoopConfig(Config):
    """Settings of the training loop.

    Training ends at `max_steps` or after `max_minutes` of training, whichever comes first; the learning rate decays to
    match. `precision` is that of products; validation is always in float32.
    """

    optimizer: OptimizerConfig
    max_steps: int = Field(ge=1)
    max_minutes: float | None = Field(gt=0.0)
    gradient_clip: float | None = Field(gt=0.0)
    ema_decay: float = Field(ge=0.0, lt=1.0)
    precision: Precision
    accelerator: str
    devices: int | str
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)
    log_every: int = Field(ge=1)


class TrainerConfig(LoopConfig):
    """The loop's settings, a model's batches and its loss."""

    loader: LoaderConfig
    loss: LossConfig


LoopConfigType = TypeVar("LoopConfigType", bound=LoopConfig)


class RunConfig(Config, Generic[LoopConfigType]):
    """Settings common to all runs.

    `name` is the folder under `runs/`; `resume` is a checkpoint to continue, `start_from` one to start a new run from.
    """

    name: str
    seed: int = Field(ge=0)
    run_dir: Path
    resume: Path | None
    start_from: Path | None
    trainer: LoopConfigType
    logger: LoggerConfig

    @model_validator(mode="after")
    def _begins_in_one_way(self) -> "RunConfig[LoopConfigType]":
        if self.resume is not None and self.start_from is not None:
            raise ValueError("resume continues a run and start_from starts a new one: set only one of them")
        return self


class ExperimentConfig(RunConfig[TrainerConfig]):
    """The training of a model; `dataset` is a reader's configuration, validated by `datasets`."""

    model: ModelConfig
    dataset: AnyConfig

    @model_validator(mode="after")
    def _trains_every_field(self) -> "ExperimentConfig":
        if self.model.renderer.separate_fields and self.trainer.loss.coarse_weight == 0:
            raise ValueError(
                "trainer.loss.coarse_weight=0 would never train the first pass's MLP; "
                "set model.renderer.separate_fields=false, or a weight above 0"
            )
        return self
