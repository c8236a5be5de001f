"""A trained narrow net in a larger one that computes the same function.

What a net costs does not depend on its weights, but where it finds space empty does. A net of the paper's size needs
days of training; this gives it the emptiness of a small trained net instead. New units are zero, and new blocks add
nothing: a residual block whose second layer is zero, and in the encoder one whose last normalisation scales by zero.
"""

import re

import torch
from torch import Tensor

from pixelnerf.errors import UserError
from pixelnerf.model.config import ModelConfig
from pixelnerf.model.field import ResidualFieldConfig
from pixelnerf.model.net import Net, build_net


@torch.no_grad()
def widened(small: Net, config: ModelConfig) -> Net:
    """A net of the configuration that computes what the small one does, at the larger one's cost.

    Raises:
        UserError: the two have other inputs, or the larger one is smaller in some part.
    """
    wide = build_net(config, load_pretrained=False).eval()
    theirs, ours = small.config.field, config.field
    same_inputs = (small.config.position, small.config.direction) == (config.position, config.direction)
    if (
        not isinstance(theirs, ResidualFieldConfig)
        or not isinstance(ours, ResidualFieldConfig)
        or not same_inputs
        or theirs.direction != ours.direction
        or theirs.injection_blocks > ours.injection_blocks
        or theirs.blocks - theirs.injection_blocks > ours.blocks - ours.injection_blocks
    ):
        raise UserError(
            f"the trained '{small.config.name}' cannot be widened to '{config.name}': inputs must be the same, and no "
            "part smaller"
        )
    moved = {
        block: block if block < theirs.injection_blocks else block - theirs.injection_blocks + ours.injection_blocks
        for block in range(theirs.blocks)
    }
    source = {_renamed(name, moved): value for name, value in small.state_dict().items()}
    state = {}
    for name, value in wide.state_dict().items():
        if name.endswith("projections.0.weight") or name == "projections.0.bias":
            parts = source[name].view(theirs.injection_blocks, theirs.width, -1)
            shape = (ours.injection_blocks, ours.width, value.numel() // (ours.injection_blocks * ours.width))
            state[name] = _padded(parts, shape).reshape(value.shape)
        elif name in source:
            state[name] = _padded(source[name], tuple(value.shape))
        else:
            state[name] = torch.zeros_like(value) if _adds_nothing(name) else value
    wide.load_state_dict(state)
    return wide


def _renamed(name: str, moved: dict[int, int]) -> str:
    """Blocks after the mean over views stay after it."""
    return re.sub(r"(fields\.0\.blocks\.)(\d+)", lambda found: f"{found[1]}{moved[int(found[2])]}", name)


def _adds_nothing(name: str) -> bool:
    """The last layer of a new residual branch, which decides that the branch adds nothing."""
    return bool(re.search(r"blocks\.\d+\.second\.|layer\d+\.\d+\.bn2\.(weight|bias)", name))


def _padded(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    if value.dim() != len(shape) or any(old > new for old, new in zip(value.shape, shape, strict=True)):
        raise UserError(f"the trained net is larger in a part ({tuple(value.shape)} against {shape}): choose another")
    result = torch.zeros(shape, dtype=value.dtype)
    result[tuple(slice(size) for size in value.shape)] = value
    return result
