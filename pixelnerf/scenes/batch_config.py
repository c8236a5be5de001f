"""The configuration of training batches."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from pixelnerf.config import Config
from pixelnerf.scenes.photo_damage import PhotoDamageConfig


class BatchConfig(Config):
    """A training batch.

    Attributes:
        objects: scenes per batch.
        rays: rays per scene.
        source_views: minimum and maximum number of input photos, drawn uniformly; (0, 0) for models without photos.
        mixed_view_counts: draw the number of photos per scene, not once per batch.
        target_views: rays come from this many views of a scene; None for all of them.
        include_source_targets: whether input photos can be targets, too.
        box_until_step: before this step, rays go through the bounding box of the object's mask.
        downscales: whole-number factors, one drawn uniformly per ray to downscale its view. Drawing sizes uniformly is
            mip-NeRF's multiscale loss, whose weights compensate for drawing them by pixel count.
        coarse_first: factors that downscale all views early on, and the steps they end before. `[[4, 1000], [2, 3000]]`
            downscales by 4 before step 1,000, then by 2 before step 3,000; after that `downscales` applies. Wide cones
            see no fine position codes, and a small photo has few pixels, so a scene's shape is found sooner.
        unbounded_share: probability that a scene in a cube (`half_side`) is sampled from near to far all the same, so
            that the model stays empty outside for renders without a cube.
        supersample: each pixel is the mean of N x N sub-pixels with cones N times thinner (NeRF-SR); the model can then
            render at N times the photos' resolution.
        color_jitter: strength of a random change of each scene's colours, inputs and targets alike; for photos of real
            scenes, since it changes a plain background, too.
        up_error: standard deviation in degrees by which a scene's direction of up is wrong, about either level axis.
        unknown_up_share: probability that it is unknown.
        photo_damage: what the input photos, but not the targets, suffer; None for nothing.
    """

    objects: int = Field(ge=1)
    rays: int = Field(ge=1)
    source_views: tuple[int, int]
    mixed_view_counts: bool
    target_views: int | None = Field(ge=1)
    include_source_targets: bool
    box_until_step: int = Field(ge=0)
    downscales: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    coarse_first: tuple[tuple[int, int], ...]
    unbounded_share: float = Field(ge=0, le=1)
    supersample: int = Field(ge=1, le=8)
    color_jitter: float = Field(ge=0, le=0.5)
    up_error: float = Field(ge=0, le=45)
    unknown_up_share: float = Field(ge=0, le=1)
    photo_damage: PhotoDamageConfig | None

    @field_validator("coarse_first")
    @classmethod
    def _gets_finer(cls, stages: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        finer = all(a > b for a, b in pairwise([*(downscale for downscale, _ in stages), 1]))
        later = all(a < b for a, b in pairwise([0, *(end for _, end in stages)]))
        if not (finer and later):
            raise ValueError(
                f"{[list(stage) for stage in stages]} is not a list of [DOWNSCALE, BEFORE_STEP] with decreasing "
                "factors above 1 and increasing steps"
            )
        return stages

    @model_validator(mode="after")
    def _views_are_a_range(self) -> "BatchConfig":
        if not 0 <= self.source_views[0] <= self.source_views[1]:
            raise ValueError(f"source_views = {list(self.source_views)} is not a range [minimum, maximum]")
        return self
