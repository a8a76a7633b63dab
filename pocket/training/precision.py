"""Which arithmetic training uses, decided once by what the processor is good at."""

from contextlib import AbstractContextManager

import torch


def has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 matrix products outrun float32 ones; on CPUs without the instructions they crawl."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def autocast(device: str) -> AbstractContextManager[None]:
    """Mixed precision where it pays, plain float32 elsewhere."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=has_fast_bfloat16(device))
