"""Which arithmetic learning and training use, decided once by what the processor is good at and what is sound."""

import copy
from contextlib import AbstractContextManager

import torch
from diffusers import FluxTransformer2DModel
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


def has_fast_bfloat16() -> bool:
    """Whether bfloat16 matrix products outrun float32 ones on this CPU; without the instructions they crawl."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def autocast(device: str) -> AbstractContextManager[None]:
    """bfloat16 on CPUs that are fast at it, float32 elsewhere.

    GPUs keep float32, in TF32 where the caller allows it: autocast's backward pass failed in cuBLAS when Pocket was
    trained on an H100 (see docs/LOG.md).
    """
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cpu" and has_fast_bfloat16())


def in_fast_arithmetic(transformer: FluxTransformer2DModel) -> FluxTransformer2DModel:
    """A copy in bfloat16 of a transformer that is in float32 on a CPU fast at bfloat16; any other is returned itself.

    Gradients for directions differ by less than 1 in 10,000 in their cosine (see docs/LOG.md).
    """
    if transformer.device.type != "cpu" or transformer.dtype != torch.float32 or not has_fast_bfloat16():
        return transformer
    return nn.Module.to(copy.deepcopy(transformer), torch.bfloat16)  # diffusers' own warns of what does not matter here


def attention_for_gradients() -> AbstractContextManager[None]:
    """Attention by any of PyTorch's kernels but cuDNN's, which it takes first for bfloat16 on an H100.

    Their backward pass gives NaN at some lengths (https://github.com/pytorch/pytorch/issues/196678, torch 2.11 and
    later).
    """
    return sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH])
