"""Training with products in bfloat16 under Lightning."""

from collections.abc import Generator
from contextlib import contextmanager

from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch.optim import Optimizer
from typing_extensions import override


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
