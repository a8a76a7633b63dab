"""Second, independent implementations of per-token modulation; FLUX.1's is in `tests/generator/reference.py`.

Every text token has its own `temb`. Slow and plain, written from the models' equations; tests compare `attach` with
them.
"""

from typing import Any

import torch
from diffusers import Flux2Transformer2DModel, QwenImageTransformer2DModel, SD3Transformer2DModel
from torch import Tensor, nn
from torch.nn.functional import layer_norm, silu


def _normalised(hidden: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return layer_norm(hidden, hidden.shape[-1:], eps=1e-6) * (1 + scale) + shift


def forward_sd3(transformer: SD3Transformer2DModel, token_offsets: Tensor, inputs: dict[str, Any]) -> Tensor:
    """What the transformer returns, `(B, channels, h, w)`, for `token_offsets` `(B, num_blocks, text_len, dim)`."""
    latents = inputs["hidden_states"]
    image = transformer.pos_embed(latents)
    text = transformer.context_embedder(inputs["encoder_hidden_states"])
    temb = transformer.time_text_embed(inputs["timestep"], inputs["pooled_projections"])
    for index, block in enumerate(transformer.transformer_blocks):
        text, image = _sd3_block(block, text, image, temb, temb[:, None] + token_offsets[:, index])
    tokens = transformer.proj_out(transformer.norm_out(image, temb))
    batch, _, height, width = latents.shape
    patches = tokens.reshape(batch, height // 2, width // 2, 2, 2, -1)
    return patches.permute(0, 5, 1, 3, 2, 4).reshape(batch, -1, height, width)


def _sd3_block(block: nn.Module, text: Tensor, image: Tensor, temb: Tensor, temb_text: Tensor) -> tuple[Tensor, Tensor]:
    of_image = [part[:, None] for part in block.norm1.linear(silu(temb)).chunk(9 if block.use_dual_attention else 6, 1)]
    of_text = block.norm1_context.linear(silu(temb_text))
    if block.context_pre_only:
        scale, shift = of_text.chunk(2, dim=-1)
        text_in = _normalised(text, shift, scale)
    else:
        shift, scale, gate_msa, shift_mlp, scale_mlp, gate_mlp = of_text.chunk(6, dim=-1)
        text_in = _normalised(text, shift, scale)
    image_in = _normalised(image, of_image[0], of_image[1])
    attended, text_attended = block.attn(hidden_states=image_in, encoder_hidden_states=text_in)
    second = 0
    if block.use_dual_attention:
        second = of_image[8] * block.attn2(hidden_states=_normalised(image, of_image[6], of_image[7]))
    image = image + of_image[2] * attended + second
    image = image + of_image[5] * block.ff(_normalised(image, of_image[3], of_image[4]))
    if not block.context_pre_only:
        text = text + gate_msa * text_attended
        text = text + gate_mlp * block.ff_context(_normalised(text, shift_mlp, scale_mlp))
    return text, image


def forward_flux2(transformer: Flux2Transformer2DModel, token_offsets: Tensor, inputs: dict[str, Any]) -> Tensor:
    """Velocity `(B, image_len, channels)`; the stock blocks take a modulation per token, which they broadcast."""
    image = transformer.x_embedder(inputs["hidden_states"])
    text = transformer.context_embedder(inputs["encoder_hidden_states"])
    guidance = None if inputs["guidance"] is None else inputs["guidance"] * 1000
    temb = transformer.time_guidance_embed(inputs["timestep"] * 1000, guidance)
    rotary = transformer.pos_embed(torch.cat([inputs["txt_ids"], inputs["img_ids"]]))
    of_image = transformer.double_stream_modulation_img(temb)
    num_double = len(transformer.transformer_blocks)
    for index, block in enumerate(transformer.transformer_blocks):
        of_text = transformer.double_stream_modulation_txt(temb[:, None] + token_offsets[:, index])
        text, image = block(image, text, of_image, of_text, image_rotary_emb=rotary)
    joint = torch.cat([text, image], dim=1)
    for index, block in enumerate(transformer.single_transformer_blocks, start=num_double):
        per_token = torch.cat([temb[:, None] + token_offsets[:, index], temb[:, None].expand_as(image)], dim=1)
        joint = block(joint, None, transformer.single_stream_modulation(per_token), image_rotary_emb=rotary)
    return transformer.proj_out(transformer.norm_out(joint[:, text.shape[1] :], temb))


def forward_qwen_image(
    transformer: QwenImageTransformer2DModel, token_offsets: Tensor, inputs: dict[str, Any]
) -> Tensor:
    """Velocity `(B, image_len, channels)` for `token_offsets` `(B, num_blocks, text_len, dim)`."""
    image = transformer.img_in(inputs["hidden_states"])
    text = transformer.txt_in(transformer.txt_norm(inputs["encoder_hidden_states"]))
    temb = transformer.time_text_embed(inputs["timestep"], image)
    rotary = transformer.pos_embed(inputs["img_shapes"], max_txt_seq_len=text.shape[1], device=text.device)
    for index, block in enumerate(transformer.transformer_blocks):
        of_text = block.txt_mod[1](silu(temb[:, None] + token_offsets[:, index])).chunk(6, dim=-1)
        of_image = [part[:, None] for part in block.img_mod[1](silu(temb)).chunk(6, dim=1)]
        attended, text_attended = block.attn(
            hidden_states=_normalised(image, of_image[0], of_image[1]),
            encoder_hidden_states=_normalised(text, of_text[0], of_text[1]),
            image_rotary_emb=rotary,
        )
        image = image + of_image[2] * attended
        text = text + of_text[2] * text_attended
        image = image + of_image[5] * block.img_mlp(_normalised(image, of_image[3], of_image[4]))
        text = text + of_text[5] * block.txt_mlp(_normalised(text, of_text[3], of_text[4]))
    return transformer.proj_out(transformer.norm_out(image, temb))
