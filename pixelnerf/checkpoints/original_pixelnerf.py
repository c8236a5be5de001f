"""Imports checkpoints of the original pixelNeRF: its state dict becomes ours, every tensor accounted for."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pixelnerf.config import parse_config
from pixelnerf.errors import UserError
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.field import ResidualFieldConfig
from pixelnerf.model.net import Net, PhotoNet

FIRST_POOL = {"sn64": False, "srn": True, "dtu": True, "multi_obj": True}
"""The only difference between the original's experiments that affects the network."""

CUT_OFF = ("encoder.model.layer4.", "encoder.model.fc.")
"""ResNet layers that the original keeps but never runs."""

PASSES = ("mlp_coarse", "mlp_fine")
FREQUENCIES, FIRST_FREQUENCY = 6, 1.5
FLIP = torch.tensor([1.0, -1.0, -1.0])
"""OpenGL camera axes (x right, y up, z backward) to OpenCV's."""


def model_of_experiment(values: Mapping[str, Any], experiment: str) -> ModelConfig:
    """The original's model in one of its experiments (the keys of `FIRST_POOL`) from `conf/model/pixelnerf.yaml`."""
    encoder = {**values["encoder"], "first_pool": FIRST_POOL[experiment], "pretrained": False}
    return parse_config(ModelConfig, {**values, "encoder": encoder}, "model")


def convert_state(original: Mapping[str, Tensor], net: Net, source: str) -> dict[str, Tensor]:
    """The state dict of `net` (from `model_of_experiment`) from the original's; `source` is its file.

    The original encodes positions and directions in OpenGL axes and orders features differently, which becomes signs
    and a permutation of the first layer's columns.

    Raises:
        UserError: tensors are missing, left over, or of another shape; the message lists them.
    """
    if not isinstance(net, PhotoNet):
        raise TypeError(f"'{net.config.name}' reads no photos, but all of the original's models do")
    found = {name: tuple(tensor.shape) for name, tensor in original.items() if not name.startswith(CUT_OFF)}
    check_tensors(found, _original_shapes(net), f"{source} is not a checkpoint of the original pixelNeRF's model")
    _check_waves(original, source)
    converted = {
        name.replace("encoder.model.", "encoder.backbone."): tensor
        for name, tensor in original.items()
        if name.startswith("encoder.model.") and name in found
    }
    columns, signs = input_columns()
    config = net.config.field
    assert isinstance(config, ResidualFieldConfig), "the paper's model reads photos"
    for index, mlp in enumerate(PASSES):
        field, projection = f"fields.{index}", f"projections.{index}"
        converted[f"{field}.input.weight"] = original[f"{mlp}.lin_in.weight"][:, columns] * signs
        converted[f"{field}.input.bias"] = original[f"{mlp}.lin_in.bias"]
        for part in ("weight", "bias"):
            output = original[f"{mlp}.lin_out.{part}"]
            converted[f"{field}.color.{part}"], converted[f"{field}.density.{part}"] = output[:3], output[3:]
            for block in range(config.blocks):
                ours, theirs = f"{field}.blocks.{block}", f"{mlp}.blocks.{block}"
                converted[f"{ours}.first.{part}"] = original[f"{theirs}.fc_0.{part}"]
                converted[f"{ours}.second.{part}"] = original[f"{theirs}.fc_1.{part}"]
        injections = [f"{mlp}.lin_z.{block}" for block in range(config.injection_blocks)]
        converted[f"{projection}.weight"] = torch.cat([original[f"{name}.weight"] for name in injections])
        converted[f"{projection}.bias"] = torch.stack([original[f"{name}.bias"] for name in injections])
    return converted


def check_tensors(
    found: Mapping[str, tuple[int, ...] | None], expected: Mapping[str, tuple[int, ...]], verdict: str
) -> None:
    """Compares names and shapes; what is no tensor has the shape None.

    Raises:
        UserError: `verdict`, and the tensors that are missing, left over, or of another shape.
    """
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "left over": sorted(found.keys() - expected.keys()),
        "of another shape": [
            f"{name} {list(found[name] or ())} for {list(shape)}"
            for name, shape in expected.items()
            if found.get(name, shape) != shape
        ],
    }
    if any(problems.values()):
        listed = "; ".join(f"tensors {what}: {', '.join(names)}" for what, names in problems.items() if names)
        raise UserError(f"{verdict}: {listed}")


def input_columns() -> tuple[Tensor, Tensor]:
    """For each of our 42 input features, the original's column and its sign.

    Theirs: position (3), for each frequency sine (3) and cosine (3), direction (3). Ours: position (3), sines by
    coordinate then frequency (18), cosines likewise (18), direction (3).
    """
    coordinates = torch.arange(3)
    waves = 3 + 6 * torch.arange(FREQUENCIES) + coordinates[:, None]
    columns = torch.cat([coordinates, waves.flatten(), waves.flatten() + 3, 3 + 6 * FREQUENCIES + coordinates])
    sines = FLIP.repeat_interleave(FREQUENCIES)
    return columns, torch.cat([FLIP, sines, torch.ones_like(sines), FLIP])


def _original_shapes(net: PhotoNet) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the original's tensors, without the unused ones."""
    config = net.config.field
    assert isinstance(config, ResidualFieldConfig), "the paper's model reads photos"
    shapes: dict[str, tuple[int, ...]] = {
        f"encoder.model.{name}": tuple(tensor.shape) for name, tensor in net.encoder.backbone.state_dict().items()
    }
    for mlp in PASSES:
        layers = {"lin_in": (config.width, 6 * FREQUENCIES + 6), "lin_out": (4, config.width)}
        layers |= {
            f"blocks.{b}.fc_{part}": (config.width, config.width) for b in range(config.blocks) for part in (0, 1)
        }
        layers |= {f"lin_z.{b}": (config.width, sum(net.encoder.channels)) for b in range(config.injection_blocks)}
        for layer, shape in layers.items():
            shapes |= {f"{mlp}.{layer}.weight": shape, f"{mlp}.{layer}.bias": shape[:1]}
    shapes["code._freqs"] = shapes["code._phases"] = (1, 2 * FREQUENCIES, 1)
    return shapes


def _check_waves(original: Mapping[str, Tensor], source: str) -> None:
    frequencies = FIRST_FREQUENCY * 2.0 ** torch.arange(FREQUENCIES).repeat_interleave(2)
    phases = torch.tensor([0.0, math.pi / 2]).repeat(FREQUENCIES)
    for name, constants in (("code._freqs", frequencies), ("code._phases", phases)):
        if not torch.allclose(original[name].flatten(), constants):
            raise UserError(f"{source} does not encode positions like the original pixelNeRF: {name} differs")
