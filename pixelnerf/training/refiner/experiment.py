"""The whole configuration of a refiner's training."""

from pathlib import Path

from pydantic import Field

from pixelnerf.config import AnyConfig, Config
from pixelnerf.refine.config import RefinerConfig
from pixelnerf.training.experiment import LoopConfig, RunConfig


class PairsConfig(Config):
    """Which renders a refiner is trained on; all are of the training split.

    Attributes:
        input_views: photos that the model is given, evenly spread over a scene's; 0 for models without photos.
        input_downscale: they are given shrunk by this whole number.
        views: at most so many rendered views of each scene, evenly spread; None for all.
        validate_every: every so many of the pairs, one is kept for validation.
        folder: where renders are kept; None for `pairs` in the run's folder, or in the one that it resumes.
    """

    input_views: int = Field(ge=0)
    input_downscale: int = Field(ge=1)
    views: int | None = Field(ge=1)
    validate_every: int = Field(ge=2)
    folder: Path | None


class RefinerTrainerConfig(LoopConfig):
    """`patches` are in a batch; `val_views` pairs at most are validated on, evenly spread."""

    patches: int = Field(ge=1)
    val_views: int = Field(ge=1)


class RefinerExperimentConfig(RunConfig[RefinerTrainerConfig]):
    """The training of a refiner.

    Attributes:
        checkpoint: of the model whose renders are refined.
        dataset: at the size to render and refine, of which the model has seen smaller photos.
    """

    checkpoint: Path
    dataset: AnyConfig
    refiner: RefinerConfig
    pairs: PairsConfig
