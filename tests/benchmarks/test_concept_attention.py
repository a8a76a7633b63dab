"""Recorded attention against what diffusers' own attention makes of it."""

from typing import Any

import torch

from benchmarks.concepts.attention import recorded_attention
from tests.generator.tiny import tiny_inputs, tiny_transformer


@torch.no_grad()
def test_recorded_maps_times_the_values_are_what_the_blocks_attention_returns() -> None:
    transformer, inputs = tiny_transformer(num_heads=1), tiny_inputs()
    calls: list[tuple[dict[str, Any], Any]] = []
    for block in transformer.transformer_blocks:
        block.attn.register_forward_hook(lambda _, __, kwargs, out: calls.append((kwargs, out)), with_kwargs=True)
    with recorded_attention(transformer) as maps:
        transformer(**inputs)
    assert len(maps) == len(calls) == len(transformer.transformer_blocks)
    for attention, block, (given, returned) in zip(maps, transformer.transformer_blocks, calls, strict=True):
        torch.testing.assert_close(attention.sum(-1), torch.ones(attention.shape[:2]))
        of_text = block.attn.add_v_proj(given["encoder_hidden_states"])
        values = torch.cat([of_text, block.attn.to_v(given["hidden_states"])], dim=1)
        torch.testing.assert_close(block.attn.to_out[0](attention @ values), returned[0], rtol=1e-4, atol=1e-5)
