"""What is measured beside a model's renders: refined ones, plain enlargements, and baselines that cost nothing."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from pixelnerf.checkpoints.checkpoint import LoadedRefiner
from pixelnerf.errors import UserError
from pixelnerf.evaluation.protocol import Item
from pixelnerf.evaluation.results import Kind
from pixelnerf.model.net import Net
from pixelnerf.refine.reference import ReferenceRefinerConfig
from pixelnerf.refine.refiner import ReferenceView
from pixelnerf.scenes.photos import scene_photos
from pixelnerf.scenes.rendering import TimedRender, rendered_view
from pixelnerf.scenes.scene import Scene

Images: TypeAlias = Float[Tensor, "view height width 3"]


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


@dataclass(frozen=True)
class Refinement:
    """Renders after a refiner, which may look at a photo of the `training_scenes`; these are by name."""

    refiner: LoadedRefiner
    net: Net
    device: torch.device
    training_scenes: Mapping[str, Scene]

    def check(self, item: Item) -> None:
        """Raises a UserError, before anything is rendered, if the item lacks the photo that the refiner looks at."""
        self._reference(item)

    @torch.inference_mode()
    def enhance(self, renders: Renders) -> Pictures:
        """The same targets refined; the seconds include rendering."""
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
class Bicubic:
    """The model's render at 1/`factor` of the size, enlarged.

    `supersample` is by how many sub-pixels a side the model was trained: its low-resolution pixels are their means.
    """

    factor: int
    supersample: int

    def check(self, item: Item) -> None:
        """Raises a UserError, before anything is rendered, if the item's size is no multiple of the factor."""
        if any(int(side) % self.factor for side in item.size.split("x")):
            raise UserError(f"bicubic={self.factor} does not divide {item.size}, the size of '{item.scene.name}'")

    def enhance(self, renders: Renders) -> Pictures:
        """The same targets enlarged; the seconds are the small render's."""
        views = renders.views
        if self.factor != self.supersample:
            views = renders.at_scale(self.supersample / (renders.item.downscale * self.factor))
        small = downscaled(colors(views), self.supersample)
        return Pictures("bicubic", "baseline", enlarge(small, self.factor), mean_seconds(views))


Enhancer = Refinement | Bicubic
"""A post-processor, whose pictures are measured and shown beside the model's."""


def baselines(
    photos: Images,
    input_poses: Float[Tensor, "view 4 4"],
    target_poses: Float[Tensor, "target 4 4"],
    background: tuple[float, float, float],
) -> list[Pictures]:
    """The nearest photo unchanged (if there are photos), and an empty scene: what a model has to beat."""
    empty = torch.tensor(background, dtype=photos.dtype).expand(len(target_poses), *photos.shape[1:])
    pictures = {"background": empty}
    if len(photos):
        pictures = {"nearest_view": photos[nearest_views(input_poses, target_poses)], **pictures}
    return [Pictures(method, "baseline", images, None) for method, images in pictures.items()]


def nearest_views(
    input_poses: Float[Tensor, "view 4 4"], target_poses: Float[Tensor, "target 4 4"]
) -> Int[Tensor, "target"]:
    """For each target the input whose camera looks in the most similar direction; poses are camera-to-world, OpenCV.

    Among equal directions, as of cameras side by side, the input whose camera is closest.
    """
    differences = target_poses[:, None, :3].double() - input_poses[None, :, :3].double()
    directions, distances = differences[..., 2:].square().sum(-2).unbind(-1)
    # Rounding must not decide between equal directions, so the distance weighs a millionth beside them.
    return (directions + 1e-6 * distances / distances.max().clamp_min(1e-12)).argmin(-1)


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
