"""Stable Diffusion 3 and 3.5: double-stream blocks only, whose last one has no more text after its attention.

There the text's norm is an `AdaLayerNormContinuous`, scale before shift, without gates. The second attention of
SD3.5's image stream touches no text. The text is CLIP's and then T5's.
"""

from collections.abc import Sequence

from diffusers import DiffusionPipeline, SD3Transformer2DModel
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from concepts.schema import BoundPrompt
from generator.errors import UnsupportedModel
from generator.families.family import Family
from generator.families.hooks import ActiveTokens, AdaptiveNormDoubleStream, ModulationOfBlock
from generator.families.texts import TextTokens, locate


class _LastBlock:
    """Hook of the block that only reads the text."""

    def __init__(self, tokens: ActiveTokens, modulation: ModulationOfBlock) -> None:
        self.tokens = tokens
        self.modulation = modulation

    def register(self, block: nn.Module) -> list[RemovableHandle]:
        return [block.norm1_context.register_forward_hook(self.after_norm1)]

    def after_norm1(self, norm: nn.Module, args: tuple[Tensor, Tensor], output: Tensor) -> Tensor | None:
        if not self.tokens.is_active:
            return None
        hidden, temb = args
        scale, shift = self.modulation(temb, norm.silu, norm.linear).chunk(2, dim=-1)
        return self.tokens.write(output, norm.norm(self.tokens.select(hidden)) * (1 + scale) + shift)


def _blocks(transformer: nn.Module) -> list[nn.Module]:
    return [*transformer.transformer_blocks]


def _register(
    transformer: nn.Module, tokens: ActiveTokens, modulations: Sequence[ModulationOfBlock]
) -> list[RemovableHandle]:
    handles: list[RemovableHandle] = []
    for block, modulation in zip(transformer.transformer_blocks, modulations, strict=True):
        hooks = _LastBlock if block.context_pre_only else AdaptiveNormDoubleStream
        handles += hooks(tokens, modulation).register(block)
    return handles


def _find_tokens(pipeline: DiffusionPipeline, bound: BoundPrompt, max_sequence_length: int) -> TextTokens:
    """CLIP's tokens, padded to its length, and then T5's, so each word is there twice: first among CLIP's."""
    clip_len: int = pipeline.tokenizer_max_length
    of_clip = locate(bound, pipeline.tokenizer, max_sequence_length=clip_len)
    if pipeline.tokenizer_3 is None:
        raise UnsupportedModel(
            "Stable Diffusion 3 was loaded without its T5 encoder (tokenizer_3), which half of a word's directions "
            "belong to. Load it with all text encoders."
        )
    of_t5 = locate(bound, pipeline.tokenizer_3, max_sequence_length=max_sequence_length)
    return TextTokens(
        clip_len + max_sequence_length,
        {
            concept_id: (*tokens, *(clip_len + token for token in of_t5[concept_id]))
            for concept_id, tokens in of_clip.items()
        },
    )


SD3 = Family(
    name="sd3",
    title="Stable Diffusion 3 and 3.5",
    transformer_class=SD3Transformer2DModel,
    embedder="time_text_embed",
    has_pooled_text=True,
    blocks=_blocks,
    find_tokens=_find_tokens,
    register=_register,
)
