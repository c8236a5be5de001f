"""What a shapes13 folder holds."""

from pathlib import Path

from pydantic import Field, field_validator

from datasets.shapes13.catalog import CATEGORIES
from pixelnerf.config import Config, nearest


class Shapes13Config(Config):
    """Size and place of the data.

    Each category has `objects` objects, split 70:10:20 into train, val and test; airplane, car and chair, which the
    protocol of unseen categories trains on, have `seen_train_objects` for training instead of their 70 percent.
    `hybrids` are further training objects of no category, made of these three's parts.
    Images are `size` pixels square; `workers` = 0 uses every core. The data do not depend on `workers`.
    """

    root: Path
    categories: tuple[str, ...] = tuple(CATEGORIES)
    objects: int = Field(default=40, ge=3)
    seen_train_objects: int = Field(default=400, ge=1)
    hybrids: int = Field(default=0, ge=0)
    views: int = Field(default=24, ge=2, le=9999)
    size: int = Field(default=64, ge=8, le=1024)
    seed: int = Field(default=0, ge=0)
    workers: int = Field(default=0, ge=0)

    @field_validator("categories")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in CATEGORIES:
                raise ValueError(f"unknown category '{name}'{nearest(name, list(CATEGORIES))}")
        if not names or len(set(names)) < len(names):
            raise ValueError("needs at least one category, and each once")
        return names
