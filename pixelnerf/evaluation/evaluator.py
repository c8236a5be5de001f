"""Pictures of a scene's targets and their scores: a model's or from elsewhere, enhanced ones, and the baselines'."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pixelnerf.evaluation import methods
from pixelnerf.evaluation.methods import Enhancer, Images, Pictures, Renders
from pixelnerf.evaluation.protocol import Item, ProtocolConfig
from pixelnerf.evaluation.results import Measurement, Scores
from pixelnerf.images.metrics import LPIPS_SMALLEST_SIDE, Lpips, psnr, sharpness, ssim, truncate_to_8_bits
from pixelnerf.model.net import Net
from pixelnerf.scenes.rendering import RenderOptions, TimedRender, render_views
from pixelnerf.scenes.scene import Scene
from pixelnerf.types import ImageOutput


@dataclass(frozen=True)
class Made:
    """Pictures of all targets of an item from one number of photos: the method's own first, then others beside it.

    `outputs` are what a model rendered them with, in the same order as the targets; None for pictures from elsewhere.
    """

    pictures: Sequence[Pictures]
    outputs: Sequence[ImageOutput] | None = None


Method: TypeAlias = Callable[[Item, int], Made]
"""What is evaluated: from an item and one of its numbers of input photos to pictures of its targets."""


@dataclass(frozen=True)
class ModelMethod:
    """Renders an item's targets by a net, and enhances them; nothing is kept between items."""

    net: Net
    options: RenderOptions
    input_downscale: int
    enhancers: Sequence[Enhancer] = ()

    def __post_init__(self) -> None:
        self.net.to(self.options.device).eval()

    def __call__(self, item: Item, count: int) -> Made:
        """The pictures of an item's targets, from `count` photos."""
        inputs, targets = item.inputs[count], item.targets[count]
        views = self.render(item.scene, inputs, targets, 1 / item.downscale)
        renders = Renders(item, targets, views, partial(self.render, item.scene, inputs, targets))
        own = Pictures("model", "model", methods.colors(views), methods.mean_seconds(views))
        others = (enhancer.enhance(renders) for enhancer in self.enhancers)
        return Made([own, *others], [view.output for view in views])

    def render(
        self, scene: Scene, inputs: Sequence[int], targets: Sequence[int], scale: float = 1.0
    ) -> list[TimedRender]:
        """The targets as the model renders them at `scale` times the photos' size, from the input views."""
        return list(render_views(self.net, scene, inputs, targets, self.input_downscale, scale, self.options))


@dataclass(frozen=True)
class ShownView:
    """One target beside its truth, from `views` photos; `enhanced` are other pictures of it by their method.

    `output` has what a model knows besides the colour; None for pictures from elsewhere.
    """

    views: int
    target: int
    photos: Images
    truth: Float[Tensor, "height width 3"]
    color: Float[Tensor, "height width 3"]
    output: ImageOutput | None
    enhanced: dict[str, Float[Tensor, "height width 3"]]


@dataclass(frozen=True)
class Evaluation:
    """An item's scores; what a model rendered by the number of photos; and for each the target that a report shows."""

    measurements: tuple[Measurement, ...]
    renders: dict[int, Images]
    shown: tuple[ShownView, ...]


@dataclass(frozen=True)
class Evaluator:
    """Measures a method scene by scene."""

    method: Method
    protocol: ProtocolConfig
    lpips: Lpips | None = None

    def evaluate(self, item: Item) -> Evaluation:
        """Measures pictures of all targets of a scene for each number of photos."""
        scene, poses = item.scene, item.scene.cameras().poses
        subject = (item.group, scene.category, scene.name, item.size)
        measurements, renders, shown = [], {}, []
        for count, inputs in item.inputs.items():
            targets = item.targets[count]
            truths = scene_pictures(scene, targets, item.downscale)
            photos = self._given_photos(scene, inputs, truths)
            made = self.method(item, count)
            pictures = list(made.pictures)
            if made.outputs is not None:
                renders[count] = pictures[0].images
            if self.protocol.eight_bits:
                pictures = [replace(one, images=truncate_to_8_bits(one.images)) for one in pictures]
            copies = methods.baselines(photos, poses[list(inputs)], poses[list(targets)], scene.background)
            measurements += [
                Measurement(*subject, count, len(targets), one.method, one.kind, self._measure(one, truths))
                for one in (*pictures, *copies)
            ]
            position = targets.index(shown_target(item, count))
            colors = [one.images[position] for one in pictures]
            enhanced = {one.method: color for one, color in zip(pictures[1:], colors[1:], strict=True)}
            output = None if made.outputs is None else made.outputs[position]
            shown.append(ShownView(count, targets[position], photos, truths[position], colors[0], output, enhanced))
        return Evaluation(tuple(measurements), renders, tuple(shown))

    def _given_photos(self, scene: Scene, inputs: Sequence[int], truths: Images) -> Images:
        """The photos as the model gets them, brought to the size of the truths; larger by repeating their pixels."""
        if not inputs:
            return truths[:0]
        photos = [scene_pictures(scene, [view], self.protocol.input_downscale).movedim(-1, 1) for view in inputs]
        height, width = truths.shape[1:3]
        return torch.cat([F.interpolate(photo, (height, width), mode="area") for photo in photos]).movedim(1, -1)

    def _measure(self, pictures: Pictures, truths: Images) -> Scores:
        pairs = list(zip(pictures.images, truths, strict=True))
        lpips = self.lpips if min(truths.shape[1:3]) >= LPIPS_SMALLEST_SIDE else None
        return Scores(
            psnr=fmean(psnr(image, truth) for image, truth in pairs),
            ssim=fmean(ssim(image, truth, self.protocol.ssim) for image, truth in pairs),
            lpips=None if lpips is None else fmean(lpips(pictures.images, truths)),
            sharpness=fmean(sharpness(image, truth) for image, truth in pairs),
            seconds=pictures.seconds,
        )


def scene_pictures(scene: Scene, views: Sequence[int], downscale: int) -> Images:
    """Photos of one size, shrunk by a whole number (means over squares of pixels)."""
    return methods.downscaled(scene.images(views).movedim(1, -1), downscale)


def shown_target(item: Item, count: int) -> int:
    """The target that a report shows: the middle one, and the same for every number of input views if there is such."""
    common = set.intersection(*(set(views) for views in item.targets.values()))
    candidates = [view for view in item.targets[count] if view in common] or item.targets[count]
    return candidates[len(candidates) // 2]
