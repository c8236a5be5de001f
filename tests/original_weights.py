"""State dicts as the original pixelNeRF writes them, filled by the rule of the golden files."""

import math
import zlib

import numpy as np
import torch
from torch import Tensor

FREQUENCIES = (1.5 * 2.0 ** torch.arange(6)).repeat_interleave(2)
PHASES = torch.tensor([0.0, math.pi / 2]).repeat(6)


def filled(name: str, shape: list[int]) -> Tensor:
    """The rule by which the original's tensors were filled."""
    x = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        x = 0.5 + np.abs(x)
    elif name.endswith(("running_mean", "bias")):
        x = 0.1 * x
    elif "bn" in name or "downsample.1" in name:
        x = 1 + 0.1 * x
    else:
        x = x / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(x.astype(np.float32))


def original_state(names: list[tuple[str, list[int]]]) -> dict[str, Tensor]:
    """The original's state dict, its integer buffers included, with the true constants of the encoding."""
    state = {name: filled(name, shape) for name, shape in names}
    for name in [name for name in state if name.endswith("running_var")]:
        state[name.replace("running_var", "num_batches_tracked")] = torch.tensor(0)
    return state | {"code._freqs": FREQUENCIES.view(1, 12, 1), "code._phases": PHASES.view(1, 12, 1)}
