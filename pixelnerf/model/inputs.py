"""The field's inputs: a sample's encoded position and its ray's encoded direction.

With photos both are given in each photo's camera frame (OpenCV axes). `view_normalized` is
x = (R X + t - (0, 0, c)) / h, with c and h the middle and half-length of that photo's depth range: invariant to moving,
rotating and scaling the world. `view_rotated` is R X, only rotated into the camera's axes as in the original
pixelNeRF's code, so it depends on the world's origin. `world` is X, for models without photos.

Neither of these frames knows what is up, unless all cameras look down at one angle, as in the published renders. Photos
taken by hand do not, and from one photo a network can only guess how it was held. `view_upright` is
`view_normalized` turned about its middle, so that every photo's frame is that of a camera above the horizon by
`ELEVATION`, held level; where all cameras are, and where up is unknown, the two are the same.
"""

import math
from dataclasses import replace
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

ELEVATION = 30.0
"""Of the cameras of ShapeNet's renders and of the built-in data's ring, in degrees."""
# Shorter vectors are rounding: a camera within half a degree of the vertical looks in no level direction.
SMALLEST_LENGTH = 0.01


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

    frame: Literal["view_normalized", "view_upright", "view_rotated", "world"]
    integrated: bool


def encode_positions(
    gaussians: Gaussians, features: SceneFeatures, config: PositionConfig
) -> Float[Tensor, "batch view ray sample feature"]:
    """Encodes Gaussians given in the photos' frames ("batch view ray sample")."""
    means, variances = gaussians.means, covariance_diagonal(gaussians) if config.integrated else None
    if config.frame in ("view_normalized", "view_upright"):
        middle = (features.near + features.far)[..., None, None] / 2
        half = (features.far - features.near)[..., None, None, None] / 2
        means = torch.stack([means[..., 0], means[..., 1], means[..., 2] - middle], dim=-1) / half
        if (turns := frame_turns(features, config)) is not None:
            means = rotate(turns[:, :, None], means)
            if config.integrated:
                turned = replace(gaussians, directions=rotate(turns, gaussians.directions))
                variances = covariance_diagonal(turned)
        variances = variances / half.square() if variances is not None else None
    else:
        # R X = (R X + t) - t, and -t is the camera's centre in its own axes.
        poses = features.cameras.poses
        means = means + rotate(poses[..., :3, :3].mT, poses[..., None, :3, 3])[..., None, :]
    return _encode(means, variances, config)


def frame_turns(features: SceneFeatures, config: PositionConfig) -> Float[Tensor, "batch view 3 3"] | None:
    """Rotations from the photos' frames to those that the field sees; None where all are the same."""
    if config.frame != "view_upright" or features.up is None:
        return None
    known = (features.up != 0).any(-1)[..., None, None]
    return torch.where(known, upright_turns(features.up), torch.eye(3, device=features.up.device))


def upright_turns(up: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotations from photos' frames to those of cameras `ELEVATION` above the horizon, given up in the photos' frames.

    The new camera looks at the same side of the world as the photo's. Where that looks straight up or down, what
    is ahead is not defined, and the rotation is no whole one.

    >>> import torch
    >>> held_at_30_degrees = torch.tensor([0.0, -(0.75**0.5), -0.5])
    >>> torch.allclose(upright_turns(held_at_30_degrees), torch.eye(3), atol=1e-6)
    True
    """
    down = -up
    ahead = torch.zeros_like(down)
    ahead[..., 2] = 1.0
    forward = F.normalize(ahead - down[..., 2:] * down, dim=-1, eps=SMALLEST_LENGTH)
    right = torch.linalg.cross(down, forward)
    sine, cosine = math.sin(math.radians(ELEVATION)), math.cos(math.radians(ELEVATION))
    return torch.stack([right, cosine * down - sine * forward, sine * down + cosine * forward], dim=-2)


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
