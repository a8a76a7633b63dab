"""Attention maps of a Flux transformer's double-stream blocks, recorded while it runs, with their gradients.

Shape legend: `B` batch, `H` heads, `I` image tokens, `T` text tokens, `d` width of a head.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor, nn


@contextmanager
def recorded_attention(transformer: FluxTransformer2DModel) -> Iterator[list[Tensor]]:
    """For each pass of each block, how image tokens attend to text and image, `(B, I, T + I)`: mean over heads."""
    maps: list[Tensor] = []
    with ExitStack() as stack:
        for block in transformer.transformer_blocks:
            for handle in _record(block.attn, maps):
                stack.callback(handle.remove)
        yield maps


def _record(attention: nn.Module, maps: list[Tensor]) -> list[Any]:
    seen: dict[str, Any] = {}

    def keep(name: str) -> Any:
        def hook(norm: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            del norm, args
            seen[name] = output

        return hook

    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        del module, args
        seen["rotary"] = kwargs["image_rotary_emb"]

    def after(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        del module, args, kwargs, output
        text_len = seen["norm_added_k"].shape[1]
        keys = apply_rotary_emb(torch.cat([seen["norm_added_k"], seen["norm_k"]], 1), seen["rotary"], sequence_dim=1)
        on_image = tuple(each[text_len:] for each in seen["rotary"])
        queries = apply_rotary_emb(seen["norm_q"], on_image, sequence_dim=1)
        scores = torch.einsum("bihd,bjhd->bhij", queries, keys) / queries.shape[-1] ** 0.5
        maps.append(scores.softmax(-1).mean(1))
        seen.clear()

    names = ("norm_q", "norm_k", "norm_added_k")
    return [
        *(getattr(attention, name).register_forward_hook(keep(name)) for name in names),
        attention.register_forward_pre_hook(before, with_kwargs=True),
        attention.register_forward_hook(after, with_kwargs=True),
    ]
