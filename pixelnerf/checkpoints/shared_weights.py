"""Shared weights: one safetensors file with the configuration inside and a hash over both."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from pixelnerf.checkpoints.limits import checked_config
from pixelnerf.errors import UserError
from pixelnerf.tools.files import file_written_whole, refusal_in_a_line

# Paths on the trainer's disk mean nothing to anyone else: these keys are dropped, other paths cut to their last part.
_PRIVATE = ("run_dir", "resume", "start_from")


def save_shared(path: Path, net: nn.Module, config: Mapping[str, Any], step: int, half: bool = False) -> None:
    """Writes weights and configuration as safetensors, for sharing; `half` stores them as float16.

    Raises:
        UserError: a weight is outside float16's range, or the file cannot be written or would not be recognised.
    """
    if path.suffix != ".safetensors":
        raise UserError(f"{path} must end in .safetensors")
    state = {name: _stored(path, name, tensor, half) for name, tensor in net.state_dict().items()}
    public = {key: value for key, value in config.items() if key not in _PRIVATE}
    text = json.dumps(_without_places(public), sort_keys=True)
    metadata = {"config": text, "step": str(step), "sha256": _digest(state, text)}
    with refusal_in_a_line(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_written_whole(path) as temporary:
            safetensors.torch.save_file(state, temporary, metadata)


def read_shared(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], int]:
    """The configuration, the weights and the training step of a shared file.

    Raises:
        UserError: the file is unreadable, not one of ours, or damaged.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a readable safetensors file: {error}") from None
    if "config" not in metadata:
        raise UserError(f"{path} has no configuration inside, so it is not a checkpoint of this program")
    if metadata.get("sha256") != _digest(state, metadata["config"]):
        raise UserError(f"{path} is damaged: its content does not match its hash; download it again")
    try:
        config, step = json.loads(metadata["config"]), int(metadata.get("step", 0))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a checkpoint of this program: {str(error)[:80]}") from None
    return checked_config(path, config), state, step


def _without_places(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_places(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_places(entry) for entry in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _stored(path: Path, name: str, tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not half or not tensor.is_floating_point():
        return tensor
    stored = tensor.to(torch.float16)
    if not torch.isfinite(stored).all():
        raise UserError(f"cannot write {path} in half precision: {name} holds a value outside float16's range")
    return stored


def _digest(state: Mapping[str, Tensor], config: str) -> str:
    digest = hashlib.sha256(config.encode())
    for name in sorted(state):
        tensor = state[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
