"""How Lightning trains with products in bfloat16."""

from collections.abc import Generator
from contextlib import contextmanager

from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch.optim import Optimizer
from typing_extensions import override


class BFloat16Precision(MixedPrecision):
    """bfloat16 where autocast thinks it safe, with weights in float32; validation in float32, as evaluation is.

    Lightning refuses to clip gradients of a fused optimiser, which would see float16's scaled ones; bfloat16 needs no
    scaling.
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
