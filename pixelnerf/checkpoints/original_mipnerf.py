"""Imports checkpoints of the original mip-NeRF: its one MLP becomes ours, every tensor accounted for.

They are Flax's, read here without Flax: msgpack, whose extension types 1 (arrays) and 3 (scalars) hold (shape, dtype
name, bytes).
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from pixelnerf.checkpoints.original_pixelnerf import check_finite, check_tensors
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.mlp import MlpFieldConfig
from pixelnerf.model.net import Net

FLAX_ARRAY, FLAX_SCALAR = 1, 3
NUMBER_TYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "bool")

RENDERER_CHANGES = {"blender": {}, "multiblender": {}, "llff": {"frustum": "cylinder"}}
"""The original's configurations, and their changes to the renderer of `conf/model/mipnerf.yaml`."""

PARAMETER_PATHS = ("params/", "optimizer/target/params/", "target/params/")
"""Where the parameters are: at the top, in a whole training state, in an optimiser's state."""

MODULE = "MLP_0"


def read_flax_file(path: Path) -> dict[str, Any]:
    """The tree of a Flax checkpoint. Nothing in the file is executed.

    Raises:
        UserError: the file is missing, damaged, not msgpack, or holds anything but arrays.
    """
    if not path.is_file():
        raise UserError(f"no such weights file: {path}")

    def unpack_extension(code: int, data: bytes) -> np.ndarray:
        if code not in (FLAX_ARRAY, FLAX_SCALAR):
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


def model_of_experiment(values: Mapping[str, Any], experiment: str) -> ModelConfig:
    """The original's model in one of its configurations (the keys of `RENDERER_CHANGES`) from our YAML."""
    renderer = {**values["renderer"], **RENDERER_CHANGES[experiment]}
    return parse_config(ModelConfig, {**values, "renderer": renderer}, "model")


def convert_state(tree: Mapping[str, Any], net: Net, source: str) -> dict[str, Tensor]:
    """The state dict of `net` (from `model_of_experiment`) from a Flax checkpoint's tree; `source` is its file.

    The original orders encodings by frequency and then coordinate, and its kernels multiply from the right.

    Raises:
        UserError: arrays are missing, left over, of another shape, or not finite; the message lists them.
    """
    field, position, direction = net.config.field, net.config.position, net.config.direction
    assert isinstance(field, MlpFieldConfig), "mip-NeRF reads no photos"
    assert direction is not None, "mip-NeRF's colour depends on the direction"
    # The original numbers layers in order of use.
    layers = [*(f"layers.{layer}" for layer in range(field.depth)), "density", "bottleneck", "direction", "color"]
    names = {
        f"fields.0.{layer}.{ours}": f"{MODULE}/Dense_{number}/{theirs}"
        for number, layer in enumerate(layers)
        for ours, theirs in (("weight", "kernel"), ("bias", "bias"))
    }
    leaves = _parameters(tree, source)
    expected = {theirs: tuple(reversed(net.state_dict()[ours].shape)) for ours, theirs in names.items()}
    found = {name: leaf.shape if isinstance(leaf, np.ndarray) else None for name, leaf in leaves.items()}
    check_tensors(found, expected, f"{source} is not a checkpoint of the original mip-NeRF's model")
    converted = {
        ours: torch.from_numpy(np.array(leaves[theirs], dtype=np.float32).T.copy()) for ours, theirs in names.items()
    }
    check_finite([names[ours] for ours, tensor in converted.items() if not torch.isfinite(tensor).all()], source)
    positions = input_columns(position.max_degree - position.min_degree, raw_inputs=0)
    for layer in (0, field.skip_after):
        _reorder_last(converted, f"fields.0.layers.{layer}.weight", positions)
    directions = input_columns(direction.max_degree - direction.min_degree, raw_inputs=3)
    _reorder_last(converted, "fields.0.direction.weight", directions)
    return converted


def input_columns(degrees: int, raw_inputs: int) -> Int[Tensor, "feature"]:
    """For each feature of our encoding of three coordinates, the original's column.

    Both are ordered raw inputs, sines, cosines; within a block, theirs by frequency then coordinate, ours by coordinate
    then frequency.
    """
    block = torch.arange(3 * degrees).view(degrees, 3).T.flatten()
    return torch.cat([torch.arange(raw_inputs), raw_inputs + block, raw_inputs + 3 * degrees + block])


def _reorder_last(state: dict[str, Tensor], name: str, columns: Int[Tensor, "feature"]) -> None:
    """Reorders the last columns of a layer's weight, those of an encoding, into our order."""
    weight = state[name]
    first = weight.shape[1] - len(columns)
    state[name] = torch.cat([weight[:, :first], weight[:, first + columns]], dim=1)


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


def _named_arrays(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of a tree by path, such as "MLP_0/Dense_0/kernel"."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= _named_arrays(value, f"{prefix}{name}/") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return leaves


def _parameters(tree: Mapping[str, Any], source: str) -> dict[str, Any]:
    leaves = _named_arrays(tree)
    for folder in PARAMETER_PATHS:
        inside = {name.removeprefix(folder): leaf for name, leaf in leaves.items() if name.startswith(folder)}
        if inside:
            return inside
    raise UserError(
        f"{source} has no parameters where Flax puts them ({', '.join(PARAMETER_PATHS)}); "
        f"found: {', '.join(sorted(tree))}"
    )
