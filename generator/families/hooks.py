"""Hooks that let chosen text tokens have a modulation of their own: what the families of models share.

A family's file says which sub-modules these go on. Knows nothing of prompts, concepts or pipelines.

Shape legend: `B` batch, `T` text tokens, `S` text and image tokens, `K` text tokens that carry an offset, `L` blocks,
`D` width of the model and of its modulation.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from generator.errors import ModulationError


class ActiveOffsets:
    """The offsets of one attachment, ready for the pass that runs now. Shared by all hooks of the attachment."""

    def __init__(self, token_offsets: Tensor, rows: Tensor) -> None:
        self.source_BLTD = token_offsets
        self.num_rows = rows.shape[0]
        self.rows = rows
        self.is_active = True
        self.offsets_LBKD: Tensor | None = None
        self.one = torch.ones(1, 1)

    def prepare(self, encoder_hidden_states: Tensor) -> None:
        """Check the pass against the offsets and bring them to its device and dtype (once, unless they are learnt)."""
        batch, _, text_len, _ = self.source_BLTD.shape
        if batch not in (1, encoder_hidden_states.shape[0]) or text_len != encoder_hidden_states.shape[1]:
            raise ModulationError(
                f"Token offsets are for a batch of {batch} with {text_len} text tokens, but the transformer was "
                f"called with a batch of {encoder_hidden_states.shape[0]} and {encoder_hidden_states.shape[1]} text "
                "tokens. Make the text length equal, and the batch equal or 1."
            )
        device, dtype = encoder_hidden_states.device, encoder_hidden_states.dtype
        self.one = self.one.to(device=device, dtype=dtype)
        ready = self.offsets_LBKD
        if ready is None or self.source_BLTD.requires_grad or (ready.device, ready.dtype) != (device, dtype):
            gathered = self.source_BLTD.index_select(2, self.rows.to(self.source_BLTD.device))
            self.offsets_LBKD = gathered.to(device=device, dtype=dtype).transpose(0, 1)
            self.rows = self.rows.to(device)

    def shifted(self, temb_BD: Tensor, block_index: int) -> Tensor:
        """The modulation vectors of the active tokens in a block, `temb + offset`, `(B, K, D)`."""
        return temb_BD[:, None] + self.offsets_LBKD[block_index if self.offsets_LBKD.shape[0] > 1 else 0]

    def select(self, hidden: Tensor) -> Tensor:
        """The active tokens' rows of a text sequence, or of one that begins with the text, `(B, K, ·)`."""
        return hidden.index_select(1, self.rows)

    def write(self, hidden: Tensor, rows_BKD: Tensor) -> Tensor:
        """Write the active tokens' rows into `hidden`, which a block has just made and nobody else holds."""
        return hidden.index_copy_(1, self.rows, rows_BKD)

    def gate(self, hidden: Tensor, base_gate_BD: Tensor, gate_BKD: Tensor) -> Tensor:
        """`hidden` times its gate: the base gate for every token but the active ones."""
        gated = hidden * base_gate_BD[:, None]
        return self.write(gated, self.select(hidden) * gate_BKD)


class DoubleStream:
    """The text stream of one double-stream block, from attention's output on.

    The block itself applies one shift, scale and gate to all text tokens. Its gates are replaced by one and applied
    here; shift and scale are left to it, and the rows of the active tokens are written over afterwards. Subclasses
    bring the modulation in, each before attention.
    """

    base_gate_msa: Tensor
    base_gate_mlp: Tensor

    def __init__(self, offsets: ActiveOffsets, block_index: int) -> None:
        self.offsets = offsets
        self.block_index = block_index

    def register_rest(self, attn: nn.Module, norm2: nn.Module, mlp: nn.Module) -> list[RemovableHandle]:
        """Hooks on attention (whose second output is the text's), and on norm and feed-forward of the text."""
        return [
            attn.register_forward_hook(self.after_attn),
            norm2.register_forward_hook(self.after_norm2),
            mlp.register_forward_pre_hook(self.before_mlp),
            mlp.register_forward_hook(self.after_mlp),
        ]

    def keep(self, raw_BKD: Tensor) -> None:
        """Raw modulation of the active tokens, `(B, K, 6·D)`, for the hooks that follow."""
        parts = raw_BKD.chunk(6, dim=-1)
        self.shift_msa, self.scale_msa, self.gate_msa, self.shift_mlp, self.scale_mlp, self.gate_mlp = parts

    def after_attn(
        self, attn: nn.Module, args: tuple[Tensor, ...], output: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...] | None:
        del attn, args
        if not self.offsets.is_active:
            return None
        return output[0], self.offsets.gate(output[1], self.base_gate_msa, self.gate_msa), *output[2:]

    def after_norm2(self, norm: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        del norm, args
        if self.offsets.is_active:
            self.rows_for_mlp = self.offsets.select(output) * (1 + self.scale_mlp) + self.shift_mlp

    def before_mlp(self, mlp: nn.Module, args: tuple[Tensor, ...]) -> None:
        del mlp
        if self.offsets.is_active:
            self.offsets.write(args[0], self.rows_for_mlp)

    def after_mlp(self, mlp: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        del mlp, args
        if not self.offsets.is_active:
            return None
        return self.offsets.gate(output, self.base_gate_mlp, self.gate_mlp)


class AdaptiveNormDoubleStream(DoubleStream):
    """A block whose text norm, an `AdaLayerNormZero`, makes the modulation out of temb itself."""

    def register(self, block: nn.Module) -> list[RemovableHandle]:
        return [
            block.norm1_context.register_forward_hook(self.after_norm1, with_kwargs=True),
            *self.register_rest(block.attn, block.norm2_context, block.ff_context),
        ]

    def after_norm1(
        self, norm: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...] | None:
        if not self.offsets.is_active:
            return None
        modulated, self.base_gate_msa, shift_mlp, scale_mlp, self.base_gate_mlp = output
        self.keep(norm.linear(norm.silu(self.offsets.shifted(kwargs["emb"], self.block_index))))
        rows = norm.norm(self.offsets.select(args[0])) * (1 + self.scale_msa) + self.shift_msa
        one = self.offsets.one
        return self.offsets.write(modulated, rows), one, shift_mlp, scale_mlp, one


class GivenDoubleStream(DoubleStream):
    """A block that gets its modulation from outside its norms, which are plain; `take` brings it in."""

    def register_norm1(self, norm1: nn.Module, attn: nn.Module) -> list[RemovableHandle]:
        """Hooks between the text's first norm and attention."""
        return [
            norm1.register_forward_hook(self.after_norm1),
            attn.register_forward_pre_hook(self.before_attn, with_kwargs=True),
        ]

    def take(self, base_BD: Tensor, raw_BKD: Tensor) -> Tensor:
        """Keep the modulation of all tokens, `(B, 6·D)`, and of the active ones; the former with its gates at one."""
        self.keep(raw_BKD)
        shift_msa, scale_msa, self.base_gate_msa, shift_mlp, scale_mlp, self.base_gate_mlp = base_BD.chunk(6, dim=-1)
        one = torch.ones_like(self.base_gate_msa)
        return torch.cat([shift_msa, scale_msa, one, shift_mlp, scale_mlp, one], dim=-1)

    def after_norm1(self, norm: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        del norm, args
        if self.offsets.is_active:
            self.rows_for_attn = self.offsets.select(output) * (1 + self.scale_msa) + self.shift_msa

    def before_attn(self, attn: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        del attn, args
        if self.offsets.is_active:
            self.offsets.write(kwargs["encoder_hidden_states"], self.rows_for_attn)
