"""Whether a model of one place is asked about it in the world that it was trained in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixelnerf.checkpoints.checkpoint import LoadedModel
from pixelnerf.errors import UserError


def check_world(path: Path, model: LoadedModel, dataset: Mapping[str, Any]) -> None:
    """Compares what decides on a capture's axes, origin and unit with what it was in training.

    Models that render from photos know no world, and datasets without `scale_world` have but one. `dataset` is a
    reader's configuration as plain values.

    Raises:
        UserError: they differ; the message says how the dataset was read in training.
    """
    trained = model.config.get("dataset") or {}
    if "scale_world" not in dataset or "scale_world" not in trained or model.net.reads_photos:
        return
    theirs, ours = _world(trained), _world(dataset)
    if theirs != ours:
        raise UserError(f"{path} is a model of a place in another world: evaluate it with {' '.join(theirs)}")


def _world(dataset: Mapping[str, Any]) -> list[str]:
    """The options that decide on it; in the files' own world the others do not count."""
    name = dataset["name"]
    if not dataset["scale_world"]:
        return [f"dataset={name}", "dataset.scale_world=false"]
    left_out = ",".join(str(item) for item in dataset.get("leave_out", ()))
    options = [f"dataset={name}", "dataset.scale_world=true", f"dataset.leave_out=[{left_out}]"]
    return [*options, "dataset.ndc=true"] if dataset.get("ndc") else options
