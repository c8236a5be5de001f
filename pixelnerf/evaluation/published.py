"""Numbers from papers, and whether they may stand beside ours: only under the very same protocol and dataset.

What "the same" means is decided by a digest of their resolved configuration, whatever it was composed from.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, field_validator

from pixelnerf.config import Config
from pixelnerf.evaluation.protocol import ProtocolConfig
from pixelnerf.evaluation.results import Row

TABLES = Path(__file__).with_name("published.yaml")
HOW_READ = frozenset({"how_to_get", "cache_gib", "on_error", "workers"})
"""Keys of a dataset, or of a part of it, that say how files are read; no number depends on them."""
NOT_COMPARED = HOW_READ | {"root", "pixel_center"}
"""Where files are does not matter to a protocol either. The convention of pixel centres is the model's own: it is the
one of its training, 0.0 for checkpoints of the original pixelNeRF."""


class PublishedTable(Config):
    """The rows that papers report under a protocol, and the digest of that protocol."""

    digest: str
    rows: tuple[Row, ...]

    @field_validator("rows", mode="before")
    @classmethod
    def _are_published(cls, rows: Any) -> Any:
        return [{"kind": "published", **row} for row in rows]


@cache
def published_tables() -> dict[str, PublishedTable]:
    """All tables by the name of their protocol."""
    return TypeAdapter(dict[str, PublishedTable]).validate_python(yaml.safe_load(TABLES.read_text("utf-8")))


def comparable_rows(name: str, digest: str, ours: Collection[Row]) -> tuple[Row, ...]:
    """What papers report under the protocol of this name and digest for the groups and numbers of photos of our rows.

    Rows over a different number of objects than ours are left out.
    """
    table = published_tables().get(name)
    if table is None or table.digest != digest:
        return ()
    counts = {(row.group, row.views): row.means.objects for row in ours if row.kind == "model"}
    return tuple(
        row
        for row in table.rows
        if (row.group, row.views) in counts and row.means.objects in (None, counts[row.group, row.views])
    )


def protocol_digest(protocol: ProtocolConfig, dataset: Config) -> str:
    """SHA-256 of what decides the numbers in a protocol's and its dataset's configuration, as hexadecimal."""
    plain = {
        "protocol": protocol.model_dump(mode="json"),
        "dataset": without(dataset.model_dump(mode="json"), NOT_COMPARED),
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def alterations(composed: Mapping[str, Any], pristine: Mapping[str, Any]) -> tuple[str, ...]:
    """How the `protocol` and `dataset` of a composed configuration differ from a pristine one, as `key=value`.

    Differences in keys that are not compared are left out; `~key` was removed.
    """
    ours, theirs = (
        _flat({key: without(values[key], NOT_COMPARED) for key in ("protocol", "dataset")})
        for values in (composed, pristine)
    )
    changed = [f"{key}={_written(value)}" for key, value in ours.items() if key not in theirs or theirs[key] != value]
    return (*changed, *(f"~{key}" for key in theirs if key not in ours))


def without(values: Any, keys: Collection[str]) -> Any:
    """Plain values less these keys, at any depth."""
    if not isinstance(values, Mapping):
        return values
    return {key: without(value, keys) for key, value in values.items() if key not in keys}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """By dotted keys."""
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _written(value: Any) -> str:
    """A value as on the command line."""
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
