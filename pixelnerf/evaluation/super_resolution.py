"""What stands beside a model's renders where they are finer than its training: refined ones, and plain enlargement."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pixelnerf.checkpoints.checkpoint import LoadedRefiner
from pixelnerf.errors import UserError
from pixelnerf.evaluation.resolved import Item, ResolvedProtocol
from pixelnerf.refine.reference import ReferenceRefinerConfig
from pixelnerf.refine.views import ReferenceView, RenderedView
from pixelnerf.scenes.scene import Scene, SceneDataset

Pictures = Float[Tensor, "view height width 3"]


@dataclass(frozen=True)
class SuperResolution:
    """Which methods are measured besides the model itself.

    Attributes:
        refiners: one of each kind at most.
        bicubic: how much smaller the render is that the bicubic baseline enlarges; None for no such baseline.
        supersample: by how many sub-pixels a side the model was trained; its low-resolution pixels are their means.
        training_scenes: by name, for the reference photos that a refiner looks at.
    """

    refiners: tuple[LoadedRefiner, ...] = ()
    bicubic: int | None = None
    supersample: int = 1
    training_scenes: dict[str, Scene] = field(default_factory=dict)

    def check(self, resolved: ResolvedProtocol) -> None:
        """Makes sure that every scene can be measured by every method.

        Raises:
            UserError: a size that cannot be shrunk, a scene without a reference, or two refiners of a kind.
        """
        names = [refiner.own.name for refiner in self.refiners]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"two refiners of the kind '{repeated}' cannot stand in one table; give one")
        for item in resolved.items:
            if self.bicubic is not None and any(int(side) % self.bicubic for side in item.size.split("x")):
                raise UserError(f"bicubic={self.bicubic} does not divide {item.size}, the size of '{item.scene.name}'")
            for refiner in self.refiners:
                self.reference(refiner, item)

    def reference(self, refiner: LoadedRefiner, item: Item) -> ReferenceView | None:
        """The photo that a refiner looks at, at the size of the item's targets; None if it looks at none.

        Raises:
            UserError: the training split has no such photo.
        """
        if not isinstance(refiner.own, ReferenceRefinerConfig):
            return None
        view, scene = refiner.own.reference_view, self.training_scenes.get(item.scene.name)
        if scene is None or view >= scene.num_views:
            raise UserError(
                f"the reference refiner looks at training view {view} of each scene, "
                f"which '{item.scene.name}' does not have"
            )
        photo = scene.images([view])
        photo = photo if item.downscale == 1 else F.avg_pool2d(photo, item.downscale)
        return ReferenceView(photo[0], scene.cameras()[view].scaled(1 / item.downscale))


def training_scenes(dataset: SceneDataset, refiners: Sequence[LoadedRefiner]) -> dict[str, Scene]:
    """The training split by name if a refiner looks at it; otherwise it need not even be there."""
    if not any(refiner.refiner.needs_reference for refiner in refiners):
        return {}
    return {scene.name: scene for scene in dataset.scenes("train")}


@torch.inference_mode()
def refine_views(
    refiner: LoadedRefiner, views: Sequence[RenderedView], reference: ReferenceView | None, device: torch.device
) -> tuple[Pictures, float]:
    """The refined views on the CPU, and the mean seconds of one."""
    net = refiner.refiner.to(device)
    there = reference.to(device) if reference is not None else None
    start = time.perf_counter()
    refined = [net.refine(view.to(device), there).movedim(0, -1).cpu() for view in views]
    return torch.stack(refined), (time.perf_counter() - start) / len(views)


def downscaled(pictures: Pictures, downscale: int) -> Pictures:
    """Means over squares of pixels."""
    return F.avg_pool2d(pictures.movedim(-1, 1), downscale).movedim(1, -1)


def enlarge(pictures: Pictures, factor: int) -> Pictures:
    """Bicubic interpolation, clipped to [0, 1]."""
    found = F.interpolate(pictures.movedim(-1, 1), scale_factor=factor, mode="bicubic", align_corners=False)
    return found.clamp(0.0, 1.0).movedim(1, -1)
