"""Tiny random models of the real classes, for tests and for the benchmark's `--tiny`; nothing is downloaded."""

import re
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

from generator.loading import FluxModel, compute_fingerprint
from generator.settings import RenderSettings

DIM = 32
NUM_BLOCKS = 4
TEXT_DIM = 24
POOLED_DIM = 16
TINY_SETTINGS = RenderSettings(num_inference_steps=2, guidance_scale=3.5, height=16, width=32, max_sequence_length=12)
WORDS = ("a", "fox", "waves", "in", "the", "snow", "moonlight", "straw", "hat", "wearing", "under", "lantern")
PIECES = ("un", "brella", "lan", "tern", *"abcdefghijklmnopqrstuvwxyz.,!")


def tiny_transformer(
    *, guidance_embeds: bool = True, num_heads: int = 2, in_channels: int = 4, seed: int = 0
) -> FluxTransformer2DModel:
    """Two double-stream and two single-stream blocks of 16 columns a head, random weights that let modulation show."""
    torch.manual_seed(seed)
    transformer = FluxTransformer2DModel(
        in_channels=in_channels,
        out_channels=4,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=num_heads,
        joint_attention_dim=TEXT_DIM,
        pooled_projection_dim=POOLED_DIM,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(4, 4, 8),
    )
    return loud_modulation(transformer)


def loud_modulation(transformer: Any) -> Any:
    """A random transformer ready for tests, its modulation made to show: torch's initial weights are too small."""
    with torch.no_grad():
        for name, weight in transformer.named_parameters():
            if re.search(r"(norm|modulation).*linear\.weight$|_mod\.1\.weight$", name):
                weight *= 4
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


def tiny_t5_tokenizer() -> T5TokenizerFast:
    """A Unigram tokenizer with Metaspace, as T5's: words it knows are one token, others several pieces."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    words = [(f"▁{word}", -2.0) for word in WORDS]
    pieces = [(piece, -3.0 - 1.0 / len(piece)) for piece in PIECES]
    return T5TokenizerFast(vocab=[*special, ("▁", -4.0), *words, *pieces], extra_ids=0, model_max_length=512)


def tiny_clip_tokenizer() -> CLIPTokenizer:
    """Single letters only, which is enough for a pooled embedding that depends on the prompt."""
    letters = "abcdefghijklmnopqrstuvwxyz.,!"
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(vocab={token: index for index, token in enumerate(tokens)}, merges=[], model_max_length=64)


def tiny_pipeline(*, guidance_embeds: bool = True, seed: int = 0) -> FluxPipeline:
    """All components of a `FluxPipeline`, of the classes FLUX.1 has; pictures are multiples of 8 pixels."""
    transformer = tiny_transformer(guidance_embeds=guidance_embeds, seed=seed)
    tokenizer, tokenizer_2 = tiny_clip_tokenizer(), tiny_t5_tokenizer()
    clip_config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=POOLED_DIM,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        projection_dim=POOLED_DIM,
    )
    t5_config = T5Config(
        vocab_size=len(tokenizer_2), d_model=TEXT_DIM, d_kv=8, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0
    )
    torch.manual_seed(seed)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"),
        block_out_channels=(4, 4, 4),
        norm_num_groups=2,
        latent_channels=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.0,
        scaling_factor=1.0,
    )
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae.eval(),
        text_encoder=CLIPTextModel(clip_config).eval(),
        tokenizer=tokenizer,
        text_encoder_2=T5EncoderModel(t5_config).eval(),
        tokenizer_2=tokenizer_2,
        transformer=transformer,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_model(*, guidance_embeds: bool = True, seed: int = 0) -> FluxModel:
    """What `load_model` returns, without a folder."""
    pipeline = tiny_pipeline(guidance_embeds=guidance_embeds, seed=seed)
    return FluxModel(
        pipeline=pipeline,
        name="tiny",
        fingerprint=compute_fingerprint(pipeline.transformer),
        defaults=TINY_SETTINGS,
    )
