"""Offsets that are learnt outright in spaces other than M+: on the text's tokens themselves, and on everything (M)."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from diffusers import FluxTransformer2DModel
from PIL import Image
from pydantic import JsonValue
from torch import Tensor, nn

from benchmarks.concepts.cases import BenchSource, Case
from benchmarks.concepts.fitting import Draw, Texts, example_of, fit, flow_loss, token_spans
from benchmarks.concepts.protocol import Learnt, Workbench, draw_prompt
from generator.flow import frozen
from generator.modulation import attach_to_all

Spans = Mapping[str, range]
Attach = Callable[[FluxTransformer2DModel, Mapping[str, Tensor], Spans, int], AbstractContextManager[None]]
"""Lays each concept's offsets `(pieces, D)` on a transformer for a prompt of so many tokens."""


@dataclass(frozen=True, kw_only=True)
class OffsetMethod:
    """One offset for each piece of a concept's word, learnt by flow matching with the augmentations of TokenVerse."""

    name: str
    title: str
    source: str
    attach: Attach
    rates: tuple[float, ...]
    is_joint: bool = False
    is_guided: bool = False

    @property
    def alone(self) -> str:
        return self.name

    def settings(self, bench: Workbench) -> JsonValue:
        del bench
        return None

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        model, texts = bench.model, Texts(bench.model)
        transformer = model.pipeline.transformer
        (source,) = sources
        example = example_of(model, source)
        pieces = token_spans(model, example.captions[0])
        learnt = {name: torch.zeros(len(span), model.dim, requires_grad=True) for name, span in pieces.items()}

        def loss(draw: Draw) -> Tensor:
            caption, latents = draw.choose(example.captions), draw.choose(example.latents)
            length = model.defaults.max_sequence_length
            with self.attach(transformer, learnt, token_spans(model, caption), length):
                encoding = texts.encode(caption.prompt)
                return flow_loss(transformer, latents, encoding, draw, batch=bench.effort.batch_size)

        with frozen(transformer, gradient_checkpointing=False):
            fit(list(learnt.values()), loss, steps=bench.effort.steps, rate=rate, seed=bench.seed)
        return {name: tensor.detach() for name, tensor in learnt.items()}

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        model = bench.model
        offsets = {name: offset for each in learnt for name, offset in each.items()}
        length = model.defaults.max_sequence_length
        with self.attach(model.pipeline.transformer, offsets, token_spans(model, case.prompt), length):
            return draw_prompt(model, case.prompt.prompt, seeds)


@contextmanager
def _on_text(transformer: FluxTransformer2DModel, offsets: Mapping[str, Tensor], spans: Spans, text_len: int):
    laid = torch.zeros(text_len, transformer.inner_dim)
    for name, span in spans.items():
        laid = laid.index_add(0, torch.tensor(span), offsets[name])

    def shift(embedder: nn.Module, args: tuple[Tensor, ...], text: Tensor) -> Tensor:
        del embedder, args
        return text + laid.to(text)

    handle = transformer.context_embedder.register_forward_hook(shift)
    try:
        yield
    finally:
        handle.remove()


def _on_everything(
    transformer: FluxTransformer2DModel, offsets: Mapping[str, Tensor], spans: Spans, text_len: int
) -> AbstractContextManager[None]:
    del text_len
    return attach_to_all(transformer, torch.stack([offsets[name].sum(0) for name in spans]).sum(0, keepdim=True))


_PAPER = "TokenVerse (arXiv:2501.12224)"
TEXT_EMBEDDING = OffsetMethod(
    name="text_embedding",
    title="Text embeddings",
    source=f"{_PAPER}, Fig. 10a: offsets on the text's tokens as they enter the transformer; all noise levels alike.",
    attach=_on_text,
    rates=(0.3, 0.1, 1.0, 3.0),
)
M = OffsetMethod(
    name="m",
    title="M, global",
    source=f"{_PAPER}, Fig. 2a: a concept's offset on the modulation of all tokens; all noise levels alike.",
    attach=_on_everything,
    rates=(0.1, 0.03, 0.3),
)
