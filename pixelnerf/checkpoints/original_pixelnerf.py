"""Imports checkpoints of the original pixelNeRF: its state dict becomes ours, every tensor accounted for."""

import math
from collections.abc import Mapping, Sequence
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

COUNTERS = ".num_batches_tracked"
"""Ends the names of batch normalisation's counters: torch before 0.4.1 had none, and a trained net needs none."""
HALF_TOLERANCE = 1e-3
"""Relative rounding of constants in checkpoints of half precision."""

PASSES = ("mlp_coarse", "mlp_fine")
FREQUENCIES = 6
WAVES = {
    "code._freqs": 1.5 * 2.0 ** torch.arange(FREQUENCIES).repeat_interleave(2)[None, :, None],
    "code._phases": torch.tensor([0.0, math.pi / 2]).repeat(FREQUENCIES)[None, :, None],
}
"""Constants of the original's positional encoding, which its checkpoints hold."""
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

    Weights of half precision become float32, and counters of batches may be missing.

    Raises:
        UserError: tensors are missing, left over, of another shape, or not finite; the message lists them.
    """
    if not isinstance(net, PhotoNet):
        raise TypeError(f"'{net.config.name}' reads no photos, but all of the original's models do")
    converted, theirs = _tensors(net)
    counters = {name: torch.zeros_like(tensor) for name, tensor in theirs.items() if name.endswith(COUNTERS)}
    original = {**counters, **original}
    found = {name: tuple(tensor.shape) for name, tensor in original.items() if not name.startswith(CUT_OFF)}
    expected = {name: tuple(tensor.shape) for name, tensor in theirs.items()}
    check_tensors(found, expected, f"{source} is not a checkpoint of the original pixelNeRF's model")
    for name, constants in WAVES.items():
        if not torch.allclose(original[name].float(), constants, rtol=HALF_TOLERANCE):
            raise UserError(f"{source} does not encode positions like the original pixelNeRF: {name} differs")
    check_finite([name for name in theirs if not torch.isfinite(original[name]).all()], source)
    for name, tensor in theirs.items():
        tensor.copy_(original[name])
    columns, signs = input_columns()
    for index in range(len(PASSES)):
        name = f"fields.{index}.input.weight"
        converted[name] = converted[name][:, columns] * signs
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


def check_finite(broken: Sequence[str], source: str) -> None:
    """Raises a UserError if a file has broken tensors: those that are not finite."""
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise UserError(f"{source} holds weights that are not finite ({broken[0]}{more}): its training had failed")


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


def _tensors(net: PhotoNet) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A state dict of ours to fill, and its parts under the original's names, in the original's shapes."""
    config = net.config.field
    assert isinstance(config, ResidualFieldConfig), "the paper's model reads photos"
    state = net.state_dict()
    ours: dict[str, Tensor] = {}

    def empty(name: str) -> Tensor:
        return ours.setdefault(name, torch.empty_like(state[name]))

    backbone = [name for name in state if name.startswith("encoder.backbone.")]
    theirs = {name.replace(".backbone.", ".model."): empty(name) for name in backbone}
    for index, mlp in enumerate(PASSES):
        field, projection = f"fields.{index}", f"projections.{index}"
        for part in ("weight", "bias"):
            theirs[f"{mlp}.lin_in.{part}"] = empty(f"{field}.input.{part}")
            color, density = f"{field}.color.{part}", f"{field}.density.{part}"
            theirs[f"{mlp}.lin_out.{part}"] = output = torch.cat([state[color], state[density]])
            ours[color], ours[density] = output[:3], output[3:]
            for block in range(config.blocks):
                for number, layer in enumerate(("first", "second")):
                    theirs[f"{mlp}.blocks.{block}.fc_{number}.{part}"] = empty(f"{field}.blocks.{block}.{layer}.{part}")
        weights, biases = empty(f"{projection}.weight").chunk(config.injection_blocks), empty(f"{projection}.bias")
        for block, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            theirs |= {f"{mlp}.lin_z.{block}.weight": weight, f"{mlp}.lin_z.{block}.bias": bias}
    return ours, theirs | {name: torch.empty_like(constants) for name, constants in WAVES.items()}
