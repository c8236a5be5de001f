"""What a checkpoint that someone else made may hold, checked before memory is taken for it."""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pixelnerf.checkpoints.migration import migrated
from pixelnerf.errors import UserError

LARGEST_NUMBER = 20_000
"""Of a whole number in the configuration of a net: no layer is wider, and no net has more of them."""

NetType = TypeVar("NetType", bound=nn.Module)


def check_archive(path: Path) -> None:
    """Refuses what is no `.ckpt` of Lightning's, and an archive that would grow when it is read: torch stores plainly.

    Raises:
        UserError: it is no zip archive, it is damaged, or its parts are larger than the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:  # the last: a later zip version
        raise UserError(f"{path} is not a readable checkpoint ({type(error).__name__})") from None
    if size > path.stat().st_size:
        raise UserError(f"{path} is compressed, as no checkpoint of this program is, so it is not loaded")


def checked_config(path: Path, config: object) -> dict[str, Any]:
    """A checkpoint's configuration with today's keys.

    Raises:
        UserError: it is no configuration.
    """
    try:
        if isinstance(config, Mapping):
            return migrated(config)
    except Exception:  # a crafted configuration fails in any way
        pass
    raise UserError(f"{path} is not a checkpoint of this program: its configuration cannot be read")


def check_numbers(path: Path, values: Mapping[str, Any]) -> None:
    """Refuses a net's configuration with absurd numbers, before anything is computed of them.

    Raises:
        UserError: one is too large.
    """
    if (number := _largest(values)) > LARGEST_NUMBER:
        # Python refuses to write out the longest numbers.
        told = number if number < 10**18 else "a number of more than 18 digits"
        raise UserError(f"{path} has {told} in its configuration, and {LARGEST_NUMBER} is the most a net may have")


def built_to_fit(path: Path, build: Callable[[], NetType], state: Mapping[str, Tensor]) -> NetType:
    """A net with the weights of a checkpoint; `build` makes one of its configuration.

    It is built without memory first, so that a configuration never takes more than the weights in the file.

    Raises:
        UserError: the weights do not fit the configuration, are not plain numbers, or not finite.
    """
    check_weights(path, state)
    with torch.device("meta"):
        expected = build().state_dict()
    wrong = sorted(name for name in expected.keys() | state.keys() if _shape(expected, name) != _shape(state, name))
    if wrong:
        sizes = f"{wrong[0]} is {_shape(state, wrong[0])} for {_shape(expected, wrong[0])}"
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UserError(f"{path} holds weights that do not fit its configuration: {sizes}{more}")
    net = build()
    net.load_state_dict(state)
    return net


def check_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Refuses weights that are not plain finite numbers, or more of them than the file can hold.

    Raises:
        UserError: the first that is not.
    """
    size = path.stat().st_size
    for name, tensor in state.items():
        plain = isinstance(tensor, Tensor) and tensor.layout == torch.strided and tensor.device.type == "cpu"
        if not plain or tensor.is_complex() or tensor.is_quantized:
            raise UserError(f"{path} holds weights that are not plain numbers: {name}")
        size -= tensor.numel() * tensor.element_size()
        if size < 0:
            raise UserError(f"{path} holds weights of {tuple(tensor.shape)} that are larger than the file: {name}")
        if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all():
            raise UserError(f"{path} holds weights that are not finite ({name}): the training failed, or it is damaged")


def _shape(state: Mapping[str, Tensor], name: str) -> str:
    return str(list(state[name].shape)) if name in state else "missing"


def _largest(values: object) -> int:
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return max(map(_largest, values), default=0)
    return abs(values) if isinstance(values, int) else 0
