"""Image metrics as the papers measure them: PSNR, SSIM as in pixelNeRF or mip-NeRF, LPIPS on VGG16."""

import math
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from skimage.metrics import structural_similarity
from torch import Tensor
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
from torchvision.models import VGG16_Weights

PSNR_CEILING = 100.0
"""dB: what equal pictures score, so that means over views stay finite."""

FLAT = 1e-6
"""Mean gradient magnitude that no picture of 8 bits has unless it is of a single colour."""

SsimWindow = Literal["uniform", "gaussian"]
SMALLEST_SIDE: dict[SsimWindow, int] = {"uniform": 7, "gaussian": 11}
"""Pixels: the window of SSIM must fit into a picture."""

LPIPS_SMALLEST_SIDE = 16
"""Pixels: VGG16 halves a picture four times before its last used layer."""


def truncate_to_8_bits(image: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """What a picture in [0, 1] is after being saved with 8 bits, cut off instead of rounded as pixelNeRF does."""
    return (image.clamp(0.0, 1.0) * 255).floor() / 255


def psnr(image: Float[Tensor, "*shape"], truth: Float[Tensor, "*shape"]) -> float:
    """Peak signal-to-noise ratio in dB for values in [0, 1], at most 100.

    A constant error of 0.1 scores 20 dB.
    """
    error = float((image - truth).double().square().mean())
    return PSNR_CEILING if error <= 0.0 else min(-10 * math.log10(error), PSNR_CEILING)


def ssim(image: Float[Tensor, "height width 3"], truth: Float[Tensor, "height width 3"], window: SsimWindow) -> float:
    """Structural similarity of values in [0, 1], the mean over channels.

    "uniform" is scikit-image's default, as in pixelNeRF: 7x7 pixels, sample covariance. "gaussian" is mip-NeRF's, and
    the SSIM paper's: 11x11 pixels, sigma 1.5, the border left out. Pictures are at least as large as the window.
    """
    options = {"uniform": {}, "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}}
    value: Any = structural_similarity(
        image.cpu().numpy(), truth.cpu().numpy(), data_range=1.0, channel_axis=-1, **options[window]
    )
    return float(value)


def sharpness(image: Float[Tensor, "height width 3"], truth: Float[Tensor, "height width 3"]) -> float:
    """The image's mean gradient magnitude over the truth's: 1 is as sharp as the truth, less is blurred.

    Gradients are differences of neighbouring pixels. Noise and wrong details count as sharp, too, so the figure only
    means something beside PSNR. Two flat pictures score 1.
    """
    image_sum, truth_sum = (float(_gradient_magnitude(picture)) for picture in (image, truth))
    return (image_sum + FLAT) / (truth_sum + FLAT)


def _gradient_magnitude(image: Float[Tensor, "height width 3"]) -> Float[Tensor, ""]:
    image = image.double()
    down, right = image.diff(dim=0)[:, :-1], image.diff(dim=1)[:-1]
    return (down.square() + right.square()).sqrt().mean()


def average_error(psnr: float, ssim: float, lpips: float) -> float:
    """One number of three, as mip-NeRF's tables have it: the geometric mean of MSE, sqrt(1 - SSIM) and LPIPS.

    PSNR 30 dB, SSIM 0.96 and LPIPS 0.04 give 0.02.
    """
    return (10 ** (-psnr / 10) * math.sqrt(max(1 - ssim, 0.0)) * lpips) ** (1 / 3)


class Lpips:
    """LPIPS (Zhang et al., 2018) on VGG16; smaller is more alike."""

    def __init__(self, device: torch.device) -> None:
        self._metric = LearnedPerceptualImagePatchSimilarity(net_type="vgg", normalize=True).to(device)
        self._device = device

    @torch.inference_mode()
    def __call__(
        self, images: Float[Tensor, "image height width 3"], truths: Float[Tensor, "image height width 3"]
    ) -> list[float]:
        """One value for each pair of pictures in [0, 1], which are at least 16 pixels wide and high."""
        values = []
        for image, truth in zip(images, truths, strict=True):
            pair = (picture.movedim(-1, 0)[None].to(self._device) for picture in (image, truth))
            values.append(float(self._metric(*pair)))
            self._metric.reset()
        return values


def lpips_problem() -> str | None:
    """Why LPIPS cannot be measured here, or None if it can. Nothing is ever downloaded for it."""
    weights = Path(torch.hub.get_dir()) / "checkpoints" / Path(VGG16_Weights.IMAGENET1K_V1.url).name
    if weights.is_file():
        return None
    return f"LPIPS not measured: torchvision's VGG16 weights ({weights.name}) are not in torch's cache (see TORCH_HOME)"
