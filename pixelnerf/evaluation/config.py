"""What an evaluation is composed of."""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from pixelnerf.config import AnyConfig, Config, WrittenPath
from pixelnerf.evaluation.protocol import ProtocolConfig
from pixelnerf.evaluation.shard import OptionalShard
from pixelnerf.model.occupied import Quality
from pixelnerf.tools.device import Precision


class EvaluationConfig(Config):
    """What `eval_fewshot.py` composes.

    Attributes:
        checkpoint: a `.ckpt` of a training run, or a shared `.safetensors`; None for `renders`.
        renders: a folder of pictures that any method rendered, in the layout of `pixelnerf.evaluation.renders`.
        dataset: a reader's configuration.
        output: the folder of the results; None for `evaluation/<protocol>` in the training run's own folder, or for
            `<renders>_evaluation/<protocol>`.
        device: a torch device, or "auto" for a GPU where there is one.
        rays_per_chunk: rays that are rendered at once, which bounds the memory that is used; None for what is fast.
        refiners: their checkpoints, whose results stand beside the model's; one path or several.
        bicubic: also enlarge the model's render at 1 over this size, bicubically.
        shard: "3/16" for the third of 16 parts that share one output folder; None for the rank that SLURM or torchrun
            gives this process, and without one for all scenes.
        quality: "exact", or one of the faster ones, which are noted in the results.
        turntables: whether the report shows some objects turning, and links pages to turn them by hand; of models whose
            objects can be baked.
        precision: of products; bfloat16 is noted in the results, too, and "auto" is that where it is faster.
    """

    checkpoint: WrittenPath | None
    renders: WrittenPath | None
    output: WrittenPath | None
    protocol: ProtocolConfig
    dataset: AnyConfig
    device: str
    rays_per_chunk: int | None = Field(ge=1)
    quality: Quality
    precision: Precision
    refiners: tuple[WrittenPath, ...]
    bicubic: int | None = Field(ge=2)
    shard: OptionalShard
    turntables: bool

    @field_validator("refiners", mode="before")
    @classmethod
    def _one_is_several(cls, value: Any) -> Any:
        return () if value is None else [value] if isinstance(value, str | Path) else value
