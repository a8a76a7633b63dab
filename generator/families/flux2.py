"""FLUX.2, dev and klein: one modulation for all double-stream blocks and one for all single-stream blocks, no biases.

The transformer computes both once, so the blocks never see temb, which is what an offset is added to. Here each
modulation's output carries its temb along, and each block takes it off again; as an argument of the block it is also
there when gradient checkpointing runs the block a second time.
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline, Flux2Transformer2DModel
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from concepts.schema import BoundPrompt
from generator.errors import ModulationError, UnsupportedModel
from generator.families.family import Family
from generator.families.hooks import ActiveTokens, GivenDoubleStream, ModulationOfBlock
from generator.families.texts import TextTokens, inside, locate

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class _DoubleStream(GivenDoubleStream):
    def __init__(self, tokens: ActiveTokens, modulation: ModulationOfBlock, maker: nn.Module) -> None:
        super().__init__(tokens, modulation)
        self.maker = maker

    def register(self, block: nn.Module) -> list[RemovableHandle]:
        return [
            block.register_forward_pre_hook(self.before_block, with_kwargs=True),
            *self.register_norm1(block.norm1_context, block.attn),
            *self.register_rest(block.attn, block.norm2_context, block.ff_context),
        ]

    def before_block(self, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        del block
        if not self.tokens.is_active:
            return None
        base, temb = _part(_argument(args, kwargs, 3, "temb_mod_txt"), self.maker)
        raw_BKD = self.modulation(temb, self.maker.act_fn, self.maker.linear)
        return _with_argument(args, kwargs, 3, "temb_mod_txt", self.take(base, raw_BKD))


class _SingleStream:
    """Hooks of one single-stream block, where the text tokens come first and image tokens follow."""

    def __init__(self, tokens: ActiveTokens, modulation: ModulationOfBlock, maker: nn.Module) -> None:
        self.tokens = tokens
        self.modulation = modulation
        self.maker = maker

    def register(self, block: nn.Module) -> list[RemovableHandle]:
        return [
            block.register_forward_pre_hook(self.before_block, with_kwargs=True),
            block.norm.register_forward_hook(self.after_norm),
            block.attn.register_forward_pre_hook(self.before_attn, with_kwargs=True),
            block.attn.register_forward_hook(self.after_attn),
        ]

    def before_block(self, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        del block
        if not self.tokens.is_active:
            return None
        base, temb = _part(_argument(args, kwargs, 2, "temb_mod"), self.maker)
        raw_BKD = self.modulation(temb, self.maker.act_fn, self.maker.linear)
        self.shift, self.scale, self.gate = raw_BKD.chunk(3, dim=-1)
        shift, scale, self.base_gate = base.chunk(3, dim=-1)
        gateless = torch.cat([shift, scale, torch.ones_like(self.base_gate)], dim=-1)
        return _with_argument(args, kwargs, 2, "temb_mod", gateless)

    def after_norm(self, norm: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        del norm, args
        if self.tokens.is_active:
            self.rows = self.tokens.select(output) * (1 + self.scale) + self.shift

    def before_attn(self, attn: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        del attn, args
        if self.tokens.is_active:
            self.tokens.write(kwargs["hidden_states"], self.rows)

    def after_attn(self, attn: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        del attn, args
        if not self.tokens.is_active:
            return None
        return self.tokens.gate(output, self.base_gate, self.gate)


class _Carrier:
    """Makes a modulation's output carry its temb."""

    def __init__(self, tokens: ActiveTokens) -> None:
        self.tokens = tokens

    def before_transformer(self, transformer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        del transformer, args
        if kwargs.get("kv_cache_mode") is not None:
            raise ModulationError(
                "FLUX.2 with cached keys of reference pictures blends the modulations of text and references, so "
                "offsets cannot be attached to it. Draw without the cache, or without concepts."
            )

    def after_modulation(self, modulation: nn.Module, args: tuple[Tensor], output: Tensor) -> Tensor | None:
        del modulation
        return torch.cat([output, args[0]], dim=-1) if self.tokens.is_active else None


def _part(carried: Tensor, modulation: nn.Module) -> tuple[Tensor, Tensor]:
    """The modulation, and the temb that it carries."""
    dim: int = modulation.linear.in_features
    return carried[..., :-dim], carried[..., -dim:]


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], index: int, name: str) -> Tensor:
    return kwargs[name] if name in kwargs else args[index]


def _with_argument(args: tuple[Any, ...], kwargs: dict[str, Any], index: int, name: str, value: Tensor) -> Arguments:
    if name in kwargs:
        return args, {**kwargs, name: value}
    return (*args[:index], value, *args[index + 1 :]), kwargs


def _blocks(transformer: nn.Module) -> list[nn.Module]:
    return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]


def _register(
    transformer: nn.Module, tokens: ActiveTokens, modulations: Sequence[ModulationOfBlock]
) -> list[RemovableHandle]:
    carrier = _Carrier(tokens)
    of_double, of_single = transformer.double_stream_modulation_txt, transformer.single_stream_modulation
    handles = [
        transformer.register_forward_pre_hook(carrier.before_transformer, with_kwargs=True),
        of_double.register_forward_hook(carrier.after_modulation),
        of_single.register_forward_hook(carrier.after_modulation),
    ]
    num_double = len(transformer.transformer_blocks)
    for block, modulation in zip(transformer.transformer_blocks, modulations[:num_double], strict=True):
        handles += _DoubleStream(tokens, modulation, of_double).register(block)
    for block, modulation in zip(transformer.single_transformer_blocks, modulations[num_double:], strict=True):
        handles += _SingleStream(tokens, modulation, of_single).register(block)
    return handles


def _find_tokens(pipeline: DiffusionPipeline, bound: BoundPrompt, max_sequence_length: int) -> TextTokens:
    """The prompt in its chat template, padded, with the padding on the tokenizer's side."""
    from diffusers import Flux2KleinPipeline  # takes seconds to import, which nothing else here needs

    if not isinstance(pipeline, Flux2KleinPipeline):
        raise UnsupportedModel(
            f"Words are found for FLUX.2 klein's tokenizer, not for that of a {type(pipeline).__name__}. Use klein, or "
            "find the positions of the words yourself."
        )
    tokenizer = pipeline.tokenizer
    message = {"role": "user", "content": bound.prompt}
    text = tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True, enable_thinking=False)
    found = locate(inside(bound, text), tokenizer, max_sequence_length=max_sequence_length)
    num_tokens = len(tokenizer(text, verbose=False)["input_ids"])
    padding = max(0, max_sequence_length - num_tokens) if tokenizer.padding_side == "left" else 0
    return TextTokens(
        max_sequence_length,
        {concept_id: tuple(padding + token for token in tokens) for concept_id, tokens in found.items()},
    )


FLUX2 = Family(
    name="flux2",
    title="FLUX.2",
    transformer_class=Flux2Transformer2DModel,
    embedder="time_guidance_embed",
    has_pooled_text=False,
    blocks=_blocks,
    find_tokens=_find_tokens,
    register=_register,
)
