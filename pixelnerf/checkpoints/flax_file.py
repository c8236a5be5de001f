"""Reading Flax checkpoints (msgpack) without Flax: a tree of maps whose leaves are arrays.

Flax packs arrays as msgpack extension type 1 and scalars as type 3; both hold (shape, dtype name, bytes).
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from pixelnerf.errors import UserError

ARRAY, SCALAR = 1, 3
"""Flax's msgpack extension types."""

NUMBER_TYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "bool")


def read_flax_file(path: Path) -> dict[str, Any]:
    """The tree of a Flax checkpoint. Nothing in the file is executed.

    Raises:
        UserError: the file is missing, damaged, not msgpack, or holds anything but arrays.
    """
    if not path.is_file():
        raise UserError(f"no such weights file: {path}")

    def unpack_extension(code: int, data: bytes) -> np.ndarray:
        if code not in (ARRAY, SCALAR):
            raise UserError(f"{path} holds a msgpack extension of type {code}, which Flax does not use for arrays")
        return _array(data)

    try:
        tree = msgpack.unpackb(path.read_bytes(), ext_hook=unpack_extension, raw=False)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (msgpack.UnpackException, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise UserError(f"{path} is not a readable Flax checkpoint: {reason}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path} is not a Flax checkpoint: it holds a {type(tree).__name__}, not named values")
    return tree


def named_arrays(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of a tree by path, such as "MLP_0/Dense_0/kernel"."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= named_arrays(value, f"{prefix}{name}/") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return leaves


def _array(data: bytes) -> np.ndarray:
    fields = msgpack.unpackb(data, raw=False)
    if not isinstance(fields, list) or len(fields) != 3:
        raise ValueError("an array is not (shape, type, bytes)")
    shape, type_name, buffer = fields
    if type_name not in NUMBER_TYPES:
        raise ValueError(f"an array is of type {type_name!r}; convert it to float32")
    values = np.frombuffer(buffer, np.dtype(type_name))
    if not isinstance(shape, list) or any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"an array has the shape {shape!r}")
    if math.prod(shape) != len(values):
        raise ValueError(f"an array of shape {shape} has {len(values)} values")
    return values.reshape(shape)
