"""Hooks that let chosen text tokens have a modulation of their own: what the families of models share.

A family's file says which sub-modules these go on. Knows nothing of prompts, concepts or pipelines.

Shape legend: `B` batch, `T` text tokens, `S` text and image tokens, `K` text tokens that carry an offset, `L` blocks,
`D` width of the model and of its modulation, `n` vectors that a block makes of one (6 or 3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class ModulationOfBlock(Protocol):
    """Gives the modulation of the active tokens in one block."""

    def __call__(
        self, temb_BD: Tensor, activation: Callable[[Tensor], Tensor], linear: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Raw modulation `(B, K, n·D)`; the block makes it of temb by `linear(activation(temb))`, `(…, D)` to
        `(…, n·D)`."""
        ...


class ActiveTokens:
    """Which text tokens have a modulation of their own in the pass that runs. Shared by all hooks of an attachment."""

    def __init__(self, positions: Tensor) -> None:
        """Positions are `(1, K)` for all items of a batch, or `(B, K)`."""
        self.positions_BK = positions
        self.is_for_all = positions.shape[0] == 1
        self.is_active = True
        """Whether there are any; where not, every hook leaves its block alone."""
        self.one = torch.ones(1, 1)

    def place(self, text: Tensor) -> None:
        """Bring everything to the batch, device and dtype of the text that a pass is given, `(B, T, ·)`."""
        if self.positions_BK.device != text.device:
            self.positions_BK = self.positions_BK.to(text.device)
        if (self.one.device, self.one.dtype) != (text.device, text.dtype):
            self.one = self.one.to(device=text.device, dtype=text.dtype)
        self.positions_K = self.positions_BK[0]

    def select(self, hidden: Tensor) -> Tensor:
        """The active tokens' rows of a text sequence, or of one that begins with the text, `(B, K, ·)`."""
        if self.is_for_all:
            return hidden.index_select(1, self.positions_K)
        return hidden.gather(1, self.positions_BK[:, :, None].expand(-1, -1, hidden.shape[2]))

    def write(self, hidden: Tensor, rows_BKD: Tensor) -> Tensor:
        """Write the active tokens' rows into `hidden`, which a block has just made and nobody else holds."""
        if self.is_for_all:
            return hidden.index_copy_(1, self.positions_K, rows_BKD)
        return hidden.scatter_(1, self.positions_BK[:, :, None].expand(-1, -1, hidden.shape[2]), rows_BKD)

    def gate(self, hidden: Tensor, base_gate_BD: Tensor, gate_BKD: Tensor) -> Tensor:
        """`hidden` times its gate: the base gate for every token but the active ones."""
        gated = hidden * base_gate_BD[:, None]
        return self.write(gated, self.select(hidden) * gate_BKD)


@dataclass
class Switch:
    """Whether stand-ins give what is known beforehand in the pass that runs, or leave it to their modules."""

    is_on: bool = True


class StandIn(nn.Module):
    """In the place of a module whose output is known beforehand for the step that runs."""

    current: Tensor

    def __init__(self, module: nn.Module, switch: Switch) -> None:
        super().__init__()
        self.module = (module,)  # in a tuple, so that its weights are not among the transformer's
        self.switch = switch

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.current if self.switch.is_on else self.module[0](*inputs)


class DoubleStream:
    """The text stream of one double-stream block, from attention's output on.

    The block itself applies one shift, scale and gate to all text tokens. Its gates are replaced by one and applied
    here; shift and scale are left to it, and the rows of the active tokens are written over afterwards. Subclasses
    bring the modulation in, each before attention.
    """

    base_gate_msa: Tensor
    base_gate_mlp: Tensor

    def __init__(self, tokens: ActiveTokens, modulation: ModulationOfBlock) -> None:
        self.tokens = tokens
        self.modulation = modulation

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
        if not self.tokens.is_active:
            return None
        return output[0], self.tokens.gate(output[1], self.base_gate_msa, self.gate_msa), *output[2:]

    def after_norm2(self, norm: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        del norm, args
        if self.tokens.is_active:
            self.rows_for_mlp = self.tokens.select(output) * (1 + self.scale_mlp) + self.shift_mlp

    def before_mlp(self, mlp: nn.Module, args: tuple[Tensor, ...]) -> None:
        del mlp
        if self.tokens.is_active:
            self.tokens.write(args[0], self.rows_for_mlp)

    def after_mlp(self, mlp: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        del mlp, args
        if not self.tokens.is_active:
            return None
        return self.tokens.gate(output, self.base_gate_mlp, self.gate_mlp)


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
        if not self.tokens.is_active:
            return None
        modulated, self.base_gate_msa, shift_mlp, scale_mlp, self.base_gate_mlp = output
        self.keep(self.modulation(kwargs["emb"], norm.silu, norm.linear))
        rows = norm.norm(self.tokens.select(args[0])) * (1 + self.scale_msa) + self.shift_msa
        one = self.tokens.one
        return self.tokens.write(modulated, rows), one, shift_mlp, scale_mlp, one


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
        if self.tokens.is_active:
            self.rows_for_attn = self.tokens.select(output) * (1 + self.scale_msa) + self.shift_msa

    def before_attn(self, attn: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        del attn, args
        if self.tokens.is_active:
            self.tokens.write(kwargs["encoder_hidden_states"], self.rows_for_attn)
