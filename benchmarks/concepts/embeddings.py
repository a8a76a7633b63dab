"""Learnt words: vectors at the input of the text encoder, as textual inversion has them."""

from collections.abc import Mapping, Sequence

import torch
from PIL import Image
from torch import Tensor

from benchmarks.concepts.fitting import token_spans
from benchmarks.concepts.protocol import draw_prompt
from concepts.schema import BoundPrompt
from generator.flow import TextEncoding, encode_text
from generator.loading import FluxModel


def word_vectors(model: FluxModel, prompt: BoundPrompt) -> dict[str, Tensor]:
    """What the text encoder starts from for the tokens of each mentioned concept, `(pieces, E)`."""
    table, ids = _inputs(model, prompt.prompt)
    return {
        concept_id: table(ids)[0, span.start : span.stop].detach().float().clone()
        for concept_id, span in token_spans(model, prompt).items()
    }


def encode_with(model: FluxModel, prompt: BoundPrompt, vectors: Mapping[str, Tensor]) -> TextEncoding:
    """The prompt's encoding with learnt vectors `(pieces, E)` for mentioned concepts; gradients reach them.

    Where a word has more pieces than it has vectors, the rest of the word stays as it is.
    """
    pipeline = model.pipeline
    plain = encode_text(pipeline, prompt.prompt, max_sequence_length=model.defaults.max_sequence_length)
    table, ids = _inputs(model, prompt.prompt)
    embeds = table(ids).detach().clone()
    for concept_id, span in token_spans(model, prompt).items():
        if concept_id in vectors:
            vector = vectors[concept_id].to(embeds)
            count = min(len(span), len(vector))
            rows = torch.arange(span.start, span.start + count, device=embeds.device)
            embeds = embeds.index_copy(1, rows, vector[None, :count])
    encoder = pipeline.text_encoder_2.requires_grad_(False)  # words are learnt, not what reads them
    encoded = encoder(inputs_embeds=embeds)[0]
    return TextEncoding(encoded, plain.pooled_prompt_embeds, plain.text_ids)


@torch.no_grad()
def draw_with(
    model: FluxModel, prompt: BoundPrompt, vectors: Mapping[str, Tensor], seeds: Sequence[int]
) -> list[Image.Image]:
    """Pictures of a prompt with learnt vectors."""
    return draw_prompt(model, encode_with(model, prompt, vectors), seeds)


def _inputs(model: FluxModel, prompt: str) -> tuple[torch.nn.Module, Tensor]:
    pipeline = model.pipeline
    ids = pipeline.tokenizer_2(
        prompt,
        padding="max_length",
        max_length=model.defaults.max_sequence_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return pipeline.text_encoder_2.get_input_embeddings(), ids.to(pipeline.text_encoder_2.device)
