"""The whole model: photos to features, features and rays to pixels. Nothing is remembered between calls.

`PhotoNet` reads photos and renders scenes it has never seen: pixelNeRF and our default. `SceneNet` holds one scene in
its weights: NeRF, Tiny NeRF, mip-NeRF. Both are a `Net` and render alike; a `SceneNet` encodes photos to nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.profiler import record_function
from typing_extensions import override

from pixelnerf.errors import UserError
from pixelnerf.geometry.cameras import rotate
from pixelnerf.model.activation import activate
from pixelnerf.model.config import ModelConfig, PhotoParts
from pixelnerf.model.encoder import Encoder
from pixelnerf.model.field import FeatureProjection, ResidualField
from pixelnerf.model.inputs import encode_directions, encode_positions, encode_world_positions, frame_turns
from pixelnerf.model.lookup import look_up, to_view_frames
from pixelnerf.model.mlp import MlpField, MlpFieldConfig
from pixelnerf.model.photo_colors import PhotoBlend, seen_colors
from pixelnerf.model.present import PresentPhotos
from pixelnerf.model.pyramid import build_scene_features, no_features
from pixelnerf.model.renderer import Renderer
from pixelnerf.model.thin_map import ThinInjection, ThinMap
from pixelnerf.tools.process import keep_freed_memory
from pixelnerf.types import Gaussians, Photos, Rays, RenderOutput, SceneFeatures, TensorRecord


@dataclass(frozen=True)
class RawRadiance(TensorRecord):
    """A field's density and colour before their activations, and the photos' colours to mix in, if any."""

    density: Float[Tensor, "batch #ray sample"]
    color: Float[Tensor, "batch ray sample 3"]
    photos: PhotoBlend | None = None


PhotoGroup = tuple[Tensor, Float[Tensor, "_ _ _ 3"]]
"""Indices of equally sized photos in the flat (batch, view) axis, and these photos, channels last."""


def build_net(config: ModelConfig, load_pretrained: bool = True) -> "Net":
    """The net of a configuration.

    `load_pretrained=False` skips the encoder's ImageNet weights, for a checkpoint to fill in.

    Raises:
        UserError: an unknown backbone, or pretrained weights that are not available.
    """
    parts = config.photo_parts()
    if parts is not None:
        return PhotoNet(config, parts, load_pretrained)
    if isinstance(config.field, MlpFieldConfig):
        return SceneNet(config, config.field)
    raise TypeError(f"'{config.name}' is neither a model that reads photos nor a model of one scene")


class Net(nn.Module, ABC):
    """Call `encode` once per scene, then `render` any number of rays.

    Attributes:
        config: what the net was built from.
        renderer: places and composites samples.
        fields: one MLP, or one per pass.
        reads_photos: whether the net renders what photos show; otherwise its weights hold one scene.
    """

    config: ModelConfig
    renderer: Renderer
    fields: nn.ModuleList
    reads_photos: bool

    @abstractmethod
    def encode(self, photos: Photos) -> SceneFeatures:
        """Features of photos ("batch view"), for any number of rays.

        Raises:
            UserError: the model needs photos and a scene has none.
        """

    @abstractmethod
    def query(self, features: SceneFeatures, field: int, gaussians: Gaussians) -> RawRadiance:
        """A field's raw outputs for Gaussians in the world ("batch ray sample")."""

    def render(
        self,
        features: SceneFeatures,
        rays: Rays,
        background: Float[Tensor, "batch 3"],
        generator: torch.Generator | None = None,
        train_coarse: bool = True,
    ) -> RenderOutput:
        """Renders rays ("batch ray") of the encoded scenes over their backgrounds.

        A generator makes sampling random, for training; None renders deterministically. Without `train_coarse` the
        first of two passes only places the second's samples and gets no gradient.
        """
        radiance = partial(self.radiance, features, generator=generator)
        return self.renderer.render(radiance, rays, background, generator, train_coarse, features.half_sides)

    def radiance(
        self,
        features: SceneFeatures,
        pass_index: int,
        gaussians: Gaussians,
        generator: torch.Generator | None = None,
    ) -> tuple[Float[Tensor, "batch ray sample"], Float[Tensor, "batch ray sample 3"]]:
        """Density and colour of Gaussians in the world ("batch ray sample"), by the first (0) or second (1) pass."""
        if gaussians.means.device.type == "cpu":
            keep_freed_memory()
        field = min(pass_index, len(self.fields) - 1)
        raw = self.query(features, field, gaussians)
        density, color = activate(raw.density, raw.color, self.config.field, generator)
        return density, color if raw.photos is None else raw.photos.mixed_with(color)


class PhotoNet(Net):
    """A field conditioned on photos, whose features are looked up where a sample projects.

    Colours (`field.photo_colors`) and thin features (`encoder.thin_channels`) are looked up at full resolution.
    """

    reads_photos = True

    def __init__(self, config: ModelConfig, parts: PhotoParts, load_pretrained: bool) -> None:
        super().__init__()
        self.config = config
        self.renderer = Renderer(config.renderer)
        self.encoder = Encoder(parts.encoder, load_pretrained)
        self._lookup, self._direction = parts.lookup, parts.direction
        thin = parts.encoder.thin_channels
        width, blocks = parts.field.width, parts.field.injection_blocks
        self.thin_map = ThinMap(thin) if thin > 0 else None
        self.thin_injections = nn.ModuleList()
        self.fields = nn.ModuleList()
        self.projections = nn.ModuleList()
        # A pass's layers are drawn together, so that a seed keeps giving the same weights.
        for _ in range(config.renderer.fields):
            self.fields.append(ResidualField(parts.field, config.position.channels, parts.direction.channels))
            self.projections.append(FeatureProjection(sum(self.encoder.channels), width, blocks))
            if thin > 0:
                self.thin_injections.append(ThinInjection(thin, width, blocks))
        self.reads_full_resolution = thin > 0 or parts.field.photo_colors

    def projection(self, field: int) -> FeatureProjection:
        """A field's injection layers."""
        return cast(FeatureProjection, self.projections[field])

    @override
    def encode(self, photos: Photos) -> SceneFeatures:
        """Encodes photos and applies each field's injection layers to the maps, once per texel."""
        if not bool(photos.present.any(1).all()):
            raise UserError("a scene without input photos cannot be encoded; give at least one source view")
        levels = self._lookup.levels if self._lookup.mode == "integrated" else 1
        with record_function("encoder"):
            groups = list(_photos_by_size(photos))
            features = build_scene_features(photos, self._projected_maps(groups), levels)
            if not self.reads_full_resolution:
                return features
            return replace(features, full=build_scene_features(photos, self._full_maps(groups), levels))

    @override
    def query(
        self,
        features: SceneFeatures,
        field: int,
        gaussians: Gaussians,
        toward: Float[Tensor, "batch toward 3"] | None = None,
    ) -> RawRadiance:
        """As for any net; or, given directions `toward`, the colours along each of them of all samples of one ray.

        The density is that of the ray (batch, 1, sample) then, and colours and the photos' blend are (batch, toward,
        sample). The Gaussians must not depend on the direction, and neither may the density.
        """
        photos = PresentPhotos.of(features)
        own = photos.features
        in_views = to_view_frames(gaussians.map_tensors(photos.repeat), own.cameras)
        rays = in_views.directions
        with record_function("look-up"):
            found = look_up(own, field, in_views, self._lookup.mode)
            full = look_up(own.full, 0, in_views, self._lookup.mode) if own.full is not None else None
        biases = self.projection(field).bias
        injected = found.values.unflatten(-1, biases.shape)
        if full is not None and self.thin_map is not None:
            injected = injected + self.thin_injections[field](full.values).view(injected.shape)
        samples = gaussians.means.shape[-3:-1]
        with record_function("encoding"):
            positions = encode_positions(in_views, own, self.config.position)
            if toward is not None:
                rays = rotate(own.cameras.poses[..., :3, :3].mT, photos.repeat(toward)[:, None])
            turns = frame_turns(own, self.config.position)
            directions = encode_directions(rays if turns is None else rotate(turns, rays), self._direction)
        residual = cast(ResidualField, self.fields[field])
        with record_function("mlp"):
            views = residual.of_views(positions, directions, injected.unflatten(2, samples), biases)
            pooled = residual.pooled(views, found.valid.unflatten(2, samples), photos)
            density, color = residual.heads(pooled, directions, photos)
        if full is None or residual.photo_colors is None:
            return RawRadiance(density, color)
        with record_function("photo colours"):
            seen = seen_colors(full, in_views.means, rays).map_tensors(photos.spread)
            return RawRadiance(density, color, residual.photo_colors(photos.spread(views), pooled, seen))

    def _projected_maps(self, groups: list[PhotoGroup]) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
        """Per group, its indices and each field's maps."""
        projected = []
        for chosen, images in groups:
            stages = [stage.movedim(1, -1) for stage in self.encoder(images.movedim(-1, 1))]
            maps = tuple(projection(stages, self.encoder.upsample).float() for projection in self.projections)
            projected.append((chosen, maps))
        return projected

    def _full_maps(self, groups: list[PhotoGroup]) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
        """Per group, its indices and one map: the photos' colours, then the channels of the thin map, if any."""
        if self.thin_map is None:
            return [(chosen, (images,)) for chosen, images in groups]
        return [(chosen, (torch.cat([images, self.thin_map(images)], dim=-1),)) for chosen, images in groups]


def _photos_by_size(photos: Photos) -> Iterator[PhotoGroup]:
    images = photos.images.flatten(0, 1)
    sizes = photos.cameras.sizes.flatten(0, 1)
    present = photos.present.flatten()
    for width, height in torch.unique(sizes[present], dim=0).tolist():
        chosen = torch.nonzero(present & (sizes == sizes.new_tensor([width, height])).all(-1))[:, 0]
        yield chosen, images[chosen, :, :height, :width].movedim(1, -1)


class SceneNet(Net):
    """A field of one scene, in the world frame."""

    reads_photos = False

    def __init__(self, config: ModelConfig, field: MlpFieldConfig) -> None:
        super().__init__()
        self.config = config
        self.renderer = Renderer(config.renderer)
        directions = config.direction.channels if config.direction is not None else 0
        self.fields = nn.ModuleList(
            MlpField(field, config.position.channels, directions) for _ in range(config.renderer.fields)
        )

    @override
    def encode(self, photos: Photos) -> SceneFeatures:
        return no_features(photos)

    @override
    def query(self, features: SceneFeatures, field: int, gaussians: Gaussians) -> RawRadiance:
        direction = self.config.direction
        directions = encode_directions(gaussians.directions, direction) if direction is not None else None
        return RawRadiance(*self.fields[field](encode_world_positions(gaussians, self.config.position), directions))
