"""Post-processors, which make further pictures from a model's renders: refined ones, and plain enlargements."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from pixelnerf.checkpoints.checkpoint import LoadedRefiner
from pixelnerf.errors import UserError
from pixelnerf.evaluation.resolved import Item
from pixelnerf.evaluation.results import Kind
from pixelnerf.model.net import Net
from pixelnerf.refine.reference import ReferenceRefinerConfig
from pixelnerf.refine.views import ReferenceView
from pixelnerf.scenes.photos import scene_photos
from pixelnerf.scenes.rendering import TimedRender, rendered_view
from pixelnerf.scenes.scene import Scene

Images = Float[Tensor, "view height width 3"]


@dataclass(frozen=True)
class Renders:
    """A model's renders of an item's targets; `at_scale` renders them at another scale of the photos' size."""

    item: Item
    targets: tuple[int, ...]
    views: Sequence[TimedRender]
    at_scale: Callable[[float], Sequence[TimedRender]]


@dataclass(frozen=True)
class Pictures:
    """One method's pictures of all targets, and the mean seconds for one; None if nothing had to be rendered."""

    method: str
    kind: Kind
    images: Images
    seconds: float | None


class Enhancer(ABC):
    """A post-processor; its pictures are measured and shown beside the model's."""

    @abstractmethod
    def check(self, item: Item) -> None:
        """Checks, before anything is rendered, that the item can be processed.

        Raises:
            UserError: it cannot.
        """

    @abstractmethod
    def enhance(self, renders: Renders) -> Pictures:
        """The method's pictures of the same targets; their seconds include rendering."""


@dataclass(frozen=True)
class Refinement(Enhancer):
    """Renders after a refiner; a refiner may look at a photo of the `training_scenes`, which are by name."""

    refiner: LoadedRefiner
    net: Net
    device: torch.device
    training_scenes: Mapping[str, Scene]

    @override
    def check(self, item: Item) -> None:
        self._reference(item)

    @override
    @torch.inference_mode()
    def enhance(self, renders: Renders) -> Pictures:
        refiner, item = self.refiner.refiner.to(self.device), renders.item
        cameras = item.scene.cameras().scaled(1 / item.downscale)
        views = [
            rendered_view(render.output, cameras[target], self.net, item.scene)
            for target, render in zip(renders.targets, renders.views, strict=True)
        ]
        reference = self._reference(item)
        reference = None if reference is None else reference.to(self.device)
        start = time.perf_counter()
        refined = [refiner.refine(view.to(self.device), reference).movedim(0, -1).cpu() for view in views]
        seconds = (time.perf_counter() - start) / len(views)
        return Pictures(self.refiner.own.name, "refined", torch.stack(refined), mean_seconds(renders.views) + seconds)

    def _reference(self, item: Item) -> ReferenceView | None:
        """The photo that the refiner looks at, at the size of the item's targets; None if it looks at none."""
        if not isinstance(self.refiner.own, ReferenceRefinerConfig):
            return None
        view, scene = self.refiner.own.reference_view, self.training_scenes.get(item.scene.name)
        if scene is None or view >= scene.num_views:
            raise UserError(
                f"the reference refiner looks at training view {view} of each scene, "
                f"which '{item.scene.name}' does not have"
            )
        photos = scene_photos(scene, [view], item.downscale)
        return ReferenceView(photos.images[0, 0], photos.cameras[0, 0])


@dataclass(frozen=True)
class Bicubic(Enhancer):
    """The model's render at 1/`factor` of the size, enlarged.

    `supersample` is by how many sub-pixels a side the model was trained: its low-resolution pixels are their means.
    """

    factor: int
    supersample: int

    @override
    def check(self, item: Item) -> None:
        if any(int(side) % self.factor for side in item.size.split("x")):
            raise UserError(f"bicubic={self.factor} does not divide {item.size}, the size of '{item.scene.name}'")

    @override
    def enhance(self, renders: Renders) -> Pictures:
        views = renders.views
        if self.factor != self.supersample:
            views = renders.at_scale(self.supersample / (renders.item.downscale * self.factor))
        small = downscaled(colors(views), self.supersample)
        return Pictures("bicubic", "baseline", enlarge(small, self.factor), mean_seconds(views))


def colors(renders: Sequence[TimedRender]) -> Images:
    """The renders as pictures."""
    return torch.stack([render.output.color for render in renders])


def mean_seconds(renders: Sequence[TimedRender]) -> float:
    """The mean seconds for one render."""
    return fmean(render.seconds for render in renders)


def downscaled(images: Images, downscale: int) -> Images:
    """Means over squares of pixels."""
    return F.avg_pool2d(images.movedim(-1, 1), downscale).movedim(1, -1)


def enlarge(images: Images, factor: int) -> Images:
    """Bicubic interpolation, clipped to [0, 1]."""
    found = F.interpolate(images.movedim(-1, 1), scale_factor=factor, mode="bicubic", align_corners=False)
    return found.clamp(0.0, 1.0).movedim(1, -1)
