"""Flow matching with a Flux pipeline's frozen parts: pictures to latents, prompts to encodings, one velocity pass.

Latents here are unpacked, `(B, C, h, w)`, scaled as the transformer expects them; they are packed only on the way into
the transformer. Knows nothing of concepts or of what is learnt.

Shape legend: `B` batch, `C` latent channels, `h`, `w` latent grid, `I` image tokens (`h/2 * w/2`), `T` text tokens,
`K` tokens that carry a direction, `L` blocks, `D` width of the modulation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from PIL import Image, ImageOps
from torch import Tensor

TRAINING_GUIDANCE = 1.0
"""Guidance fed to guidance-distilled models while learning: the undistorted velocity.

Source: diffusers' DreamBooth examples for Flux; TokenVerse does not state it.
"""


@dataclass(frozen=True)
class TextEncoding:
    """What the text encoders make of one prompt, on the transformer's device."""

    prompt_embeds: Tensor
    """T5's output, `(1, T, text_dim)`."""
    pooled_prompt_embeds: Tensor
    """CLIP's pooled output, `(1, pooled_dim)`."""
    text_ids: Tensor
    """`(T, 3)`."""


@torch.no_grad()
def encode_text(pipeline: FluxPipeline, prompt: str, *, max_sequence_length: int) -> TextEncoding:
    """Encode one prompt with both text encoders, padded to `max_sequence_length` tokens."""
    return TextEncoding(*pipeline.encode_prompt(prompt=prompt, prompt_2=None, max_sequence_length=max_sequence_length))


@torch.no_grad()
def encode_picture(pipeline: FluxPipeline, picture: Image.Image, *, height: int, width: int) -> Tensor:
    """Latents `(1, C, h, w)` in float32 of a picture, scaled and cropped at the centre to `width` × `height` pixels.

    Both are multiples of the pixels that one image token covers.
    """
    fitted = ImageOps.fit(picture.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
    pixels = pipeline.image_processor.preprocess(fitted, height=height, width=width)
    vae = pipeline.vae
    latents = vae.encode(pixels.to(device=vae.device, dtype=vae.dtype)).latent_dist.mode()
    return (latents.float() - vae.config.shift_factor) * vae.config.scaling_factor


def pack(latents: Tensor) -> Tensor:
    """`(B, C, h, w)` to the transformer's tokens `(B, I, 4·C)`, row by row."""
    return FluxPipeline._pack_latents(latents, *latents.shape)


def unpack(pipeline: FluxPipeline, tokens: Tensor, *, height: int, width: int) -> Tensor:
    """`(B, I, 4·C)` to `(B, C, h, w)`; height and width in pixels."""
    return FluxPipeline._unpack_latents(tokens, height, width, pipeline.vae_scale_factor)


def add_noise(latents: Tensor, noise: Tensor, sigmas: Tensor) -> Tensor:
    """`(1 - sigma)·latents + sigma·noise`; `sigmas` `(B,)` in [0, 1]."""
    sigmas = sigmas[:, None, None, None]
    return (1 - sigmas) * latents + sigmas * noise


def draw_sigmas(
    generator: torch.Generator, batch_size: int, *, split: float, high_share: float, sigma_min: float
) -> Tensor:
    """Noise levels `(batch_size,)`: with probability `high_share` uniform in [split, 1), else in [sigma_min, split).

    Where `sigma_min` is above `split` it stands for both.
    """
    split = max(split, sigma_min)
    where = torch.rand(batch_size, generator=generator)
    is_high = torch.rand(batch_size, generator=generator) < high_share
    return torch.where(is_high, split + (1 - split) * where, sigma_min + (split - sigma_min) * where)


def predict_velocity(
    transformer: FluxTransformer2DModel, noisy_latents: Tensor, sigmas: Tensor, encoding: TextEncoding
) -> Tensor:
    """The transformer's velocity `(B, I, 4·C)` in float32 for noisy latents `(B, C, h, w)` at noise levels `(B,)`."""
    batch, _, latent_height, latent_width = noisy_latents.shape
    device, dtype = transformer.device, transformer.dtype
    image_ids = FluxPipeline._prepare_latent_image_ids(batch, latent_height // 2, latent_width // 2, device, dtype)
    guidance = torch.full((batch,), TRAINING_GUIDANCE, device=device) if transformer.config.guidance_embeds else None
    return transformer(
        hidden_states=pack(noisy_latents).to(dtype),
        encoder_hidden_states=encoding.prompt_embeds.to(dtype).expand(batch, -1, -1),
        pooled_projections=encoding.pooled_prompt_embeds.to(dtype).expand(batch, -1),
        timestep=sigmas.to(dtype),
        img_ids=image_ids,
        txt_ids=encoding.text_ids,
        guidance=guidance,
        return_dict=False,
    )[0].float()


@contextmanager
def frozen(transformer: FluxTransformer2DModel, *, gradient_checkpointing: bool) -> Iterator[None]:
    """No gradient for any weight while it lasts; everything is put back afterwards, also when the body raises."""
    required = {name for name, weight in transformer.named_parameters() if weight.requires_grad}
    switches_checkpointing = gradient_checkpointing and not transformer.is_gradient_checkpointing
    try:
        transformer.requires_grad_(False)
        if switches_checkpointing:
            transformer.enable_gradient_checkpointing()
        yield
    finally:
        for name, weight in transformer.named_parameters():
            weight.requires_grad_(name in required)
        if switches_checkpointing:
            transformer.disable_gradient_checkpointing()
