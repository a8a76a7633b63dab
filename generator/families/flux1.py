"""FLUX.1: dev, schnell (no guidance embedding) and Kontext, which are one architecture; Pocket too.

Double-stream blocks modulate the text in an `AdaLayerNormZero`; single-stream blocks have one norm and one gate for
the text and the image that follows it.
"""

from diffusers import DiffusionPipeline, FluxTransformer2DModel
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from concepts.schema import BoundPrompt
from generator.families.family import Family
from generator.families.hooks import ActiveOffsets, AdaptiveNormDoubleStream
from generator.families.texts import TextTokens, locate


class _SingleStream:
    """Hooks of one single-stream block."""

    def __init__(self, offsets: ActiveOffsets, block_index: int) -> None:
        self.offsets = offsets
        self.block_index = block_index

    def register(self, block: nn.Module) -> list[RemovableHandle]:
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
        raw_BKD = norm.linear(norm.silu(self.offsets.shifted(kwargs["emb"], self.block_index)))
        shift, scale, self.gate = raw_BKD.chunk(3, dim=-1)
        rows = norm.norm(self.offsets.select(args[0])) * (1 + scale) + shift
        return self.offsets.write(modulated, rows), self.offsets.one

    def after_proj_out(self, proj_out: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        del proj_out, args
        if not self.offsets.is_active:
            return None
        return self.offsets.gate(output, self.base_gate, self.gate)


def _blocks(transformer: nn.Module) -> list[nn.Module]:
    return [*transformer.transformer_blocks, *transformer.single_transformer_blocks]


def _register(transformer: nn.Module, offsets: ActiveOffsets) -> list[RemovableHandle]:
    num_double = len(transformer.transformer_blocks)
    handles: list[RemovableHandle] = []
    for index, block in enumerate(_blocks(transformer)):
        hooks = AdaptiveNormDoubleStream if index < num_double else _SingleStream
        handles += hooks(offsets, index).register(block)
    return handles


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
)
