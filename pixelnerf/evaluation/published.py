"""Numbers from papers, printed beside ours only under the very same protocol."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import Field, TypeAdapter

from pixelnerf.config import Config
from pixelnerf.evaluation.protocol import GroupName

TABLE = Path(__file__).with_name("published.yaml")


class PublishedCategory(Config):
    """PSNR in dB, SSIM, LPIPS and the number of objects, where the paper has them."""

    psnr: float
    ssim: float | None = None
    lpips: float | None = None
    objects: int | None = None


class PublishedRow(Config):
    """One method's row of a table.

    Attributes:
        method: its name in the paper.
        source: where the numbers stand.
        views: number of input views.
        group: the scenes that were averaged.
        objects: how many that were, where it is known; a run over fewer is not comparable.
        categories: the same of single categories.
        sizes: the same of single sizes of the targets.
    """

    method: str
    source: str
    views: int = Field(ge=0)
    group: GroupName
    objects: int | None = None
    psnr: float
    ssim: float | None = None
    lpips: float | None = None
    categories: dict[str, PublishedCategory] = Field(default_factory=dict)
    sizes: dict[str, PublishedCategory] = Field(default_factory=dict)


def published_rows(protocol: str, views: int, group: str, objects: int) -> list[PublishedRow]:
    """What papers report under a protocol for a number of input views and a group of so many scenes."""
    return [
        row
        for row in published_table().get(protocol, [])
        if row.views == views and row.group == group and row.objects in (None, objects)
    ]


@cache
def published_table() -> dict[str, list[PublishedRow]]:
    """All rows by the name of their protocol."""
    plain = yaml.safe_load(TABLE.read_text("utf-8"))
    return TypeAdapter(dict[str, list[PublishedRow]]).validate_python(plain)
