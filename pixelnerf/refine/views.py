"""What refiners get: rendered views, the reference photo, and training patches of them."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from pixelnerf.types import Cameras, TensorRecord


@dataclass(frozen=True)
class RenderedView(TensorRecord):
    """A render in [0, 1], and for each of its pixels the surface point in the world and the opacity."""

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
    """For each patch of a render the patches of the reference photo that may show the same; `valid` where they do."""

    colors: Float[Tensor, "patch candidate 3 side side"]
    valid: Bool[Tensor, "patch candidate"]


@dataclass(frozen=True)
class PatchBatch(TensorRecord):
    """Training patches as rendered and as they should be; candidates for a refiner that looks at a reference."""

    rendered: Float[Tensor, "patch 3 side side"]
    truth: Float[Tensor, "patch 3 side side"]
    candidates: Candidates | None
