"""Renders the targets of a scene and measures them: the model's, and the baselines'."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from datasets.photos import scene_photos
from datasets.scene import Scene
from pixelnerf.evaluation.baselines import Method, baseline_pictures
from pixelnerf.evaluation.manifest import Item
from pixelnerf.evaluation.metrics import LPIPS_SMALLEST_SIDE, Lpips, psnr, ssim, truncate_to_8_bits
from pixelnerf.evaluation.protocol import ProtocolConfig
from pixelnerf.model.image import ImageOutput, check_quality, render_image
from pixelnerf.model.net import Net
from pixelnerf.model.sparse import Quality, shared_grid


@dataclass(frozen=True)
class Scores:
    """Means over a scene's targets: PSNR in dB, SSIM, and LPIPS, which is None where it was not measured."""

    psnr: float
    ssim: float
    lpips: float | None


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
    """One target beside its truth, from a number of input views, as it was measured."""

    view: int
    inputs: Float[Tensor, "view height width 3"]
    truth: Float[Tensor, "height width 3"]
    output: ImageOutput


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
        device: torch.device,
        rays_per_chunk: int | None = None,
        lpips: Lpips | None = None,
        quality: Quality = "exact",
    ) -> None:
        self._net = net.to(device).eval()
        self._protocol = protocol
        self._device = device
        self._rays_per_chunk = rays_per_chunk
        self._lpips = lpips
        self._quality: Quality = quality

    def evaluate(self, item: Item) -> Evaluation:
        """Renders and measures all targets of a scene for each number of input views."""
        scores, shown = {}, {}
        for count, inputs in item.inputs.items():
            targets = item.targets[count]
            truths = scene_pictures(item.scene, targets, item.downscale)
            renders = self.render(item.scene, inputs, targets, item.downscale)
            model = torch.stack([render.color for render in renders])
            if self._protocol.eight_bits:
                model = truncate_to_8_bits(model)
            poses = item.scene.cameras().poses
            photos = self._given_photos(item.scene, inputs, truths)
            pictures = baseline_pictures(photos, poses[list(inputs)], poses[list(targets)], item.scene.background)
            scores[count] = {method: self._measure(images, truths) for method, images in pictures.items()}
            scores[count]["model"] = self._measure(model, truths)
            place = targets.index(shown_target(item, count))
            shown[count] = ShownView(targets[place], photos, truths[place], renders[place])
        counts = {count: len(targets) for count, targets in item.targets.items()}
        return Evaluation(SceneScores(item.group, item.category, item.scene.name, item.size, counts, scores), shown)

    @torch.inference_mode()
    def render(
        self, scene: Scene, inputs: Sequence[int], targets: Sequence[int], downscale: int = 1
    ) -> list[ImageOutput]:
        """The targets as the model renders them from the input views, which are encoded once; on the CPU."""
        photos = scene_photos(scene, inputs, self._protocol.input_downscale)
        features = self._net.encode(photos.to(self._device))
        cameras = scene.cameras().scaled(1 / downscale).to(self._device)
        background = torch.tensor(scene.background, device=self._device)
        check_quality(self._net, self._quality, scene.ndc)
        grid = shared_grid(self._net, features, cameras[list(targets)], scene.near, scene.far, self._quality)
        return [
            render_image(
                self._net,
                features,
                cameras[target],
                scene.near,
                scene.far,
                background,
                self._rays_per_chunk,
                scene.ndc,
                self._quality,
                grid,
            ).to("cpu")
            for target in targets
        ]

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
        self, images: Float[Tensor, "target height width 3"], truths: Float[Tensor, "target height width 3"]
    ) -> Scores:
        pairs = list(zip(images, truths, strict=True))
        use_lpips = self._lpips is not None and min(truths.shape[1:3]) >= LPIPS_SMALLEST_SIDE
        return Scores(
            psnr=_mean([psnr(image, truth) for image, truth in pairs]),
            ssim=_mean([ssim(image, truth, self._protocol.ssim) for image, truth in pairs]),
            lpips=_mean(self._lpips(images, truths)) if use_lpips and self._lpips is not None else None,
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


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
