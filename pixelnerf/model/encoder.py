"""The image encoder: stages of a ResNet, each a map of features registered with the photo's pixels.

A ResNet's strided convolutions centre texel j, at stride s, on pixel s * j. A first-stage texel index is therefore
exactly half the pixel index, and a stage of stride s is upsampled to the first by the factor s / 2 about index 0.
`upsample: registered` does that; `align_corners` maps the last texel onto the last one, as the original pixelNeRF does,
which drifts by up to a texel of the coarse stage across the image.
"""

from typing import Any, Literal

import timm
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from pixelnerf.config import Config, WrittenPath, nearest
from pixelnerf.errors import UserError
from pixelnerf.model.pretrained import pretrained_state


class EncoderConfig(Config):
    """A timm ResNet cut after `stages` stages, and a map of `thin_channels` at full resolution; 0 for no such map."""

    backbone: str
    stages: int = Field(ge=1, le=5)
    pretrained: bool
    weights: WrittenPath | None
    first_pool: bool
    normalization: Literal["imagenet", "symmetric"]
    upsample: Literal["registered", "align_corners"]
    thin_channels: int = Field(ge=0)


class Encoder(nn.Module):
    """Photos in [0, 1] to one feature map per stage; includes the normalisation.

    `load_pretrained=False` skips the pretrained weights whatever the config says, for a checkpoint to fill in.

    Raises:
        UserError: the backbone is unknown to timm or not a ResNet, or its pretrained weights are not available.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: EncoderConfig, load_pretrained: bool = True) -> None:
        super().__init__()
        self.config = config
        if not timm.is_model(config.backbone):
            hint = nearest(config.backbone, timm.list_models("resnet*"))
            raise UserError(f"unknown model.encoder.backbone={config.backbone}{hint}")
        backbone: Any = timm.create_model(
            config.backbone,
            pretrained=False,
            features_only=True,
            out_indices=tuple(range(config.stages)),
            # From scratch, blocks that begin as identities learn less: 0.4 dB after 1,400 steps of the quickstart.
            zero_init_last=False,
        )
        self.backbone = backbone
        if not hasattr(self.backbone, "maxpool"):
            raise UserError(
                f"model.encoder.backbone={config.backbone} has no ResNet stem; choose one such as resnet34.tv_in1k"
            )
        if not config.first_pool:
            self.backbone.maxpool = nn.Identity()
        self.channels: list[int] = backbone.feature_info.channels()
        statistics = {"imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), "symmetric": ((0.5,) * 3, (0.5,) * 3)}
        mean, deviation = statistics[config.normalization]
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)
        if load_pretrained and (config.pretrained or config.weights is not None):
            self._load(pretrained_state(config.backbone, config.weights))
        self.backbone.to(memory_format=torch.channels_last)

    def forward(self, images: Float[Tensor, "image 3 height width"]) -> list[Tensor]:
        """The stages' maps, (image, channels[k], height_k, width_k), finest first, in channels-last memory."""
        normalised = (images - self.mean) / self.deviation
        return self.backbone(normalised.contiguous(memory_format=torch.channels_last))

    def upsample(
        self, stage: Float[Tensor, "image coarse_height coarse_width channel"], size: tuple[int, int]
    ) -> Float[Tensor, "image height width channel"]:
        """A stage's map, channels last, at the first stage's size (height, width).

        Separable linear interpolation is two small matrix products, whose gradient on the CPU is several times faster
        than that of `interpolate`.
        """
        images, coarse_height, coarse_width, channels = stage.shape
        if (coarse_height, coarse_width) == size:
            return stage
        rows = self._interpolation(coarse_height, size[0], stage)
        columns = self._interpolation(coarse_width, size[1], stage)
        tall = (rows @ stage.flatten(2)).view(images * size[0], coarse_width, channels)
        return (columns @ tall).view(images, *size, channels)

    def pyramid(
        self, images: Float[Tensor, "image 3 height width"]
    ) -> Float[Tensor, "image map_height map_width channel"]:
        """All stages, upsampled to the first and concatenated: the paper's latent map, channels last."""
        stages = [stage.movedim(1, -1) for stage in self(images)]
        size = (stages[0].shape[1], stages[0].shape[2])
        return torch.cat([self.upsample(stage, size) for stage in stages], dim=-1)

    def _interpolation(self, coarse: int, fine: int, like: Tensor) -> Float[Tensor, "fine coarse"]:
        """Linear interpolation from `coarse` texels to `fine` ones, as a matrix."""
        index = torch.arange(fine, device=like.device, dtype=torch.float32)
        if self.config.upsample == "align_corners":
            position = index * ((coarse - 1) / max(fine - 1, 1))
        else:
            position = (index / _stride_ratio(fine, coarse)).clamp_max(coarse - 1)
        return (1 - (position[:, None] - torch.arange(coarse, device=like.device)).abs()).clamp_min(0).to(like.dtype)

    def _load(self, state: dict[str, Tensor]) -> None:
        wanted = self.backbone.state_dict()
        missing = [name for name in wanted if name not in state]
        wrong = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
        if missing or wrong:
            source = self.config.weights or "the pretrained file"
            raise UserError(
                f"{source} does not fit {self.config.backbone}: {len(missing)} tensors missing, {len(wrong)} of "
                f"another shape, first {(missing + wrong)[0]}; choose the matching model.encoder.backbone"
            )
        # The remaining tensors belong to the stages and the classifier that were cut off.
        self.backbone.load_state_dict({name: state[name] for name in wanted})


def _stride_ratio(fine: int, coarse: int) -> int:
    """The ratio of two stages' strides, a power of two; their sizes are n and ceil(n / ratio)."""
    ratio = 1
    while -(-fine // ratio) > coarse:
        ratio *= 2
    return ratio
