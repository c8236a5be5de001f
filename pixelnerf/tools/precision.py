"""Which products are made in bfloat16; all else, and all weights, stay in float32."""

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
"""`auto` is bfloat16 where the device multiplies it faster than float32."""


def uses_bfloat16(precision: Precision, device_type: str) -> bool:
    """Whether products are made in bfloat16 on a device of this type."""
    return precision == "bfloat16" or (precision == "auto" and fast_bfloat16(device_type))


def fast_bfloat16(device_type: str) -> bool:
    """Whether bfloat16 products are faster than float32 ones there: CPUs without AMX or AVX512-BF16 emulate them."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device_type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
