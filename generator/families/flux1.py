"""FLUX.1: dev, schnell (no guidance embedding) and Kontext, which are one architecture; Pocket too.

Double-stream blocks modulate the text in an `AdaLayerNormZero`; single-stream blocks have one norm and one gate for
the text and the image that follows it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diffusers import DiffusionPipeline, FluxTransformer2DModel
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from concepts.schema import BoundPrompt
from generator.families.family import Family, TabledNorms
from generator.families.hooks import ActiveTokens, AdaptiveNormDoubleStream, ModulationOfBlock
from generator.families.texts import TextTokens, locate


class _SingleStream:
    """Hooks of one single-stream block."""

    def __init__(self, tokens: ActiveTokens, modulation: ModulationOfBlock) -> None:
        self.tokens = tokens
        self.modulation = modulation

    def register(self, block: nn.Module) -> list[RemovableHandle]:
        return [
            block.norm.register_forward_hook(self.after_norm, with_kwargs=True),
            block.proj_out.register_forward_hook(self.after_proj_out),
        ]

    def after_norm(
        self, norm: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor] | None:
        if not self.tokens.is_active:
            return None
        modulated, self.base_gate = output
        raw_BKD = self.modulation(kwargs["emb"], norm.silu, norm.linear)
        shift, scale, self.gate = raw_BKD.chunk(3, dim=-1)
        rows = norm.norm(self.tokens.select(args[0])) * (1 + scale) + shift
        return self.tokens.write(modulated, rows), self.tokens.one

    def after_proj_out(self, proj_out: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        del proj_out, args
        if not self.tokens.is_active:
            return None
        return self.tokens.gate(output, self.base_gate, self.gate)


def _blocks(transformer: nn.Module) -> list[nn.Module]:
    return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]


def _register(
    transformer: nn.Module, tokens: ActiveTokens, modulations: Sequence[ModulationOfBlock]
) -> list[RemovableHandle]:
    num_double = len(transformer.transformer_blocks)
    handles: list[RemovableHandle] = []
    for index, (block, modulation) in enumerate(zip(_blocks(transformer), modulations, strict=True)):
        hooks = AdaptiveNormDoubleStream if index < num_double else _SingleStream
        handles += hooks(tokens, modulation).register(block)
    return handles


def _temb(embed: Callable[..., Tensor], timestep: Tensor, arguments: Mapping[str, Any]) -> Tensor:
    """As `FluxTransformer2DModel.forward` makes it, which is given both numbers a thousandth of what it embeds."""
    dtype = arguments["hidden_states"].dtype
    pooled, guidance = arguments["pooled_projections"], arguments.get("guidance")
    conditions = [timestep] if guidance is None else [timestep, guidance]
    return embed(*(condition.to(dtype) * 1000 for condition in conditions), pooled)


def _text_norms(transformer: nn.Module) -> list[nn.Module]:
    return [
        *(block.norm1_context for block in transformer.transformer_blocks),
        *(block.norm for block in transformer.single_transformer_blocks),
    ]


def _image_norms(transformer: nn.Module) -> list[nn.Module]:
    return [*(block.norm1 for block in transformer.transformer_blocks), transformer.norm_out]


def _find_tokens(pipeline: DiffusionPipeline, bound: BoundPrompt, max_sequence_length: int) -> TextTokens:
    """The transformer sees T5's tokens, padded."""
    found = locate(bound, pipeline.tokenizer_2, max_sequence_length=max_sequence_length)
    return TextTokens(max_sequence_length, {concept_id: tuple(tokens) for concept_id, tokens in found.items()})


FLUX1 = Family(
    name="flux1",
    title="FLUX.1",
    transformer_class=FluxTransformer2DModel,
    embedder="time_text_embed",
    has_pooled_text=True,
    blocks=_blocks,
    find_tokens=_find_tokens,
    register=_register,
    tabled=TabledNorms(temb=_temb, of_text=_text_norms, of_image=_image_norms),
)
