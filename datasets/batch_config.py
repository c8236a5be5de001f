"""The configuration of training batches."""

from itertools import pairwise

from pydantic import Field, field_validator, model_validator

from pixelnerf.config import Config


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
        resolution_scales: each ray's view is shrunk by one of these, drawn uniformly; 1 over a whole number. Drawing
            scales alike is mip-NeRF's multiscale loss, whose weights make up for drawing them by their pixel counts.
        coarse_first: by what all views are shrunk, and before which step. `[[4, 1000], [2, 3000]]`: before step 1,000
            by 4, then before step 3,000 by 2; then `resolution_scales` holds. Wide cones see no fine position codes,
            and a small photo has few pixels, so a scene's shape is found sooner.
        unbounded_share: how often the rays of a scene with a cube that holds it (`half_side`) look everywhere between
            near and far nevertheless, so that the model stays empty outside, for whoever renders without a cube.
        supersample: each pixel is the mean of this many by this many sub-pixels' renders, whose cones are as much
            thinner (NeRF-SR); the model can then render at as many times the photos' resolution.
        color_jitter: strength of a random change of each scene's colours, photos and targets alike; for photos of real
            scenes, since it changes a plain background, too.
    """

    objects: int = Field(ge=1)
    rays: int = Field(ge=1)
    source_views: tuple[int, int]
    mixed_view_counts: bool = False
    target_views: int | None = Field(default=None, ge=1)
    include_source_targets: bool = True
    box_until_step: int = Field(default=0, ge=0)
    resolution_scales: tuple[float, ...] = Field(default=(1.0,), min_length=1)
    coarse_first: tuple[tuple[int, int], ...] = ()
    unbounded_share: float = Field(default=0.0, ge=0, le=1)
    supersample: int = Field(default=1, ge=1, le=8)
    color_jitter: float = Field(default=0.0, ge=0, le=0.5)

    @field_validator("resolution_scales")
    @classmethod
    def _are_whole_fractions(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        for scale in scales:
            if not 0 < scale <= 1 or abs(1 / scale - round(1 / scale)) > 1e-6:
                raise ValueError(f"{scale} is not 1 over a whole number")
        return scales

    @field_validator("coarse_first")
    @classmethod
    def _gets_finer(cls, stages: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        finer = all(a > b for a, b in pairwise([*(block for block, _ in stages), 1]))
        later = all(a < b for a, b in pairwise([0, *(end for _, end in stages)]))
        if not (finer and later):
            raise ValueError(
                f"{[list(stage) for stage in stages]} is not a list of [SHRUNK_BY, BEFORE_STEP] with ever smaller "
                "factors above 1 and ever later steps"
            )
        return stages

    @model_validator(mode="after")
    def _views_are_a_range(self) -> "BatchConfig":
        if not 0 <= self.source_views[0] <= self.source_views[1]:
            raise ValueError(f"source_views = {list(self.source_views)} is not a range [least, most]")
        return self
