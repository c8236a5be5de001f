"""Renders the targets of a scene and measures them: the model's, and the baselines'."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from datasets.image_files import area_mean
from datasets.photos import scene_photos
from datasets.scene import Scene
from pixelnerf.evaluation.baselines import Method, baseline_pictures
from pixelnerf.evaluation.manifest import Item
from pixelnerf.evaluation.metrics import LPIPS_SMALLEST_SIDE, Lpips, psnr, ssim, truncate_to_8_bits
from pixelnerf.evaluation.protocol import ProtocolConfig
from pixelnerf.model.image import ImageOutput, render_image
from pixelnerf.model.net import Net


@dataclass(frozen=True)
class Scores:
    """Means over a scene's targets: PSNR in dB, SSIM, and LPIPS, which is None where it was not measured."""

    psnr: float
    ssim: float
    lpips: float | None


@dataclass(frozen=True)
class SceneScores:
    """A scene's scores, by the number of input views and then by the method."""

    group: str
    category: str
    scene: str
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
    ) -> None:
        self._net = net.to(device).eval()
        self._protocol = protocol
        self._device = device
        self._rays_per_chunk = rays_per_chunk
        self._lpips = lpips

    def evaluate(self, item: Item) -> Evaluation:
        """Renders and measures all targets of a scene for each number of input views."""
        scores, shown = {}, {}
        for count, inputs in item.inputs.items():
            targets = item.targets[count]
            truths = self.truths(item.scene, targets)
            renders = self.render(item.scene, inputs, targets)
            model = torch.stack([render.color for render in renders])
            if self._protocol.eight_bits:
                model = truncate_to_8_bits(model)
            poses = item.scene.cameras().poses
            photos = self.truths(item.scene, inputs) if inputs else truths[:0]
            pictures = baseline_pictures(photos, poses[list(inputs)], poses[list(targets)], item.scene.background)
            scores[count] = {method: self._measure(images, truths) for method, images in pictures.items()}
            scores[count]["model"] = self._measure(model, truths)
            place = targets.index(shown_target(item, count))
            shown[count] = ShownView(targets[place], photos, truths[place], renders[place])
        counts = {count: len(targets) for count, targets in item.targets.items()}
        return Evaluation(SceneScores(item.group, item.category, item.scene.name, counts, scores), shown)

    @torch.inference_mode()
    def render(self, scene: Scene, inputs: Sequence[int], targets: Sequence[int]) -> list[ImageOutput]:
        """The targets as the model renders them from the input views, which are encoded once; on the CPU."""
        features = self._net.encode(scene_photos(scene, inputs).to(self._device))
        cameras = scene.cameras().scaled(1 / self._protocol.downscale).to(self._device)
        background = torch.tensor(scene.background, device=self._device)
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
            ).to("cpu")
            for target in targets
        ]

    def truths(self, scene: Scene, views: Sequence[int]) -> Float[Tensor, "view height width 3"]:
        """Photos at the size at which they are compared."""
        images = scene.images(views).movedim(1, -1)
        if self._protocol.downscale == 1:
            return images
        return torch.stack([torch.from_numpy(area_mean(image.numpy(), self._protocol.downscale)) for image in images])

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


def shown_target(item: Item, count: int) -> int:
    """The target that a report shows: the middle one, and the same for every number of input views if there is such."""
    common = set.intersection(*(set(views) for views in item.targets.values()))
    candidates = [view for view in item.targets[count] if view in common] or item.targets[count]
    return candidates[len(candidates) // 2]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
