"""Checks that a model of one scene is rendered in the world frame it was trained in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixelnerf.checkpoints.checkpoint import LoadedModel
from pixelnerf.errors import UserError


def check_world(path: Path, model: LoadedModel, dataset: Mapping[str, Any]) -> None:
    """Compares the options that determine a capture's axes, origin and unit with those in training.

    Models that render from photos depend on no world frame, and datasets without `scale_world` have only one. `dataset`
    is a reader's configuration as plain values.

    Raises:
        UserError: they differ; the message has the options used in training.
    """
    trained = model.config.get("dataset") or {}
    if "scale_world" not in dataset or "scale_world" not in trained or model.net.reads_photos:
        return
    theirs, ours = _world(trained), _world(dataset)
    if theirs != ours:
        raise UserError(f"{path} was trained in another world frame: evaluate it with {' '.join(theirs)}")


def _world(dataset: Mapping[str, Any]) -> list[str]:
    """The options that determine the world frame; in the files' own frame the others do not matter."""
    name = dataset["name"]
    if not dataset["scale_world"]:
        return [f"dataset={name}", "dataset.scale_world=false"]
    left_out = ",".join(str(item) for item in dataset.get("leave_out", ()))
    options = [f"dataset={name}", "dataset.scale_world=true", f"dataset.leave_out=[{left_out}]"]
    return [*options, "dataset.ndc=true"] if dataset.get("ndc") else options
