"""The encoder's ImageNet weights: from a file, the local cache or a download. Never a silent fallback."""

import threading
import urllib.error
import urllib.request
from pathlib import Path

import huggingface_hub
import safetensors.torch
import timm
import torch
from safetensors import SafetensorError
from torch import Tensor

from pixelnerf.errors import UserError

CONNECT_SECONDS = 3.0
"""Time-out after which the hub counts as unreachable; its own client retries for a minute."""

WAYS_OUT = "set model.encoder.weights=PATH to a local file, or model.encoder.pretrained=false to train from scratch"


def pretrained_state(backbone: str, weights: Path | None) -> dict[str, Tensor]:
    """The backbone's state dict: from the file if given, else from the local cache, else downloaded.

    Raises:
        UserError: the file is missing or not a state dict, or the weights are neither cached nor reachable.
    """
    return read_state_file(weights) if weights is not None else _from_hub(backbone)


def read_state_file(path: Path) -> dict[str, Tensor]:
    """Reads a state dict from a `.safetensors` or `torch.save` file without unpickling any code.

    Raises:
        UserError: the file is missing, unreadable, or holds anything but named tensors.
    """
    if not path.is_file():
        raise UserError(f"no such weights file: {path}")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise UserError(f"cannot read weights from {path}: {str(error).splitlines()[0]}") from None
    except Exception as error:  # torch raises pickle.UnpicklingError for anything that is not plain tensors
        raise UserError(f"{path} holds more than named tensors, so it is not loaded ({type(error).__name__})") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(
            f"{path} is not a state dict (named tensors); export one with torch.save(net.state_dict(), ...)"
        )
    return state


def _from_hub(backbone: str) -> dict[str, Tensor]:
    source = timm.get_pretrained_cfg(backbone)
    if source is None or not source.hf_hub_id:
        raise UserError(f"timm has no pretrained weights for encoder.backbone={backbone}; {WAYS_OUT}")
    repository = source.hf_hub_id if not source.hf_hub_id.endswith("/") else source.hf_hub_id + backbone
    filename = source.hf_hub_filename or "model.safetensors"
    cached = huggingface_hub.try_to_load_from_cache(repository, filename)
    if isinstance(cached, str):
        return read_state_file(Path(cached))
    if not _hub_in_reach():
        raise UserError(
            f"the ImageNet weights of {backbone} are not on this machine and cannot be downloaded; {WAYS_OUT}"
        )
    try:
        return read_state_file(Path(huggingface_hub.hf_hub_download(repository, filename)))
    except (OSError, ValueError) as error:
        raise UserError(f"downloading the weights of {backbone} failed ({type(error).__name__}); {WAYS_OUT}") from None


def _hub_in_reach() -> bool:
    answered = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(huggingface_hub.constants.ENDPOINT, timeout=CONNECT_SECONDS):
                answered.set()
        except urllib.error.HTTPError:
            answered.set()
        except (OSError, ValueError):
            return

    # In a thread because resolving a name has no time-out of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS + 0.5)
    return answered.is_set()
