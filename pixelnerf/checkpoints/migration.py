"""Migrates configurations of older checkpoints, so that a renamed key never makes a file unreadable."""

import copy
from collections.abc import Mapping
from typing import Any


def migrated(config: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's configuration with today's keys; current ones stay."""
    result = copy.deepcopy(dict(config))
    dataset = result.get("dataset")
    if isinstance(dataset, dict):
        for part in dataset["parts"].values() if "parts" in dataset else [dataset]:
            _migrate_dataset(part)
    optimizer = (result.get("trainer") or {}).get("optimizer")
    if isinstance(optimizer, dict):
        optimizer.setdefault("name", "adamw")
    batch = ((result.get("trainer") or {}).get("loader") or {}).get("batch")
    if isinstance(batch, dict):
        if "resolution_scales" in batch:
            batch["downscales"] = [round(1 / scale) for scale in batch.pop("resolution_scales")]
        batch.setdefault("unbounded_share", 0.0)
        batch.setdefault("photo_damage", None)
        batch.setdefault("up_error", 0.0)
        batch.setdefault("unknown_up_share", 0.0)
    if isinstance(result.get("model"), dict):
        _migrate_model(result["model"])
    return result


def _migrate_model(model: dict[str, Any]) -> None:
    """Layers that did not exist are off."""
    if isinstance(model.get("encoder"), dict):
        model["encoder"].setdefault("thin_channels", 0)
    if isinstance(model.get("field"), dict) and model["field"].get("name") == "residual":
        model["field"].setdefault("photo_colors", False)


def _migrate_dataset(dataset: dict[str, Any]) -> None:
    if dataset.get("name") == "multiscale_blender":
        dataset["name"] = "multicam"
    if "shrink" in dataset:
        dataset["downscales" if dataset["name"] == "blender" else "downscale"] = dataset.pop("shrink")
    if "factor" in dataset:
        factor = dataset.pop("factor")
        dataset["images"] = "images" if factor == 1 else f"images_{factor}"
    categories = dataset.get("categories")
    if isinstance(categories, dict):
        # One table held what is in the data and in which folder; the generator had another of its own.
        dataset["categories"], dataset["synsets"] = list(categories), categories
        if "generator" in dataset:
            dataset["generator"]["synsets"] = {"hybrid": "00000000", **categories}
    if dataset.get("name") in ("nmr", "shapes13"):
        dataset.setdefault("half_side", None)
        dataset.setdefault("half_depth", None)
    if isinstance(dataset.get("generator"), dict):
        # There was one rig, no textures, and one light.
        dataset["generator"] = {"rig": "ring", "textures": False, "light": "studio"} | dataset["generator"]
    if dataset.get("name") in ("colmap", "transforms"):
        # Before this option existed, they stayed in their files' own world frames.
        dataset.setdefault("scale_world", False)
