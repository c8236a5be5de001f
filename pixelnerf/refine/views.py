"""The inputs of refiners: rendered views, a reference photo, and training patches."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from pixelnerf.types import Cameras, TensorRecord


@dataclass(frozen=True)
class RenderedView(TensorRecord):
    """A render in [0, 1], and each pixel's surface point in the world and opacity."""

    color: Float[Tensor, "3 height width"]
    points: Float[Tensor, "height width 3"]
    opacity: Float[Tensor, "height width"]


@dataclass(frozen=True)
class ReferenceView(TensorRecord):
    """A photo in [0, 1] and its camera (no batch axis)."""

    color: Float[Tensor, "3 height width"]
    camera: Cameras


@dataclass(frozen=True)
class Candidates(TensorRecord):
    """For each patch of a render, patches of the reference photo that might show the same surface, where `valid`."""

    colors: Float[Tensor, "patch candidate 3 side side"]
    valid: Bool[Tensor, "patch candidate"]


@dataclass(frozen=True)
class PatchBatch(TensorRecord):
    """Training patches as rendered and their true photos; candidates if the refiner uses a reference."""

    rendered: Float[Tensor, "patch 3 side side"]
    truth: Float[Tensor, "patch 3 side side"]
    candidates: Candidates | None
