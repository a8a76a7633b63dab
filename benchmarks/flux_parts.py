"""FLUX.1-dev's parts at full size: without weights, to count what they take, or with random ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

Module = TypeVar("Module", bound=nn.Module)
DTYPE = torch.bfloat16


@dataclass(frozen=True)
class FluxParts:
    """What FLUX.1-dev's weights are in."""

    transformer: FluxTransformer2DModel
    t5: T5EncoderModel
    clip: CLIPTextModel
    vae: AutoencoderKL


def flux_parts(device: str = "meta") -> FluxParts:
    """Of FLUX.1-dev's configurations, in bfloat16; on "meta" without weights, elsewhere with random ones."""
    return FluxParts(
        transformer=flux_transformer(device, DTYPE),
        t5=_made_on(
            device,
            DTYPE,
            lambda: T5EncoderModel(
                T5Config(
                    vocab_size=32128,
                    d_model=4096,
                    d_kv=64,
                    d_ff=10240,
                    num_layers=24,
                    num_heads=64,
                    feed_forward_proj="gated-gelu",
                )
            ),
        ),
        clip=_made_on(
            device,
            DTYPE,
            lambda: CLIPTextModel(
                CLIPTextConfig(
                    vocab_size=49408,
                    hidden_size=768,
                    intermediate_size=3072,
                    num_hidden_layers=12,
                    num_attention_heads=12,
                    max_position_embeddings=77,
                    projection_dim=768,
                )
            ),
        ),
        vae=_made_on(
            device,
            DTYPE,
            lambda: AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                block_out_channels=(128, 256, 512, 512),
                layers_per_block=2,
                latent_channels=16,
                use_quant_conv=False,
                use_post_quant_conv=False,
                shift_factor=0.1159,
                scaling_factor=0.3611,
            ),
        ),
    )


def flux_transformer(
    device: torch.device | str,
    dtype: torch.dtype,
    *,
    num_layers: int = 19,
    num_single_layers: int = 38,
    text_dim: int = 4096,
    pooled_dim: int = 768,
) -> FluxTransformer2DModel:
    """FLUX.1-dev's, or one of its width with fewer blocks or other text encoders."""
    return _made_on(
        device,
        dtype,
        lambda: FluxTransformer2DModel(
            in_channels=64,
            num_layers=num_layers,
            num_single_layers=num_single_layers,
            attention_head_dim=128,
            num_attention_heads=24,
            joint_attention_dim=text_dim,
            pooled_projection_dim=pooled_dim,
            guidance_embeds=True,
            axes_dims_rope=(16, 56, 56),
        ),
    )


def _made_on(device: torch.device | str, dtype: torch.dtype, make: Callable[[], Module]) -> Module:
    """Made there in its dtype at once, so that no second copy of it needs room."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return make().eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(default)
