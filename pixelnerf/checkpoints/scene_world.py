"""Whether a model of one place is asked about it in the world that it was trained in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets.readers.captures import CaptureConfig
from datasets.registry import DatasetConfig
from pixelnerf.checkpoints.checkpoint import LoadedModel
from pixelnerf.errors import UserError

CAPTURES = ("llff", "colmap", "transforms")


def check_world(path: Path, model: LoadedModel, dataset: DatasetConfig) -> None:
    """Compares what decides on a capture's axes, origin and unit with what it was in training.

    Models that render from photos know no world, and other datasets have but one.

    Raises:
        UserError: they differ; the message says how the dataset was read in training.
    """
    trained = model.config.get("dataset") or {}
    if not isinstance(dataset, CaptureConfig) or trained.get("name") not in CAPTURES or model.net.encoder is not None:
        return
    theirs, ours = _world(trained), _world(dataset.model_dump(mode="json"))
    if theirs != ours:
        raise UserError(f"{path} is a model of a place in another world: evaluate it with {' '.join(theirs)}")


def _world(dataset: Mapping[str, Any]) -> list[str]:
    """The options that decide on it; in the files' own world the others do not count."""
    name = dataset["name"]
    # Older checkpoints lack the options; COLMAP's and nerfstudio's captures were in their own worlds then.
    if not dataset.get("scale_world", False):
        return [f"dataset={name}", "dataset.scale_world=false"]
    left_out = ",".join(str(item) for item in dataset.get("leave_out", ()))
    options = [f"dataset={name}", "dataset.scale_world=true", f"dataset.leave_out=[{left_out}]"]
    return [*options, "dataset.ndc=true"] if dataset.get("ndc") else options
