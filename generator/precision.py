"""Which arithmetic learning and training use, decided once by what the processor is good at."""

import copy
from contextlib import AbstractContextManager

import torch
from diffusers import FluxTransformer2DModel
from torch import nn


def has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 matrix products outrun float32 ones; on CPUs without the instructions they crawl."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def autocast(device: str) -> AbstractContextManager[None]:
    """Mixed precision where it pays, plain float32 elsewhere."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=has_fast_bfloat16(device))


def in_fast_arithmetic(transformer: FluxTransformer2DModel) -> FluxTransformer2DModel:
    """A copy in bfloat16 of a transformer that is in float32 on a CPU fast at bfloat16; any other is returned itself.

    Gradients for directions differ by less than 1 in 10,000 in their cosine (see docs/LOG.md).
    """
    device = transformer.device.type
    if device != "cpu" or transformer.dtype != torch.float32 or not has_fast_bfloat16(device):
        return transformer
    return nn.Module.to(copy.deepcopy(transformer), torch.bfloat16)  # diffusers' own warns of what does not matter here
