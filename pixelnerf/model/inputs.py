"""The field's inputs: a sample's encoded position and its ray's encoded direction.

With photos both are given in each photo's camera frame (OpenCV axes). `view_normalized` is
x = (R X + t - (0, 0, c)) / h, with c and h the middle and half-length of that photo's depth range: invariant to moving,
rotating and scaling the world. `view_rotated` is R X, only rotated into the camera's axes as in the original
pixelNeRF's code, so it depends on the world's origin. `world` is X, for models without photos.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from pixelnerf.config import Config
from pixelnerf.geometry.cameras import rotate
from pixelnerf.geometry.encoding import integrated_positional_encoding, positional_encoding
from pixelnerf.geometry.frustum import covariance_diagonal
from pixelnerf.types import Gaussians, SceneFeatures


class EncodingConfig(Config):
    """Frequencies scale * 2^k for min_degree <= k < max_degree, of each of three coordinates."""

    min_degree: int
    max_degree: int
    scale: float = Field(gt=0.0)
    include_input: bool

    @property
    def channels(self) -> int:
        """Length of the encoding."""
        return 6 * (self.max_degree - self.min_degree) + (3 if self.include_input else 0)

    @model_validator(mode="after")
    def _check(self) -> "EncodingConfig":
        if self.max_degree < self.min_degree or self.channels == 0:
            raise ValueError(f"max_degree={self.max_degree} and min_degree={self.min_degree} leave nothing to encode")
        return self


class PositionConfig(EncodingConfig):
    """`integrated` encodes the frustum's covariance, too (mip-NeRF's IPE); otherwise only its mean."""

    frame: Literal["view_normalized", "view_rotated", "world"]
    integrated: bool


def encode_positions(
    gaussians: Gaussians, features: SceneFeatures, config: PositionConfig
) -> Float[Tensor, "batch view ray sample feature"]:
    """Encodes Gaussians given in the photos' frames ("batch view ray sample")."""
    means, variances = gaussians.means, covariance_diagonal(gaussians) if config.integrated else None
    if config.frame == "view_normalized":
        middle = (features.near + features.far)[..., None, None] / 2
        half = (features.far - features.near)[..., None, None] / 2
        means = torch.stack([means[..., 0], means[..., 1], means[..., 2] - middle], dim=-1) / half[..., None]
        variances = variances / half[..., None].square() if variances is not None else None
    else:
        # R X = (R X + t) - t, and -t is the camera's centre in its own axes.
        poses = features.cameras.poses
        means = means + rotate(poses[..., :3, :3].mT, poses[..., None, :3, 3])[..., None, :]
    return _encode(means, variances, config)


def encode_world_positions(gaussians: Gaussians, config: PositionConfig) -> Float[Tensor, "*batch ray sample feature"]:
    """Encodes Gaussians given in the world."""
    return _encode(gaussians.means, covariance_diagonal(gaussians) if config.integrated else None, config)


def encode_directions(directions: Float[Tensor, "*batch 3"], config: EncodingConfig) -> Float[Tensor, "*batch feature"]:
    """Encodes directions, normalised first."""
    unit = F.normalize(directions, dim=-1)
    encoded = positional_encoding(unit, config.min_degree, config.max_degree, config.scale)
    return torch.cat([unit, encoded], dim=-1) if config.include_input else encoded


def _encode(
    means: Float[Tensor, "*batch 3"], variances: Float[Tensor, "*batch 3"] | None, config: PositionConfig
) -> Float[Tensor, "*batch feature"]:
    if variances is None:
        encoded = positional_encoding(means, config.min_degree, config.max_degree, config.scale)
    else:
        encoded = integrated_positional_encoding(means, variances, config.min_degree, config.max_degree, config.scale)
    return torch.cat([means, encoded], dim=-1) if config.include_input else encoded
