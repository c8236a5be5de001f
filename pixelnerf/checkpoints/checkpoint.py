"""Checkpoints, read without unpickling: models and refiners with their whole configuration."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from timm.models.resnet import BasicBlock
from torch import Tensor, nn

from pixelnerf.checkpoints.limits import (
    built_to_fit,
    check_archive,
    check_numbers,
    check_weights,
    checked_config,
)
from pixelnerf.checkpoints.shared_weights import read_shared
from pixelnerf.config import Config, parse_config
from pixelnerf.errors import UserError
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.net import Net, build_net
from pixelnerf.refine.config import RefinerConfig, build_refiner
from pixelnerf.refine.refiner import Refiner

NET_PREFIX = "net."
Section = Literal["model", "refiner"]
"""The section of a checkpoint's configuration for what was trained."""
# The origin of initial weights does not matter to a resumed run.
ORIGIN = ("pretrained", "weights")
# Renderer settings that a new run is free to change.
SAMPLING = ("coarse_samples", "placement", "spacing")
# Options that a new run may switch on, and their layers, which start with hardly any effect.
ADDITIONS = ("photo_colors", "thin_channels")
ADDED_LAYERS = {"photo_colors", "thin_map", "thin_injections"}
# Backbones of the same widths, the shallower first. Blocks that only the deeper one has begin with a last norm of zero,
# which passes on what they get.
DEEPER = ("resnet18.tv_in1k", "resnet34.tv_in1k")
# Frames of positions: where all of a training's cameras had one elevation, the second is the first.
UPRIGHT = ("view_normalized", "view_upright")


@dataclass(frozen=True)
class LoadedModel:
    """A net in evaluation mode, its whole training configuration as plain values, and its training step."""

    net: Net
    config: dict[str, Any]
    step: int


@dataclass(frozen=True)
class LoadedRefiner:
    """A refiner in evaluation mode, its own configuration, and its whole training configuration."""

    refiner: Refiner
    own: RefinerConfig
    config: dict[str, Any]


class _RefinerSection(Config):
    refiner: RefinerConfig


def load_checkpoint(path: Path) -> LoadedModel:
    """Reads a `.ckpt` of a training run or a shared `.safetensors`; averaged weights if it has them.

    Raises:
        UserError: the file is missing, damaged, not one of ours, or its weights do not fit its configuration.
    """
    config, state, step = _read(Path(path), "model")
    own = parse_config(ModelConfig, config["model"], f"{path}: model")
    net = built_to_fit(path, lambda: build_net(own, load_pretrained=False), state)
    return LoadedModel(net.eval(), config, step)


def load_refiner(path: Path) -> LoadedRefiner:
    """Reads a refiner's `.ckpt` or `.safetensors`, like `load_checkpoint`.

    Raises:
        UserError: the file is missing, damaged, not a refiner, or its weights do not fit its configuration.
    """
    config, state, _ = _read(Path(path), "refiner")
    own = parse_config(_RefinerSection, {"refiner": config["refiner"]}, f"{path}").refiner
    refiner = built_to_fit(path, lambda: build_refiner(own), state)
    return LoadedRefiner(refiner.eval(), own, config)


def check_resumable(path: Path, section: Section, ours: Config, optimizer: str) -> None:
    """Checks, before training starts, that a checkpoint exists and is of this model or refiner and optimiser.

    Raises:
        UserError: it is not; the message names the first difference.
    """
    if not path.is_file():
        raise UserError(f"no such checkpoint to resume from: {path}")
    config, _, _ = _read_lightning(path)
    _check_same(path, config, section, ours, "resume")
    match config:
        case {"trainer": {"optimizer": {"name": theirs}}} if theirs != optimizer:
            raise UserError(
                f"cannot resume from {path}: it was trained by {theirs}, not {optimizer}; set "
                f"trainer.optimizer.name={theirs}, or begin a new run from its weights with start_from"
            )


def load_start(path: Path, net: nn.Module, section: Section, ours: Config) -> None:
    """Fills a net with the weights of a checkpoint or a shared file, as the start of a new run.

    The number and placement of samples can differ: weights do not depend on them, and few samples are enough early in
    training. Positions may be seen in upright frames (`UPRIGHT`). Layers of options that only the new run switches on
    keep their initial weights, and so do the further blocks of a deeper backbone (`DEEPER`), which is the same function
    at first.

    Raises:
        UserError: as `load_checkpoint`, or it is of another model; the message names the first difference.
    """
    config, state, _ = _read(path, section)
    initial = net.state_dict()
    added = {name: tensor for name, tensor in initial.items() if ADDED_LAYERS & set(name.split("."))}
    theirs = config[section].get("encoder")
    encoder = ours.encoder if isinstance(ours, ModelConfig) else None
    if theirs and encoder and (theirs["backbone"], encoder.backbone) == DEEPER:
        theirs["backbone"] = encoder.backbone
        for prefix, module in net.named_modules():
            if isinstance(module, BasicBlock) and f"{prefix}.conv1.weight" not in state:
                module.zero_init_last()
        added |= {name: tensor for name, tensor in initial.items() if name.startswith("encoder.backbone.")}
    position = config[section].get("position")
    if position and isinstance(ours, ModelConfig) and (position.get("frame"), ours.position.frame) == UPRIGHT:
        position["frame"] = ours.position.frame
    _check_same(path, config, section, ours, "start", but_for=SAMPLING, additions=ADDITIONS)
    check_weights(path, state)
    _fill(path, net, added | state)


def _check_same(
    path: Path,
    config: dict[str, Any],
    section: Section,
    ours: Config,
    purpose: str,
    but_for: Sequence[str] = (),
    additions: Sequence[str] = (),
) -> None:
    _check_section(path, config, section)
    difference = _first_difference(
        config[section], ours.model_dump(mode="json"), section, {*ORIGIN, *but_for}, set(additions)
    )
    if difference is not None:
        raise UserError(f"cannot {purpose} from {path}: it is of another {section} ({difference})")


def _read(path: Path, section: Section) -> tuple[dict[str, Any], dict[str, Tensor], int]:
    if not path.is_file():
        raise UserError(f"no such checkpoint: {path}")
    config, state, step = read_shared(path) if path.suffix == ".safetensors" else _read_lightning(path)
    _check_section(path, config, section)
    return config, state, step


def _check_section(path: Path, config: dict[str, Any], section: Section) -> None:
    if section not in config:
        other = "refiner" if section == "model" else "model"
        raise UserError(f"{path} holds no {section}" + (f" but a {other}" if other in config else ""))
    if not isinstance(config[section], dict):
        raise UserError(f"{path} is not a checkpoint of this program: its {section} is no configuration")
    check_numbers(path, config[section])


def _fill(path: Path, net: nn.Module, state: dict[str, Tensor]) -> None:
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:160]
        raise UserError(f"{path} holds weights that do not fit its configuration: {detail}") from None


def _read_lightning(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], int]:
    check_archive(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise many types, untrusted ones pickle.UnpicklingError
        raise UserError(f"{path} is not a readable checkpoint ({type(error).__name__})") from None
    if not isinstance(checkpoint, dict) or not {"config", "state_dict"} <= checkpoint.keys():
        raise UserError(f"{path} is not a checkpoint of this program: it has no config and state_dict")
    weights, step = checkpoint["state_dict"], checkpoint.get("global_step", 0)
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights) or not isinstance(step, int):
        raise UserError(f"{path} is not a checkpoint of this program: its state_dict has no named weights")
    state = {name.removeprefix(NET_PREFIX): tensor for name, tensor in weights.items() if name.startswith(NET_PREFIX)}
    return checked_config(path, checkpoint["config"]), state, step


def _first_difference(theirs: Any, ours: Any, key_path: str, but_for: Set[str], additions: Set[str]) -> str | None:
    """The first value that differs; `additions` are keys that only ours can set."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        added = {key for key in additions if not theirs.get(key)}
        for key in sorted((theirs.keys() | ours.keys()) - but_for - added):
            found = _first_difference(theirs.get(key), ours.get(key), f"{key_path}.{key}", but_for, additions)
            if found is not None:
                return found
        return None
    return None if theirs == ours else f"{key_path} is {theirs!r} there and {ours!r} here"


def check_world(path: Path, model: LoadedModel, dataset: Mapping[str, Any]) -> None:
    """Compares the options that determine a capture's axes, origin and unit with those in training.

    Models that render from photos depend on no world frame, but where photos' frames have a depth of their own
    (`half_depth`), on the bounds of rays, half of which is the unit of their densities. Datasets without `scale_world`
    have only one world. `dataset` is a reader's configuration as plain values.

    Raises:
        UserError: they differ; the message has the options used in training.
    """
    trained = model.config.get("dataset") or {}
    if "half_depth" in dataset and "half_depth" in trained and model.net.reads_photos:
        theirs, ours = _bounds(trained), _bounds(dataset)
        if theirs != ours:
            raise UserError(f"{path} was trained in other bounds: evaluate it with {' '.join(theirs)}")
    if "scale_world" not in dataset or "scale_world" not in trained or model.net.reads_photos:
        return
    theirs, ours = _world(trained), _world(dataset)
    if theirs != ours:
        raise UserError(f"{path} was trained in another world frame: evaluate it with {' '.join(theirs)}")


def _bounds(dataset: Mapping[str, Any]) -> list[str]:
    """The options that determine the unit of densities; with frames from near to far it grows with the scene."""
    if dataset["half_depth"] is None:
        return ["dataset.half_depth=null"]
    return [f"dataset.{key}={dataset[key]}" for key in ("near", "far", "half_depth")]


def _world(dataset: Mapping[str, Any]) -> list[str]:
    """The options that determine the world frame; in the files' own frame the others do not matter."""
    name = dataset["name"]
    if not dataset["scale_world"]:
        return [f"dataset={name}", "dataset.scale_world=false"]
    left_out = ",".join(str(item) for item in dataset.get("leave_out", ()))
    options = [f"dataset={name}", "dataset.scale_world=true", f"dataset.leave_out=[{left_out}]"]
    return [*options, "dataset.ndc=true"] if dataset.get("ndc") else options
