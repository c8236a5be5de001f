"""The Lightning data module: endless training batches and frozen validation items."""

from dataclasses import dataclass

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from datasets.sampler import BatchConfig
from pixelnerf.config import Config
from pixelnerf.types import Cameras, Photos, TensorRecord


class LoaderConfig(Config):
    """How scenes become batches.

    Attributes:
        batch: the training batches.
        num_workers: processes that make them; each keeps its own cache of decoded photos.
        val_scenes: how many scenes of the validation split are rendered, evenly spread over it.
        val_source_views: photos given of each.
        val_views: target views rendered of each.
    """

    batch: BatchConfig
    num_workers: int = Field(default=0, ge=0)
    val_scenes: int = Field(default=8, ge=0)
    val_source_views: int = Field(default=1, ge=0)
    val_views: int = Field(default=2, ge=1)


@dataclass(frozen=True)
class ValidationItem(TensorRecord):
    """One scene's frozen validation task: the photos given (batch of 1) and the views to render (batch = view)."""

    photos: Photos
    targets: Cameras
    images: Float[Tensor, "view 3 height width"]
    near: float
    far: float
    background: Float[Tensor, "3"]
    name: str
    category: str
