"""Training batches: which objects, which photos of them are given, which pixels are asked for.

Randomness is a pure function of (seed, step, rank), so a resumed run needs no state to go on with the very next batch.
"""

from dataclasses import dataclass

from jaxtyping import Float
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from pixelnerf.config import Config
from pixelnerf.types import Photos, Rays, TensorRecord


class BatchConfig(Config):
    """What a training batch holds.

    Attributes:
        objects: scenes in a batch.
        rays: rays of each scene.
        source_views: least and most photos that the model is given; drawn uniformly, (0, 0) for models without photos.
        mixed_view_counts: draw the number of photos for each scene, not once for the batch.
        target_views: rays come from this many views of a scene; None for all its views.
        include_source_targets: whether the given photos may be asked for, too.
        box_until_step: before this step rays go through the bounding box of the object's mask.
        resolution_scales: each ray's view is shrunk by one of these, drawn uniformly; 1 over a whole number.
    """

    objects: int = Field(ge=1)
    rays: int = Field(ge=1)
    source_views: tuple[int, int]
    mixed_view_counts: bool = False
    target_views: int | None = Field(default=None, ge=1)
    include_source_targets: bool = True
    box_until_step: int = Field(default=0, ge=0)
    resolution_scales: tuple[float, ...] = Field(default=(1.0,), min_length=1)

    @field_validator("resolution_scales")
    @classmethod
    def _are_whole_fractions(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        for scale in scales:
            if not 0 < scale <= 1 or abs(1 / scale - round(1 / scale)) > 1e-6:
                raise ValueError(f"{scale} is not 1 over a whole number")
        return scales

    @model_validator(mode="after")
    def _views_are_a_range(self) -> "BatchConfig":
        if not 0 <= self.source_views[0] <= self.source_views[1]:
            raise ValueError(f"source_views = {list(self.source_views)} is not a range [least, most]")
        return self


@dataclass(frozen=True)
class TrainBatch(TensorRecord):
    """Photos that are given, rays that are asked for, and their true colours in [0, 1]."""

    photos: Photos
    rays: Rays
    colors: Float[Tensor, "batch ray 3"]
    background: Float[Tensor, "batch 3"]
    names: tuple[str, ...]
