"""Imports checkpoints of the original mip-NeRF: its one MLP becomes ours, every tensor accounted for."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from pixelnerf.checkpoints.flax_file import named_arrays
from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.mlp import MlpFieldConfig
from pixelnerf.model.net import Net

RENDERER_CHANGES = {"blender": {}, "multiblender": {}, "llff": {"frustum": "cylinder"}}
"""The original's configurations, and their changes to the renderer of `conf/model/mipnerf.yaml`."""

PARAMETER_PATHS = (("params",), ("optimizer", "target", "params"), ("target", "params"))
"""Where the parameters are: at the top, in a whole training state, in an optimiser's state."""

MODULE = "MLP_0"


def model_of_configuration(values: Mapping[str, Any], configuration: str) -> ModelConfig:
    """The original's model in one of its configurations (the keys of `RENDERER_CHANGES`) from our YAML."""
    renderer = {**values["renderer"], **RENDERER_CHANGES[configuration]}
    return parse_config(ModelConfig, {**values, "renderer": renderer}, "model")


def convert_tree(tree: Mapping[str, Any], net: Net, source: str) -> dict[str, Tensor]:
    """The state dict of `net` (from `model_of_configuration`) from a Flax checkpoint's tree; `source` is its file.

    The original orders encodings by frequency and then coordinate, and its kernels multiply from the right.

    Raises:
        UserError: arrays are missing, left over, or of another shape; the message lists them.
    """
    leaves = named_arrays(_parameters(tree, source))
    names = _original_names(net)
    expected = net.state_dict()
    _check(leaves, {theirs: _original_shape(expected[ours]) for ours, theirs in names.items()}, source)
    converted = {
        ours: torch.from_numpy(np.array(leaves[theirs], dtype=np.float32).T.copy()) for ours, theirs in names.items()
    }
    config, position, direction = _field_config(net), net.config.position, net.config.direction
    assert direction is not None, "mip-NeRF's colour depends on the direction"
    positions = input_columns(position.max_degree - position.min_degree, raw_inputs=0)
    for layer in (0, config.skip_after):
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


def _parameters(tree: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    for path in PARAMETER_PATHS:
        node: Any = tree
        for name in path:
            node = node.get(name) if isinstance(node, Mapping) else None
        if isinstance(node, Mapping):
            return node
    paths = ", ".join("/".join(path) for path in PARAMETER_PATHS)
    raise UserError(f"{source} has no parameters where Flax puts them ({paths}); found: {', '.join(sorted(tree))}")


def _original_names(net: Net) -> dict[str, str]:
    """The original's name for each of our tensors; it numbers layers in order of use."""
    depth = _field_config(net).depth
    layers = [*(f"layers.{layer}" for layer in range(depth)), "density", "bottleneck", "direction", "color"]
    parts = {"weight": "kernel", "bias": "bias"}
    return {
        f"fields.0.{layer}.{ours}": f"{MODULE}/Dense_{number}/{theirs}"
        for number, layer in enumerate(layers)
        for ours, theirs in parts.items()
    }


def _original_shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(reversed(tensor.shape))


def _check(leaves: Mapping[str, Any], expected: Mapping[str, tuple[int, ...]], source: str) -> None:
    problems = {
        "missing": sorted(expected.keys() - leaves.keys()),
        "left over": sorted(leaves.keys() - expected.keys()),
        "of another shape": [
            f"{name} {list(np.shape(leaves[name]))} for {list(shape)}"
            for name, shape in expected.items()
            if name in leaves and (not isinstance(leaves[name], np.ndarray) or leaves[name].shape != shape)
        ],
    }
    if any(problems.values()):
        listed = "; ".join(f"tensors {what}: {', '.join(names)}" for what, names in problems.items() if names)
        raise UserError(f"{source} is not a checkpoint of the original mip-NeRF's model: {listed}")


def _field_config(net: Net) -> MlpFieldConfig:
    assert isinstance(net.config.field, MlpFieldConfig), "mip-NeRF reads no photos"
    return net.config.field
