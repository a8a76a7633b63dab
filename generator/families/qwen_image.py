"""Qwen-Image: double-stream blocks only, each with a plain linear layer that makes the text's modulation.

temb is of the timestep alone: there is no pooled text. The prompt stands in a template, whose beginning is dropped.
"""

from collections.abc import Sequence

from diffusers import DiffusionPipeline, QwenImageTransformer2DModel
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from concepts.schema import BoundPrompt
from generator.families.family import Family
from generator.families.hooks import ActiveTokens, GivenDoubleStream, ModulationOfBlock
from generator.families.texts import TextTokens, inside, locate


class _DoubleStream(GivenDoubleStream):
    def register(self, block: nn.Module) -> list[RemovableHandle]:
        return [
            block.txt_mod.register_forward_hook(self.after_modulation),
            *self.register_norm1(block.txt_norm1, block.attn),
            *self.register_rest(block.attn, block.txt_norm2, block.txt_mlp),
        ]

    def after_modulation(self, modulation: nn.Sequential, args: tuple[Tensor], output: Tensor) -> Tensor | None:
        if not self.tokens.is_active:
            return None
        silu, linear = modulation
        return self.take(output, self.modulation(args[0], silu, linear))


def _blocks(transformer: nn.Module) -> list[nn.Module]:
    return [*transformer.transformer_blocks]


def _register(
    transformer: nn.Module, tokens: ActiveTokens, modulations: Sequence[ModulationOfBlock]
) -> list[RemovableHandle]:
    return [
        handle
        for block, modulation in zip(transformer.transformer_blocks, modulations, strict=True)
        for handle in _DoubleStream(tokens, modulation).register(block)
    ]


def _find_tokens(pipeline: DiffusionPipeline, bound: BoundPrompt, max_sequence_length: int) -> TextTokens:
    """The prompt in its template, whose first tokens the pipeline drops after encoding; it pads nothing."""
    dropped: int = pipeline.prompt_template_encode_start_idx
    text = pipeline.prompt_template_encode.format(bound.prompt)
    found = locate(inside(bound, text), pipeline.tokenizer, max_sequence_length=max_sequence_length + dropped)
    num_tokens = len(pipeline.tokenizer(text, verbose=False)["input_ids"]) - dropped
    return TextTokens(
        min(num_tokens, max_sequence_length),
        {concept_id: tuple(token - dropped for token in tokens) for concept_id, tokens in found.items()},
    )


QWEN_IMAGE = Family(
    name="qwen-image",
    title="Qwen-Image",
    transformer_class=QwenImageTransformer2DModel,
    embedder="time_text_embed",
    has_pooled_text=False,
    blocks=_blocks,
    find_tokens=_find_tokens,
    register=_register,
)
