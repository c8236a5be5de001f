"""The device to compute on, and whether its products are in bfloat16; everything else stays in float32."""

from typing import Literal

import torch

from pixelnerf.errors import UserError

Precision = Literal["auto", "float32", "bfloat16"]
"""`auto` is bfloat16 where the device multiplies it faster than float32."""


def uses_bfloat16(precision: Precision, device_type: str) -> bool:
    """Whether products are in bfloat16 on a device of this type."""
    return precision == "bfloat16" or (precision == "auto" and fast_bfloat16(device_type))


def fast_bfloat16(device_type: str) -> bool:
    """Whether bfloat16 products are faster than float32 ones; CPUs without AMX or AVX512-BF16 emulate them."""
    if device_type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device_type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def find_device(name: str) -> torch.device:
    """The named device; "auto" is a GPU if available.

    Raises:
        UserError: the device is not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # which a device without memory, such as meta, cannot say
    except (RuntimeError, AssertionError, ModuleNotFoundError) as error:
        reason = str(error).strip().splitlines()[0].partition(". ")[0]
        raise UserError(f"device={name} cannot be used here ({reason}); set device=auto") from None
    return device
