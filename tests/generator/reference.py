"""A second, independent implementation of per-token modulation: every token, text or image, has its own `temb`.

Written from the TokenVerse paper and the equations of Flux; slow and plain. Tests compare `attach` with it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear, silu

from generator.directions import Space, TokenRows
from tests.generator.tiny import NUM_BLOCKS


def forward_per_token(transformer: FluxTransformer2DModel, token_offsets: Tensor, inputs: dict[str, Any]) -> Tensor:
    """Velocity `(B, image_len, channels)` for `token_offsets` `(B, num_blocks, text_len, dim)`."""
    image = transformer.x_embedder(inputs["hidden_states"])
    text = transformer.context_embedder(inputs["encoder_hidden_states"])
    conditions = [inputs["timestep"] * 1000]
    if inputs["guidance"] is not None:
        conditions.append(inputs["guidance"] * 1000)
    temb = transformer.time_text_embed(*conditions, inputs["pooled_projections"])
    rotary = transformer.pos_embed(torch.cat([inputs["txt_ids"], inputs["img_ids"]]))
    temb_image = temb[:, None].expand_as(image)
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    for index, block in enumerate(blocks):
        temb_text = temb[:, None] + token_offsets[:, index]
        if index < len(transformer.transformer_blocks):
            text, image = _double(block, text, image, temb_text, temb_image, rotary)
        else:
            text, image = _single(block, text, image, torch.cat([temb_text, temb_image], dim=1), rotary)
    return transformer.proj_out(transformer.norm_out(image, temb))


def dense(rows: TokenRows, *, num_blocks: int = NUM_BLOCKS) -> Tensor:
    """What is added to temb `(B, L, T, D)` at all tokens, zero where there is no row."""
    batch, _, _, dim = rows.offsets.shape
    offsets = torch.zeros(batch, num_blocks, rows.text_len, dim)
    for item, positions in enumerate(rows.positions):
        offsets[item][:, positions] = rows.offsets[item]
    return offsets


def sparse(token_offsets: Tensor, *, rows: Sequence[int] | None = None, space: Space = "temb") -> TokenRows:
    """The rows of offsets `(B, L, T, D)`: of these tokens, else of those with any value, or of all that are learnt."""
    batch, _, text_len, _ = token_offsets.shape
    if rows is None and not token_offsets.requires_grad:
        rows = token_offsets.ne(0).any(dim=3).flatten(0, 1).any(dim=0).nonzero().flatten().tolist()
    positions = torch.tensor([[*(range(text_len) if rows is None else rows)]] * batch, dtype=torch.long)
    offsets = token_offsets if rows is None else token_offsets[:, :, [*rows]]
    if space == "temb":
        return TokenRows(positions, offsets, text_len)
    return TokenRows(positions, torch.zeros_like(offsets), text_len, activated=offsets)


def _parameters(norm: nn.Module, temb: Tensor) -> tuple[Tensor, ...]:
    raw = linear(silu(temb), norm.linear.weight, norm.linear.bias)
    return raw.split(temb.shape[-1], dim=-1)


def _normalised(hidden: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return layer_norm(hidden, hidden.shape[-1:], eps=1e-6) * (1 + scale) + shift


def _double(
    block: nn.Module, text: Tensor, image: Tensor, temb_text: Tensor, temb_image: Tensor, rotary: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    of_text, of_image = _parameters(block.norm1_context, temb_text), _parameters(block.norm1, temb_image)
    image_attended, text_attended = block.attn(
        hidden_states=_normalised(image, of_image[0], of_image[1]),
        encoder_hidden_states=_normalised(text, of_text[0], of_text[1]),
        image_rotary_emb=rotary,
    )
    image = image + of_image[2] * image_attended
    text = text + of_text[2] * text_attended
    image = image + of_image[5] * block.ff(_normalised(image, of_image[3], of_image[4]))
    text = text + of_text[5] * block.ff_context(_normalised(text, of_text[3], of_text[4]))
    return text, image


def _single(
    block: nn.Module, text: Tensor, image: Tensor, temb: Tensor, rotary: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    joint = torch.cat([text, image], dim=1)
    shift, scale, gate = _parameters(block.norm, temb)
    normalised = _normalised(joint, shift, scale)
    attended = block.attn(hidden_states=normalised, image_rotary_emb=rotary)
    joint = joint + gate * block.proj_out(torch.cat([attended, block.act_mlp(block.proj_mlp(normalised))], dim=2))
    return joint[:, : text.shape[1]], joint[:, text.shape[1] :]
