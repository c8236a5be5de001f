"""Checkpoints: written atomically, read without unpickling, carrying the whole configuration."""

import os
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor, nn
from typing_extensions import override

from pixelnerf.config import Config, parse_config
from pixelnerf.errors import UserError
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.net import Net
from pixelnerf.refine.config import RefinerConfig, build_refiner
from pixelnerf.refine.refiner import Refiner
from pixelnerf.training.shared_weights import read_shared

NET_PREFIX = "net."
Section = Literal["model", "refiner"]
"""Where a checkpoint's configuration says what was trained."""
# Where the start weights came from does not matter to a run that goes on.
ORIGIN = ("pretrained", "weights")
# What a new run may choose anew of the renderer.
SAMPLING = ("coarse_samples", "placement", "spacing")
# What a new run may switch on, and the layers that come with it: they begin with all but no effect.
ADDITIONS = ("photo_colors", "thin_channels")
ADDED_LAYERS = {"photo_colors", "thin_map", "thin_injections"}


@dataclass(frozen=True)
class LoadedModel:
    """A net in evaluation mode, the whole configuration it was trained with as plain values, and its training step."""

    net: Net
    config: dict[str, Any]
    step: int


@dataclass(frozen=True)
class LoadedRefiner:
    """A refiner in evaluation mode, its own configuration, and the whole one that it was trained with."""

    refiner: Refiner
    own: RefinerConfig
    config: dict[str, Any]


class _RefinerSection(Config):
    refiner: RefinerConfig


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints under a temporary name first, so that a crash never leaves half a file."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        final = Path(path)
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = final.with_name(f".{final.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)


def load_checkpoint(path: Path) -> LoadedModel:
    """Reads a `.ckpt` of a training run or a shared `.safetensors`; the averaged weights where there are such.

    Raises:
        UserError: the file is missing, damaged, not one of ours, or its weights do not fit its configuration.
    """
    config, state, step = _read(Path(path), "model")
    net = Net(parse_config(ModelConfig, config["model"], f"{path}: model"), load_pretrained=False)
    _fill(path, net, state)
    return LoadedModel(net.eval(), config, step)


def load_refiner(path: Path) -> LoadedRefiner:
    """Reads a refiner's `.ckpt` or `.safetensors`, as `load_checkpoint` does a model's.

    Raises:
        UserError: the file is missing, damaged, no refiner, or its weights do not fit its configuration.
    """
    config, state, _ = _read(Path(path), "refiner")
    own = parse_config(_RefinerSection, {"refiner": config["refiner"]}, f"{path}: ").refiner
    refiner = build_refiner(own)
    _fill(path, refiner, state)
    return LoadedRefiner(refiner.eval(), own, config)


def check_resumable(path: Path, section: Section, ours: Config) -> None:
    """Makes sure before training starts that a checkpoint is there and is of this model or refiner.

    Raises:
        UserError: it is not; the message names the first difference.
    """
    if not path.is_file():
        raise UserError(f"no such checkpoint to resume from: {path}")
    config, _, _ = _read_lightning(path)
    _check_same(path, config, section, ours, "resume")


def load_start(path: Path, net: nn.Module, section: Section, ours: Config) -> None:
    """Fills a net with the weights of a checkpoint or a shared file, to train on from them.

    How many samples a ray has and where they lie may be different: weights do not depend on it, and few samples are
    enough for a young field. Layers of options that are switched on for the new run start as they are.

    Raises:
        UserError: as `load_checkpoint`, or it is of another model; the message names the first difference.
    """
    config, state, _ = _read(path, section)
    _check_same(path, config, section, ours, "start", but_for=SAMPLING, additions=ADDITIONS)
    added = {name: tensor for name, tensor in net.state_dict().items() if ADDED_LAYERS & set(name.split("."))}
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
    found = read_shared(path) if path.suffix == ".safetensors" else _read_lightning(path)
    _check_section(path, found[0], section)
    return found


def _check_section(path: Path, config: dict[str, Any], section: Section) -> None:
    if section not in config:
        other = "refiner" if section == "model" else "model"
        raise UserError(f"{path} holds no {section}" + (f" but a {other}" if other in config else ""))


def _fill(path: Path, net: nn.Module, state: dict[str, Tensor]) -> None:
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:160]
        raise UserError(f"{path} holds other weights than its configuration says: {detail}") from None


def _read_lightning(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], int]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise many types, untrusted ones pickle.UnpicklingError
        raise UserError(f"{path} is not a readable checkpoint ({type(error).__name__})") from None
    if not isinstance(checkpoint, dict) or not {"config", "state_dict"} <= checkpoint.keys():
        raise UserError(f"{path} is not a checkpoint of this program: it has no config and state_dict")
    state = {
        name.removeprefix(NET_PREFIX): tensor
        for name, tensor in checkpoint["state_dict"].items()
        if name.startswith(NET_PREFIX)
    }
    return checkpoint["config"], state, int(checkpoint.get("global_step", 0))


def _first_difference(theirs: Any, ours: Any, place: str, but_for: Set[str], additions: Set[str]) -> str | None:
    """The first value that differs; an option that is off is the same as none, which is what older files have."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        added = {key for key in additions if not theirs.get(key)}
        for key in sorted((theirs.keys() | ours.keys()) - but_for - added):
            found = _first_difference(theirs.get(key), ours.get(key), f"{place}.{key}", but_for, additions)
            if found is not None:
                return found
        return None
    same = theirs == ours or (theirs is None and not ours)
    return None if same else f"{place} is {theirs!r} there and {ours!r} here"
