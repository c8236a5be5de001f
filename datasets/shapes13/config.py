"""What a shapes13 folder holds."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from datasets.shapes13.catalog import CATEGORIES, HYBRID
from pixelnerf.config import Config, WrittenPath, nearest

Synset = Annotated[str, Field(pattern=r"^\d{8}$")]


class Shapes13Config(Config):
    """Size and place of the data.

    Each of `categories` (None for all thirteen) has `objects` objects, split 70:10:20 into train, val and test;
    airplane, car and chair, which the protocol of unseen categories trains on, have `seen_train_objects` for training
    instead of their 70 percent. `hybrids` are further training objects of no category, made of these three's parts.
    A category's folder is its synset, whose number enters the seed of its objects, too.
    Images are `size` pixels square; `workers` = 0 uses every core. The data do not depend on `workers`.

    The views of all objects are those of the published renders on one ring (`rig` = "ring"), or they are drawn for each
    object as hand-held photos have them ("sphere"): elevation, distance, field of view and roll. With `textures`, most
    materials have a pattern and some objects decals. The light is that of a studio, the same for all objects and
    without shadows (`light` = "studio"), or drawn for each object, with soft shadows ("varied").
    """

    root: WrittenPath
    synsets: dict[str, Synset]
    categories: tuple[str, ...]
    objects: int = Field(ge=3)
    seen_train_objects: int = Field(ge=1)
    hybrids: int = Field(ge=0)
    views: int = Field(ge=2, le=9999)
    size: int = Field(ge=8, le=1024)
    rig: Literal["ring", "sphere"]
    textures: bool
    light: Literal["studio", "varied"]
    seed: int = Field(ge=0)
    workers: int = Field(ge=0)

    @field_validator("categories", mode="before")
    @classmethod
    def _none_is_all(cls, value: Any) -> Any:
        return tuple(CATEGORIES) if value is None else value

    @field_validator("categories")
    @classmethod
    def _are_known(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # Synsets that are themselves invalid are not there, and already reported.
        synsets = info.data.get("synsets", names)
        for name in names:
            if name not in CATEGORIES:
                raise ValueError(f"unknown category '{name}'{nearest(name, list(CATEGORIES))}")
            if name not in synsets:
                raise ValueError(f"no synset for '{name}'")
        if not names or len(set(names)) < len(names):
            raise ValueError("needs at least one category, and each once")
        return names

    @field_validator("hybrids")
    @classmethod
    def _have_a_folder(cls, count: int, info: ValidationInfo) -> int:
        if count and HYBRID not in info.data.get("synsets", (HYBRID,)):
            raise ValueError(f"no synset for '{HYBRID}'")
        return count
