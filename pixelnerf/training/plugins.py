"""What Lightning does our way: bfloat16, and checkpoints that appear whole."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch.optim import Optimizer
from typing_extensions import override

from pixelnerf.tools.files import file_written_whole


class BFloat16Precision(MixedPrecision):
    """bfloat16 where autocast considers it safe, float32 weights, and validation in float32, like evaluation.

    Lightning refuses to clip the gradients of a fused optimiser, because float16's are scaled; bfloat16's are not.
    """

    def __init__(self, device_type: str) -> None:
        super().__init__("bf16-mixed", device_type)

    @override
    def clip_gradients(
        self,
        optimizer: Optimizer,
        clip_val: int | float = 0.0,
        gradient_clip_algorithm: GradClipAlgorithmType = GradClipAlgorithmType.NORM,
    ) -> None:
        Precision.clip_gradients(self, optimizer, clip_val, gradient_clip_algorithm)

    @override
    @contextmanager
    def val_step_context(self) -> Generator[None, None, None]:
        yield


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints appear whole or not at all, so a crash never leaves half a file."""

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Into an open file: given a path, torch would put the temporary name into the archive.
        with file_written_whole(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)
