"""The whole configuration of a model's or a refiner's training, as `train.py` composes it and checkpoints store it."""

from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, model_validator

from pixelnerf.config import AnyConfig, Config, WrittenPath
from pixelnerf.model.config import ModelConfig
from pixelnerf.refine.config import RefinerConfig
from pixelnerf.scenes.data_module import LoaderConfig
from pixelnerf.tools.device import Precision
from pixelnerf.training.optimization import LossConfig, OptimizerConfig


class LoopConfig(Config):
    """Settings of the training loop.

    Training ends at `max_steps` or after `max_minutes` of training, whichever comes first; the learning rate decays to
    match. `precision` is that of products; validation is always in float32. `devices` is the number of processes to
    start on this machine, each with a device of its own; `auto` for those that torchrun or SLURM started, else one.
    """

    optimizer: OptimizerConfig
    max_steps: int = Field(ge=1)
    max_minutes: float | None = Field(gt=0.0)
    gradient_clip: float | None = Field(gt=0.0)
    ema_decay: float = Field(ge=0.0, lt=1.0)
    precision: Precision
    accelerator: str
    devices: Annotated[int, Field(ge=1)] | Literal["auto"]
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)
    log_every: int = Field(ge=1)


class TrainerConfig(LoopConfig):
    """The loop's settings, a model's batches and its loss."""

    loader: LoaderConfig
    loss: LossConfig


class LoggerConfig(Config):
    """W&B. `group` joins the runs of a sweep. `panels` is the number of validation views logged as pictures."""

    mode: Literal["offline", "online", "disabled"]
    project: str
    group: str | None
    panels: int = Field(ge=0)


LoopConfigType = TypeVar("LoopConfigType", bound=LoopConfig)


class RunConfig(Config, Generic[LoopConfigType]):
    """Settings common to all runs.

    `name` is the folder under `runs/`. `resume` is a checkpoint to continue; with `auto` it is the last one in the
    run's own folder, if any, so that the same command starts a run and continues it. `start_from` is one to start a new
    run from.
    """

    name: str
    seed: int = Field(ge=0)
    run_dir: WrittenPath
    resume: WrittenPath | Literal["auto"] | None
    start_from: WrittenPath | None
    trainer: LoopConfigType
    logger: LoggerConfig

    @model_validator(mode="after")
    def _begins_in_one_way(self) -> "RunConfig[LoopConfigType]":
        # With `auto`, a run that is continued again and again can have begun with another's weights.
        if isinstance(self.resume, Path) and self.start_from is not None:
            raise ValueError("resume continues a run and start_from starts a new one: set only one of them")
        return self

    @property
    def last_checkpoint(self) -> Path:
        """Where the run's latest state is written."""
        return self.run_dir / "checkpoints" / "last.ckpt"

    @property
    def resumed(self) -> Path | None:
        """The checkpoint that the run continues; None for a new run."""
        if self.resume == "auto":
            return self.last_checkpoint if self.last_checkpoint.is_file() else None
        return self.resume


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


class PairsConfig(Config):
    """The renders that a refiner is trained on, all of the training split.

    Attributes:
        input_views: the model's input photos, evenly spread over a scene's; 0 for models without photos.
        input_downscale: whole number to downscale them by.
        views: maximum number of rendered views per scene, evenly spread; None for all.
        validate_every: one in this many pairs is kept for validation.
        folder: where renders are stored; None for `pairs` in the run's folder, or in that of the run it resumes.
    """

    input_views: int = Field(ge=0)
    input_downscale: int = Field(ge=1)
    views: int | None = Field(ge=1)
    validate_every: int = Field(ge=2)
    folder: WrittenPath | None


class RefinerTrainerConfig(LoopConfig):
    """`patches` per batch; at most `val_views` pairs to validate on, evenly spread."""

    patches: int = Field(ge=1)
    val_views: int = Field(ge=1)


class RefinerExperimentConfig(RunConfig[RefinerTrainerConfig]):
    """The training of a refiner.

    Attributes:
        checkpoint: of the model whose renders are refined.
        dataset: at the size to render and refine; the model was trained on smaller photos.
    """

    checkpoint: WrittenPath
    dataset: AnyConfig
    refiner: RefinerConfig
    pairs: PairsConfig
