"""The configuration of a whole model, and which combinations make sense."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from pixelnerf.config import Config
from pixelnerf.model.encoder import EncoderConfig
from pixelnerf.model.field import ResidualFieldConfig
from pixelnerf.model.inputs import EncodingConfig, PositionConfig
from pixelnerf.model.lookup import LookupMode
from pixelnerf.model.mlp import MlpFieldConfig
from pixelnerf.model.renderer import RendererConfig


class LookupConfig(Config):
    """`levels` bounds the mip chain of `integrated`; the chain also ends at one texel."""

    mode: LookupMode
    levels: int = Field(ge=1)


@dataclass(frozen=True)
class PhotoParts:
    """Settings of models that read photos."""

    encoder: EncoderConfig
    lookup: LookupConfig
    direction: EncodingConfig
    field: ResidualFieldConfig


class ModelConfig(Config):
    """A whole model; `name` is only a label for reports.

    A model that reads photos has an `encoder`, a `lookup` and a residual `field`. A model of one scene has an MLP field
    and neither of the other two. `direction: null` makes colour independent of direction.
    """

    name: str
    encoder: EncoderConfig | None
    lookup: LookupConfig | None
    position: PositionConfig
    direction: EncodingConfig | None
    field: Annotated[ResidualFieldConfig | MlpFieldConfig, Field(discriminator="name")]
    renderer: RendererConfig

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        if isinstance(self.field, MlpFieldConfig):
            self._check_without_photos(self.field)
        else:
            self._check_with_photos()
        if self.renderer.frustum == "point" and (self.position.integrated or self._integrates_features):
            raise ValueError(
                "renderer.frustum=point has no size to integrate over; set position.integrated=false and "
                "lookup.mode=point, or another frustum"
            )
        return self

    def photo_parts(self) -> PhotoParts | None:
        """The settings of a model that reads photos; None for a model of one scene."""
        match (self.encoder, self.lookup, self.direction, self.field):
            case (
                EncoderConfig() as encoder,
                LookupConfig() as lookup,
                EncodingConfig() as direction,
                ResidualFieldConfig() as field,
            ):
                return PhotoParts(encoder, lookup, direction, field)
        return None

    @property
    def _integrates_features(self) -> bool:
        return self.lookup is not None and self.lookup.mode == "integrated"

    def _check_without_photos(self, field: MlpFieldConfig) -> None:
        if self.encoder is not None or self.lookup is not None:
            raise ValueError(
                "field.name=mlp reads no photos; set encoder and lookup to null, or use field.name=residual"
            )
        if self.position.frame != "world":
            raise ValueError(f"position.frame={self.position.frame} needs photos; without an encoder it must be world")
        if (self.direction is None) != (field.direction_width is None):
            raise ValueError("direction and field.direction_width belong together: set both, or both to null")

    def _check_with_photos(self) -> None:
        if self.encoder is None or self.lookup is None:
            raise ValueError("field.name=residual reads photos; give it an encoder and a lookup, or use field.name=mlp")
        if self.position.frame == "world":
            raise ValueError(
                "position.frame=world is for models without photos; choose view_normalized or view_rotated"
            )
        if self.direction is None:
            raise ValueError("field.name=residual needs a direction; null is for field.name=mlp")
