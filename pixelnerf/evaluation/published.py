"""Numbers from papers, and whether they may stand beside ours: only under the very same protocol and dataset.

What "the same" means is decided by a digest of their resolved configuration, whatever it was composed from.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from pixelnerf.config import Config
from pixelnerf.evaluation.protocol import ProtocolConfig
from pixelnerf.evaluation.results import Row
from pixelnerf.tools.files import plain_digest

TABLES = Path(__file__).with_name("published.yaml")
HOW_READ = frozenset({"how_to_get", "cache_gib", "on_error", "workers"})
"""Keys of a dataset, or of a part of it, that say how files are read; no number depends on them."""
NOT_COMPARED = HOW_READ | {"root", "pixel_center"}
"""Where files are does not matter to a protocol either. The convention of pixel centres is the model's own: it is the
one of its training, 0.0 for checkpoints of the original pixelNeRF."""


@dataclass(frozen=True)
class PublishedTable:
    """The rows that papers report under a protocol, and the digest of that protocol."""

    digest: str
    rows: tuple[Row, ...]


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


def digest_note(name: str, digest: str) -> str | None:
    """What a reader is told where papers report numbers under a protocol of this name, but another digest."""
    table = published_tables().get(name)
    if table is None or table.digest == digest:
        return None
    return (
        f"papers' numbers are left out: they belong to '{name}' with digest {table.digest[:12]}, and this protocol and "
        f"dataset have {digest[:12]}; undo the change, or if it measures as the papers do, write {digest} into "
        f"{TABLES.name}"
    )


def protocol_digest(protocol: ProtocolConfig, dataset: Config) -> str:
    """SHA-256 of what decides the numbers in a protocol's and its dataset's configuration, as hexadecimal."""
    compared = without(dataset.model_dump(mode="json"), NOT_COMPARED)
    return plain_digest({"protocol": protocol.model_dump(mode="json"), "dataset": compared})


def alterations(composed: Mapping[str, Any], pristine: Mapping[str, Any]) -> tuple[str, ...]:
    """How the `protocol` and `dataset` of a composed configuration differ from a pristine one, as `key=value`.

    Differences in keys that are not compared are left out; `~key` was removed.
    """
    ours, theirs = (
        _by_dotted_key({key: without(values[key], NOT_COMPARED) for key in ("protocol", "dataset")})
        for values in (composed, pristine)
    )
    changed = [(key, value) for key, value in ours.items() if key not in theirs or theirs[key] != value]
    # As on the command line.
    written = [f"{key}={json.dumps(value, separators=(',', ':'), ensure_ascii=False)}" for key, value in changed]
    return (*(text.replace('"', "") for text in written), *(f"~{key}" for key in theirs if key not in ours))


def without(values: Any, keys: Collection[str]) -> Any:
    """Plain values less these keys, at any depth."""
    if not isinstance(values, Mapping):
        return values
    return {key: without(value, keys) for key, value in values.items() if key not in keys}


def _by_dotted_key(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, Mapping):
        return {prefix.removesuffix("."): values}
    return {
        path: leaf for key, value in values.items() for path, leaf in _by_dotted_key(value, f"{prefix}{key}.").items()
    }
