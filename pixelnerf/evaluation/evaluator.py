"""Renders the targets of a scene and measures them: the model's, and the baselines'."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pixelnerf.evaluation.baselines import Method, baseline_pictures
from pixelnerf.evaluation.protocol import ProtocolConfig
from pixelnerf.evaluation.resolved import Item
from pixelnerf.evaluation.super_resolution import SuperResolution, downscaled, enlarge, refine_views
from pixelnerf.images.metrics import LPIPS_SMALLEST_SIDE, Lpips, psnr, sharpness, ssim, truncate_to_8_bits
from pixelnerf.model.image import ImageOutput
from pixelnerf.model.net import Net
from pixelnerf.scenes.rendering import RenderOptions, TimedRender, render_views, rendered_view
from pixelnerf.scenes.scene import Scene

Timed = tuple[Float[Tensor, "target height width 3"], float]
"""Pictures of all targets, and the seconds that one takes."""


@dataclass(frozen=True)
class Scores:
    """Means over a scene's targets: PSNR in dB, SSIM, LPIPS, sharpness against the truth, and seconds to make one.

    None was not measured, or, of seconds, takes none.
    """

    psnr: float
    ssim: float
    lpips: float | None
    sharpness: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class SceneScores:
    """A scene's scores at one size of its targets, by the number of input views and then by the method."""

    group: str
    category: str
    scene: str
    size: str
    targets: dict[int, int]
    scores: dict[int, dict[Method, Scores]]


@dataclass(frozen=True)
class ShownView:
    """One target beside its truth, from a number of input views, as it was measured; `others` are other methods'."""

    view: int
    inputs: Float[Tensor, "view height width 3"]
    truth: Float[Tensor, "height width 3"]
    output: ImageOutput
    others: dict[Method, Float[Tensor, "height width 3"]]


@dataclass(frozen=True)
class Evaluation:
    """A scene's scores, and the target that a report shows, by the number of input views."""

    result: SceneScores
    shown: dict[int, ShownView]


class Evaluator:
    """Measures a net scene by scene; nothing is kept between scenes."""

    def __init__(
        self,
        net: Net,
        protocol: ProtocolConfig,
        options: RenderOptions,
        lpips: Lpips | None = None,
        super_resolution: SuperResolution | None = None,
    ) -> None:
        self._net = net.to(options.device).eval()
        self._protocol = protocol
        self._options = options
        self._lpips = lpips
        self._super_resolution = super_resolution or SuperResolution()

    def evaluate(self, item: Item) -> Evaluation:
        """Renders and measures all targets of a scene for each number of input views."""
        scores, shown = {}, {}
        for count, inputs in item.inputs.items():
            targets = item.targets[count]
            truths = scene_pictures(item.scene, targets, item.downscale)
            renders = self.render(item.scene, inputs, targets, 1 / item.downscale)
            made: dict[Method, Timed] = {"model": (_colors(renders), _mean([render.seconds for render in renders]))}
            made |= self._refined(item, targets, renders) | self._enlarged(item, inputs, targets, renders)
            if self._protocol.eight_bits:
                made = {method: (truncate_to_8_bits(images), seconds) for method, (images, seconds) in made.items()}
            poses = item.scene.cameras().poses
            photos = self._given_photos(item.scene, inputs, truths)
            pictures = baseline_pictures(photos, poses[list(inputs)], poses[list(targets)], item.scene.background)
            scores[count] = {method: self._measure(images, truths, None) for method, images in pictures.items()}
            scores[count] |= {
                method: self._measure(images, truths, seconds) for method, (images, seconds) in made.items()
            }
            position = targets.index(shown_target(item, count))
            others: dict[Method, Tensor] = {
                method: images[position] for method, (images, _) in made.items() if method != "model"
            }
            shown[count] = ShownView(targets[position], photos, truths[position], renders[position].output, others)
        counts = {count: len(targets) for count, targets in item.targets.items()}
        return Evaluation(SceneScores(item.group, item.category, item.scene.name, item.size, counts, scores), shown)

    def render(
        self, scene: Scene, inputs: Sequence[int], targets: Sequence[int], scale: float = 1.0
    ) -> list[TimedRender]:
        """The targets as the model renders them at `scale` times the photos' size, from the input views."""
        downscale = self._protocol.input_downscale
        return list(render_views(self._net, scene, inputs, targets, downscale, scale, self._options))

    def _refined(self, item: Item, targets: Sequence[int], renders: Sequence[TimedRender]) -> dict[Method, Timed]:
        refiners = self._super_resolution.refiners
        if not refiners:
            return {}
        cameras = item.scene.cameras().scaled(1 / item.downscale)
        views = [
            rendered_view(render.output, cameras[target], self._net, item.scene)
            for target, render in zip(targets, renders, strict=True)
        ]
        rendering = _mean([render.seconds for render in renders])
        made: dict[Method, Timed] = {}
        for refiner in refiners:
            reference = self._super_resolution.reference(refiner, item)
            images, seconds = refine_views(refiner, views, reference, self._options.device)
            made[refiner.own.name] = (images, rendering + seconds)
        return made

    def _enlarged(
        self, item: Item, inputs: Sequence[int], targets: Sequence[int], renders: Sequence[TimedRender]
    ) -> dict[Method, Timed]:
        """The bicubic baseline: a low-resolution pixel is rendered as in training, as a mean of sub-pixels."""
        factor, sub_pixels = self._super_resolution.bicubic, self._super_resolution.supersample
        if factor is None:
            return {}
        if factor != sub_pixels:
            renders = self.render(item.scene, inputs, targets, sub_pixels / (item.downscale * factor))
        small = downscaled(_colors(renders), sub_pixels)
        return {"bicubic": (enlarge(small, factor), _mean([render.seconds for render in renders]))}

    def _given_photos(
        self, scene: Scene, inputs: Sequence[int], truths: Float[Tensor, "target height width 3"]
    ) -> Float[Tensor, "view height width 3"]:
        """The photos as the model gets them, brought to the size of the truths; larger by repeating their pixels."""
        if not inputs:
            return truths[:0]
        photos = [scene_pictures(scene, [view], self._protocol.input_downscale).movedim(-1, 1) for view in inputs]
        height, width = truths.shape[1:3]
        return torch.cat([F.interpolate(photo, (height, width), mode="area") for photo in photos]).movedim(1, -1)

    def _measure(
        self,
        images: Float[Tensor, "target height width 3"],
        truths: Float[Tensor, "target height width 3"],
        seconds: float | None,
    ) -> Scores:
        pairs = list(zip(images, truths, strict=True))
        use_lpips = self._lpips is not None and min(truths.shape[1:3]) >= LPIPS_SMALLEST_SIDE
        return Scores(
            psnr=_mean([psnr(image, truth) for image, truth in pairs]),
            ssim=_mean([ssim(image, truth, self._protocol.ssim) for image, truth in pairs]),
            lpips=_mean(self._lpips(images, truths)) if use_lpips and self._lpips is not None else None,
            sharpness=_mean([sharpness(image, truth) for image, truth in pairs]),
            seconds=seconds,
        )


def scene_pictures(scene: Scene, views: Sequence[int], downscale: int) -> Float[Tensor, "view height width 3"]:
    """Photos of one size, shrunk by a whole number (means over squares of pixels)."""
    images = scene.images(views)
    return (images if downscale == 1 else F.avg_pool2d(images, downscale)).movedim(1, -1)


def shown_target(item: Item, count: int) -> int:
    """The target that a report shows: the middle one, and the same for every number of input views if there is such."""
    common = set.intersection(*(set(views) for views in item.targets.values()))
    candidates = [view for view in item.targets[count] if view in common] or item.targets[count]
    return candidates[len(candidates) // 2]


def _colors(renders: Sequence[TimedRender]) -> Float[Tensor, "target height width 3"]:
    return torch.stack([render.output.color for render in renders])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
