"""The whole model: photos to features, features and rays to pixels. Nothing is remembered between calls."""

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from pixelnerf.config import Config
from pixelnerf.errors import UserError
from pixelnerf.model.encoder import Encoder, EncoderConfig
from pixelnerf.model.field import (
    FeatureProjection,
    ResidualField,
    ResidualFieldConfig,
    activate_color,
    activate_density,
)
from pixelnerf.model.inputs import EncodingConfig, PositionConfig, encode_directions, encode_positions
from pixelnerf.model.lookup import LookupMode, look_up, to_view_frames
from pixelnerf.model.pyramid import build_scene_features
from pixelnerf.model.renderer import Renderer, RendererConfig
from pixelnerf.types import Gaussians, Photos, Rays, RenderOutput, SceneFeatures


class LookupConfig(Config):
    """`levels` bounds the mip chain of `integrated`; the chain also ends at one texel."""

    mode: LookupMode
    levels: int = Field(ge=1)


class ModelConfig(Config):
    """A composition of the parts; `name` is only a label for reports."""

    name: str
    encoder: EncoderConfig
    lookup: LookupConfig
    position: PositionConfig
    direction: EncodingConfig
    field: ResidualFieldConfig
    renderer: RendererConfig

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        if self.field.injection_blocks > self.field.blocks:
            raise ValueError(
                f"field.injection_blocks={self.field.injection_blocks} exceeds field.blocks={self.field.blocks}"
            )
        return self


class Net(nn.Module):
    """`encode` once a scene, `render` as many rays as you like.

    `load_pretrained=False` skips the encoder's ImageNet weights, for a net that a checkpoint will fill.
    """

    def __init__(self, config: ModelConfig, load_pretrained: bool = True) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder, load_pretrained)
        self.renderer = Renderer(config.renderer)
        levels = 2 if config.renderer.separate_fields and config.renderer.fine_samples > 0 else 1
        self.fields = nn.ModuleList(
            ResidualField(config.field, config.position.channels, config.direction.channels) for _ in range(levels)
        )
        self.projections = nn.ModuleList(
            FeatureProjection(sum(self.encoder.channels), config.field.width, config.field.injection_blocks)
            for _ in range(levels)
        )

    def encode(self, photos: Photos) -> SceneFeatures:
        """Encodes photos ("batch view") and applies the injection layers to the maps.

        Raises:
            UserError: a scene has no photo.
        """
        if not bool(photos.present.any(1).all()):
            raise UserError("a scene without input photos cannot be encoded; give at least one source view")
        images = photos.images.flatten(0, 1)
        sizes = photos.cameras.sizes.flatten(0, 1)
        present = photos.present.flatten()
        groups: list[tuple[Tensor, Tensor]] = []
        for width, height in torch.unique(sizes[present], dim=0).tolist():
            chosen = torch.nonzero(present & (sizes == sizes.new_tensor([width, height])).all(-1))[:, 0]
            stages = [stage.movedim(1, -1) for stage in self.encoder(images[chosen, :, :height, :width])]
            maps = torch.cat([projection(stages, self.encoder.upsample) for projection in self.projections], dim=-1)
            groups.append((chosen, maps.float()))
        levels = self.config.lookup.levels if self.config.lookup.mode == "integrated" else 1
        return build_scene_features(photos, groups, levels)

    def render(
        self,
        features: SceneFeatures,
        rays: Rays,
        background: Float[Tensor, "batch 3"],
        generator: torch.Generator | None = None,
    ) -> RenderOutput:
        """Renders rays ("batch ray") of the encoded scenes on their backgrounds.

        A generator makes sampling random, as training wants it; None renders deterministically.
        """
        directions = self._encoded_directions(features, rays)

        def radiance(level: int, gaussians: Gaussians) -> tuple[Tensor, Tensor]:
            return self._radiance(level, features, gaussians, directions, generator)

        return self.renderer.render(radiance, rays, background, generator)

    def _encoded_directions(self, features: SceneFeatures, rays: Rays) -> Float[Tensor, "batch view ray direction"]:
        rotations = features.cameras.poses[..., :3, :3]
        in_views = (rays.directions[:, None, :, :, None] * rotations[:, :, None]).sum(-2)
        return encode_directions(in_views, self.config.direction)

    def _radiance(
        self,
        level: int,
        features: SceneFeatures,
        gaussians: Gaussians,
        directions: Float[Tensor, "batch view ray direction"],
        generator: torch.Generator | None,
    ) -> tuple[Float[Tensor, "batch ray sample"], Float[Tensor, "batch ray sample 3"]]:
        index = min(level, len(self.fields) - 1)
        config = self.config.field
        in_views = to_view_frames(gaussians, features.cameras)
        positions = encode_positions(in_views, features.near, features.far, self.config.position)
        found = look_up(features, in_views, self.config.lookup.mode)
        injected = found.values.chunk(len(self.fields), dim=-1)[index]
        samples = gaussians.means.shape[-3:-1]
        injected = injected.unflatten(-1, (config.injection_blocks, config.width)) + self.projections[index].bias
        raw_density, raw_color = self.fields[index](
            positions,
            directions,
            injected.unflatten(2, samples),
            found.valid.unflatten(2, samples),
            features.present,
        )
        if generator is not None and config.density_noise > 0:
            noise = torch.randn(raw_density.shape, generator=generator, device=raw_density.device)
            raw_density = raw_density + config.density_noise * noise
        density = activate_density(raw_density, config.density_activation)
        return density, activate_color(raw_color, config.color_padding)
