"""The whole model: photos to features, features and rays to pixels. Nothing is remembered between calls."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.profiler import record_function

from pixelnerf.errors import UserError
from pixelnerf.model.activation import activate
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.encoder import Encoder
from pixelnerf.model.field import FeatureProjection, ResidualField, ResidualFieldConfig
from pixelnerf.model.inputs import encode_directions, encode_positions, encode_world_positions
from pixelnerf.model.lookup import look_up, to_view_frames
from pixelnerf.model.mlp import MlpField
from pixelnerf.model.photo_colors import PhotoBlend, seen_colors
from pixelnerf.model.pyramid import build_scene_features, no_features
from pixelnerf.model.renderer import Renderer
from pixelnerf.model.thin_map import ThinInjection, ThinMap
from pixelnerf.types import Gaussians, Photos, Rays, RenderOutput, SceneFeatures

RawRadiance = tuple[Float[Tensor, "batch ray sample"], Float[Tensor, "batch ray sample 3"]]


class Net(nn.Module):
    """`encode` once a scene, `render` as many rays as you like.

    `load_pretrained=False` skips the encoder's ImageNet weights, for a net that a checkpoint will fill.
    """

    def __init__(self, config: ModelConfig, load_pretrained: bool = True) -> None:
        super().__init__()
        self.config = config
        self.renderer = Renderer(config.renderer)
        self.encoder = Encoder(config.encoder, load_pretrained) if config.encoder is not None else None
        thin = config.encoder.thin_channels if config.encoder is not None else 0
        self.thin_map = ThinMap(thin) if thin > 0 else None
        self.thin_injections = nn.ModuleList()
        field_config = config.field
        positions = config.position.channels
        directions = config.direction.channels if config.direction is not None else 0
        self.fields = nn.ModuleList()
        self.projections = nn.ModuleList()
        for _ in range(2 if config.renderer.separate_fields else 1):
            if isinstance(field_config, ResidualFieldConfig):
                assert self.encoder is not None, "the configuration is validated"
                self.fields.append(ResidualField(field_config, positions, directions))
                self.projections.append(
                    FeatureProjection(sum(self.encoder.channels), field_config.width, field_config.injection_blocks)
                )
                if thin > 0:
                    self.thin_injections.append(ThinInjection(thin, field_config.width, field_config.injection_blocks))
            else:
                self.fields.append(MlpField(field_config, positions, directions))

    @record_function("encoder")
    def encode(self, photos: Photos) -> SceneFeatures:
        """Encodes photos ("batch view") and applies the injection layers to the maps.

        The features of several fields are tables one below the other. A model without photos ignores them.

        Raises:
            UserError: the model needs photos and a scene has none.
        """
        if self.encoder is None:
            return no_features(photos)
        if not bool(photos.present.any(1).all()):
            raise UserError("a scene without input photos cannot be encoded; give at least one source view")
        lookup = self.config.lookup
        levels = lookup.levels if lookup is not None and lookup.mode == "integrated" else 1
        groups = self._projected_maps(photos, self.encoder)
        tables = [build_scene_features(photos, group, levels) for group in groups]
        full = None
        if self.reads_full_resolution:
            full = build_scene_features(photos, self._full_resolution_maps(photos), levels)
        return replace(tables[0], texels=torch.cat([table.texels for table in tables]), full=full)

    def render(
        self,
        features: SceneFeatures,
        rays: Rays,
        background: Float[Tensor, "batch 3"],
        generator: torch.Generator | None = None,
        train_coarse: bool = True,
    ) -> RenderOutput:
        """Renders rays ("batch ray") of the encoded scenes on their backgrounds.

        A generator makes sampling random, as training wants it; None renders deterministically. Without `train_coarse`
        the first of two passes only places the second's samples, and no gradient goes through it.
        """
        radiance = partial(self.radiance, features, generator=generator)
        return self.renderer.render(radiance, rays, background, generator, train_coarse, features.half_sides)

    def radiance(
        self,
        features: SceneFeatures,
        level: int,
        gaussians: Gaussians,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch ray sample"], Float[Tensor, "batch ray sample 3"]]:
        """Density and colour of Gaussians in the world ("batch ray sample"), by the first (0) or second (1) pass."""
        index = min(level, len(self.fields) - 1)
        if self.encoder is None:
            return activate(*self._query_world(features, index, gaussians), self.config.field, generator)
        raw, blend = self._query_photos(features, index, gaussians)
        density, color = activate(*raw, self.config.field, generator)
        return density, color if blend is None else blend.mixed_with(color)

    @property
    def reads_full_resolution(self) -> bool:
        """Whether colours or thin features are looked up in the photos themselves."""
        field = self.config.field
        return self.thin_map is not None or (isinstance(field, ResidualFieldConfig) and field.photo_colors)

    def _full_resolution_maps(self, photos: Photos) -> list[tuple[Tensor, Float[Tensor, "image height width channel"]]]:
        """The photos' colours, and behind them the channels of the thin map, where there is one."""
        groups = list(_photos_by_size(photos))
        if self.thin_map is None:
            return groups
        return [(chosen, torch.cat([images, self.thin_map(images)], dim=-1)) for chosen, images in groups]

    def _projected_maps(self, photos: Photos, encoder: Encoder) -> list[list[tuple[Tensor, Tensor]]]:
        """For each field, the maps of photos of equal size, with the photos' places in the flat (batch, view) axis."""
        groups: list[list[tuple[Tensor, Tensor]]] = [[] for _ in self.projections]
        for chosen, images in _photos_by_size(photos):
            stages = [stage.movedim(1, -1) for stage in encoder(images.movedim(-1, 1))]
            for group, projection in zip(groups, self.projections, strict=True):
                group.append((chosen, projection(stages, encoder.upsample).float()))
        return groups

    def _query_world(self, features: SceneFeatures, index: int, gaussians: Gaussians) -> RawRadiance:
        direction = self.config.direction
        directions = encode_directions(gaussians.directions, direction) if direction is not None else None
        return self.fields[index](encode_world_positions(gaussians, self.config.position), directions)

    def _query_photos(
        self, features: SceneFeatures, index: int, gaussians: Gaussians
    ) -> tuple[RawRadiance, PhotoBlend | None]:
        lookup, direction = self.config.lookup, self.config.direction
        assert lookup is not None, "the configuration is validated"
        assert direction is not None, "the configuration is validated"
        own = replace(features, texels=features.texels.chunk(len(self.fields))[index])
        in_views = to_view_frames(gaussians, features.cameras)
        with record_function("look-up"):
            found = look_up(own, in_views, lookup.mode)
        projection = self.projections[index]
        assert isinstance(projection, FeatureProjection)
        injected = found.values.unflatten(-1, projection.bias.shape) + projection.bias
        samples = gaussians.means.shape[-3:-1]
        with record_function("encoding"):
            positions = encode_positions(in_views, features, self.config.position)
            directions = encode_directions(in_views.directions, direction)
        full = look_up(features.full, in_views, lookup.mode) if features.full is not None else None
        if full is not None and self.thin_map is not None:
            injected = injected + self.thin_injections[index](full.values).view(injected.shape)
        field = self.fields[index]
        assert isinstance(field, ResidualField)
        with record_function("mlp"):
            views, pooled = field.hidden(
                positions,
                directions,
                injected.unflatten(2, samples),
                found.valid.unflatten(2, samples),
                features.present,
            )
            raw = field.heads(pooled, directions, features.present)
        if field.photo_colors is None:
            return raw, None
        assert full is not None, "encode made them"
        with record_function("photo colours"):
            return raw, field.photo_colors(views, pooled, seen_colors(full, in_views))


def _photos_by_size(photos: Photos) -> Iterator[tuple[Tensor, Float[Tensor, "image height width 3"]]]:
    """Present photos of equal size, channels last, with their places in the flat (batch, view) axis."""
    images = photos.images.flatten(0, 1)
    sizes = photos.cameras.sizes.flatten(0, 1)
    present = photos.present.flatten()
    for width, height in torch.unique(sizes[present], dim=0).tolist():
        chosen = torch.nonzero(present & (sizes == sizes.new_tensor([width, height])).all(-1))[:, 0]
        yield chosen, images[chosen, :, :height, :width].movedim(1, -1)
