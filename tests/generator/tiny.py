"""Tiny random models of the real classes, for tests and for the benchmark's `--tiny`; nothing is downloaded."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, PreTrainedTokenizerFast, T5Config, T5EncoderModel

DIM = 32
NUM_BLOCKS = 4
TEXT_DIM = 24
POOLED_DIM = 16


def tiny_transformer(*, guidance_embeds: bool = True, seed: int = 0) -> FluxTransformer2DModel:
    """Two double-stream and two single-stream blocks of width 32, with random weights in place of Flux's zeros."""
    torch.manual_seed(seed)
    transformer = FluxTransformer2DModel(
        in_channels=4,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=TEXT_DIM,
        pooled_projection_dim=POOLED_DIM,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(4, 4, 8),
    )
    return transformer.eval().requires_grad_(False)


def tiny_inputs(
    *, batch: int = 1, text_len: int = 6, image_len: int = 4, guidance: bool = True, seed: int = 0
) -> dict[str, Any]:
    """Keyword arguments of `FluxTransformer2DModel.forward` that fit `tiny_transformer`."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    img_ids = torch.zeros(image_len, 3)
    img_ids[:, 2] = torch.arange(image_len)
    return {
        "hidden_states": noise(batch, image_len, 4),
        "encoder_hidden_states": noise(batch, text_len, TEXT_DIM),
        "pooled_projections": noise(batch, POOLED_DIM),
        "timestep": torch.rand(batch, generator=generator),
        "img_ids": img_ids,
        "txt_ids": torch.zeros(text_len, 3),
        "guidance": torch.full((batch,), 3.5) if guidance else None,
        "return_dict": False,
    }
