"""Per-token modulation of a Flux transformer, attached from outside and removed without trace.

Flux modulates all tokens of a block by one vector, `temb`. `attach` lets chosen text tokens have their own,
`temb + offset` (TokenVerse, arXiv:2501.12224, the space M+), by forward hooks on sub-modules of the stock
diffusers blocks. Knows nothing of prompts, concepts or pipelines: token positions in, hooks on.

Shape legend: `B` batch, `T` text tokens, `S` text and image tokens, `K` text tokens that carry an offset,
`L` blocks (double-stream first, then single-stream), `D` width of the model and of its modulation.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from diffusers.hooks.hooks import BaseState, CacheContext, HookRegistry, ModelHook, StateManager
from diffusers.models.transformers.transformer_flux import FluxSingleTransformerBlock, FluxTransformerBlock
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from generator.errors import ModulationError

HOOK_NAME = "fableverse_modulation"
NEGATIVE_PASS = "uncond"


@contextmanager
def attach(transformer: FluxTransformer2DModel, token_offsets: Tensor, *, rows: Tensor | None = None) -> Iterator[None]:
    """Modulate each text token by `temb + offset` for as long as the context lasts.

    Text tokens without an offset, and all image tokens, keep `temb`. Only the tokens that carry an offset are
    computed beyond what Flux computes anyway. Inactive in diffusers' "uncond" cache context, so the negative
    prompt of `true_cfg_scale` never sees an offset. Gradients reach `token_offsets`, which are read anew in
    each forward pass if they require them.

    Args:
        transformer: Any Flux.1 transformer; its weights, code and state are left as they were.
        token_offsets: `(batch, num_blocks, text_len, dim)` in units of `temb` (before the SiLU of the adaptive
            layer norm). `batch` 1 serves every item; `num_blocks` 1 serves every block.
        rows: Positions of the tokens that carry an offset, `(K,)`, for the whole batch; offsets elsewhere are
            not used. Without it these are the tokens with any non-zero value, or, where a gradient is wanted
            (zeros then do not mean "no concept"), all tokens.

    Raises:
        ModulationError: The offsets do not fit the transformer, or the transformer already has some attached;
            from the forward pass: they do not fit the batch or the text length.
    """
    _check_offsets(transformer, token_offsets)
    registry_existed = hasattr(transformer, "_diffusers_hook")
    forward_existed = "forward" in vars(transformer)
    if registry_existed and transformer._diffusers_hook.get_hook(HOOK_NAME) is not None:
        raise ModulationError(
            "This transformer already has token offsets attached, and attaching cannot be nested. "
            "Add the offsets together and attach the sum once."
        )
    offsets = _ActiveOffsets(token_offsets, _active_rows(token_offsets, rows))
    with ExitStack() as stack:
        registry = HookRegistry.check_if_exists_or_initialize(transformer)
        stack.callback(_remove_pass_hook, transformer, registry, registry_existed, forward_existed)
        registry.register_hook(_PassHook(offsets), HOOK_NAME)
        if offsets.num_rows:
            blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
            for block_index, block in enumerate(blocks):
                block_type = _DoubleBlock if isinstance(block, FluxTransformerBlock) else _SingleBlock
                for handle in block_type(offsets, block_index).register(block):
                    stack.callback(handle.remove)
        yield


def count_blocks(transformer: FluxTransformer2DModel) -> int:
    """Number of blocks that have a modulation of their own: double-stream plus single-stream (57 in FLUX.1)."""
    return len(transformer.transformer_blocks) + len(transformer.single_transformer_blocks)


def _check_offsets(transformer: FluxTransformer2DModel, token_offsets: Tensor) -> None:
    if not isinstance(transformer, FluxTransformer2DModel):
        raise ModulationError(
            f"Offsets can be attached to a FluxTransformer2DModel, not to a {type(transformer).__name__}. "
            "Pass `pipeline.transformer`, and compile it only after attaching."
        )
    shape = tuple(token_offsets.shape)
    num_blocks, dim = count_blocks(transformer), transformer.inner_dim
    fits = len(shape) == 4 and shape[0] >= 1 and shape[1] in (1, num_blocks) and shape[2] >= 1 and shape[3] == dim
    if not (fits and token_offsets.is_floating_point()):
        raise ModulationError(
            f"Token offsets have shape {shape!r} and dtype {token_offsets.dtype}; this transformer needs floating "
            f"point numbers of shape (batch, {num_blocks} blocks or 1 for all, text_len, {dim})."
        )


def _active_rows(token_offsets: Tensor, rows: Tensor | None) -> Tensor:
    """Positions `(K,)` of the tokens to modulate on their own; the only place that waits for the device."""
    text_len = token_offsets.shape[2]
    if rows is None and token_offsets.requires_grad:
        return torch.arange(text_len)
    if rows is None:
        return token_offsets.ne(0).any(dim=3).flatten(0, 1).any(dim=0).nonzero().flatten().cpu()
    if rows.ndim != 1 or rows.is_floating_point() or rows.dtype == torch.bool:
        raise ModulationError(
            f"`rows` must be a list of token positions, not {rows.dtype} of shape {tuple(rows.shape)!r}."
        )
    positions = rows.tolist()
    if len(set(positions)) != len(positions) or any(not 0 <= position < text_len for position in positions):
        raise ModulationError(
            f"`rows` names the token positions {positions!r}; each must occur once and lie in [0, {text_len})."
        )
    return rows.to(device="cpu", dtype=torch.long)


class _ActiveOffsets:
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
        batch, num_blocks, text_len, _ = self.source_BLTD.shape
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

    def modulations(self, norm: nn.Module, emb_BD: Tensor, block_index: int) -> Tensor:
        """Raw modulation parameters of the active tokens, `(B, K, 3·D or 6·D)`, as `norm` derives them from temb."""
        offsets_BKD = self.offsets_LBKD[block_index if self.offsets_LBKD.shape[0] > 1 else 0]
        return norm.linear(norm.silu(emb_BD[:, None] + offsets_BKD))

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


class _PassName(StateManager):
    """Receives the name of the pipeline's current denoising pass from `transformer.cache_context`."""

    def __init__(self) -> None:
        super().__init__(BaseState)
        self.name: str | None = None

    def set_context(self, context: CacheContext | None) -> None:
        self.name = None if context is None else context.name


class _PassHook(ModelHook):
    """Runs before each forward pass: decides whether the offsets apply and makes them ready.

    Stateful, because diffusers tells the name of a pass only to stateful hooks.
    """

    _is_stateful = True

    def __init__(self, offsets: _ActiveOffsets) -> None:
        super().__init__()
        self.offsets = offsets
        self.pass_name = _PassName()

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        del module
        self.offsets.is_active = self.pass_name.name != NEGATIVE_PASS
        if self.offsets.is_active:
            self.offsets.prepare(kwargs["encoder_hidden_states"] if "encoder_hidden_states" in kwargs else args[1])
        return args, kwargs

    def reset_state(self, module: nn.Module) -> nn.Module:
        """Nothing to reset: offsets are the same in every step."""
        return module


class _DoubleBlock:
    """Hooks of one double-stream block.

    The block itself applies one shift, scale and gate to all text tokens. Its gates are replaced by one and applied
    here; shift and scale are left to it, and the rows of the active tokens are written over afterwards.
    """

    def __init__(self, offsets: _ActiveOffsets, block_index: int) -> None:
        self.offsets = offsets
        self.block_index = block_index

    def register(self, block: FluxTransformerBlock) -> list[RemovableHandle]:
        return [
            block.norm1_context.register_forward_hook(self.after_norm1, with_kwargs=True),
            block.attn.register_forward_hook(self.after_attn),
            block.norm2_context.register_forward_hook(self.after_norm2),
            block.ff_context.register_forward_pre_hook(self.before_ff),
            block.ff_context.register_forward_hook(self.after_ff),
        ]

    def after_norm1(
        self, norm: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...] | None:
        if not self.offsets.is_active:
            return None
        modulated, self.base_gate_msa, shift_mlp, scale_mlp, self.base_gate_mlp = output
        raw_BKD = self.offsets.modulations(norm, kwargs["emb"], self.block_index)
        shift_msa, scale_msa, self.gate_msa, self.shift_mlp, self.scale_mlp, self.gate_mlp = raw_BKD.chunk(6, dim=-1)
        rows = norm.norm(self.offsets.select(args[0])) * (1 + scale_msa) + shift_msa
        one = self.offsets.one
        return self.offsets.write(modulated, rows), one, shift_mlp, scale_mlp, one

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
            self.rows_for_ff = self.offsets.select(output) * (1 + self.scale_mlp) + self.shift_mlp

    def before_ff(self, ff: nn.Module, args: tuple[Tensor, ...]) -> None:
        del ff
        if self.offsets.is_active:
            self.offsets.write(args[0], self.rows_for_ff)

    def after_ff(self, ff: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        del ff, args
        if not self.offsets.is_active:
            return None
        return self.offsets.gate(output, self.base_gate_mlp, self.gate_mlp)


class _SingleBlock:
    """Hooks of one single-stream block, where the text tokens come first and image tokens follow."""

    def __init__(self, offsets: _ActiveOffsets, block_index: int) -> None:
        self.offsets = offsets
        self.block_index = block_index

    def register(self, block: FluxSingleTransformerBlock) -> list[RemovableHandle]:
        return [
            block.norm.register_forward_hook(self.after_norm, with_kwargs=True),
            block.proj_out.register_forward_hook(self.after_proj_out),
        ]

    def after_norm(
        self, norm: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor] | None:
        if not self.offsets.is_active:
            return None
        modulated, self.base_gate = output
        raw_BKD = self.offsets.modulations(norm, kwargs["emb"], self.block_index)
        shift, scale, self.gate = raw_BKD.chunk(3, dim=-1)
        rows = norm.norm(self.offsets.select(args[0])) * (1 + scale) + shift
        return self.offsets.write(modulated, rows), self.offsets.one

    def after_proj_out(self, proj_out: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        del proj_out, args
        if not self.offsets.is_active:
            return None
        return self.offsets.gate(output, self.base_gate, self.gate)


def _remove_pass_hook(
    transformer: FluxTransformer2DModel, registry: HookRegistry, registry_existed: bool, forward_existed: bool
) -> None:
    """Take the pass hook off, and with it the traces of diffusers' hook machinery if nobody else uses it."""
    registry.remove_hook(HOOK_NAME, recurse=False)
    if registry.hooks:
        return
    if not forward_existed:
        vars(transformer).pop("forward", None)
    if not registry_existed:
        vars(transformer).pop("_diffusers_hook", None)
