"""The whole configuration of a refiner's training."""

from pathlib import Path

from pydantic import Field

from pixelnerf.config import AnyConfig, Config
from pixelnerf.refine.config import RefinerConfig
from pixelnerf.training.experiment import LoopConfig, RunConfig


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
    folder: Path | None


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

    checkpoint: Path
    dataset: AnyConfig
    refiner: RefinerConfig
    pairs: PairsConfig
