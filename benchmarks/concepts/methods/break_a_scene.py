"""Break-A-Scene: a learnt word for each masked concept, then the weights too, by masked and attention losses.

Source: Break-A-Scene (arXiv:2305.16311): handles first and weights afterwards, a random subset of concepts in each
step, the denoising loss over the union of their masks, and a loss that draws each handle's attention into its mask.
Masks are the world's own. Different here: adapters instead of all weights, attention of the joint blocks instead of
cross-attention, and the caption itself with handles in place of the chosen concepts' words. All pictures of a case are
learnt together. Neither flips nor prior preservation, and the text encoder learns nothing but the handles, where the
authors' code has all three.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from diffusers import FluxTransformer2DModel
from PIL import Image
from pydantic import JsonValue
from torch import Tensor

from benchmarks.concepts.attention import recorded_attention
from benchmarks.concepts.cases import BenchSource, Case
from benchmarks.concepts.embeddings import draw_with, encode_with, word_vectors
from benchmarks.concepts.fitting import Draw, Example, bind_words, example_of, fit, flow_loss, token_spans
from benchmarks.concepts.lora import PREFIX, take_lora, with_loras, with_new_lora
from benchmarks.concepts.masks import concept_mask
from benchmarks.concepts.protocol import Learnt, Workbench
from generator.loading import FluxModel

ATTENTION_WEIGHT = 0.01
"""Source: the paper."""
HANDLE_FACTOR = 10.0
"""How much faster handles learn than weights."""


@dataclass(frozen=True, kw_only=True)
class MaskedPicture:
    """A source with its latents and the mask `(I,)` of each of its concepts."""

    source: BenchSource
    example: Example
    masks: Mapping[str, Tensor]

    @classmethod
    def of(cls, model: FluxModel, source: BenchSource) -> "MaskedPicture":
        example = example_of(model, source)
        _, _, height, width = example.latents[0].shape
        grid = (height // 2, width // 2)
        device = example.latents[0].device
        masks = {concept.id: concept_mask(source, concept, grid).to(device) for concept in source.concepts}
        return cls(source=source, example=example, masks=masks)


@dataclass(frozen=True, kw_only=True)
class BreakAScene:
    name: str = "break_a_scene"
    title: str = "Break-A-Scene"
    source: str = (
        "Break-A-Scene (arXiv:2305.16311), masks from the world, adapters instead of all weights; without flips, "
        "pictures of the unmodified model, and learning in the text encoder."
    )
    rates: tuple[float, ...] = (0.003, 0.001, 0.01, 0.03)
    is_joint: bool = True
    is_guided: bool = False
    alone: str = "break_a_scene"

    def settings(self, bench: Workbench) -> JsonValue:
        del bench
        return None

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        model, weights = with_new_lora(bench.model, seed=bench.seed)
        transformer = model.pipeline.transformer
        pictures = [MaskedPicture.of(bench.model, source) for source in sources]
        handles: dict[str, Tensor] = {}
        for picture in pictures:
            bound = bind_words(picture.source.caption, picture.source)
            handles |= {name: start.requires_grad_() for name, start in word_vectors(bench.model, bound).items()}

        def loss(draw: Draw) -> Tensor:
            picture = draw.choose(pictures)
            chosen = draw.some([concept.id for concept in picture.source.concepts])
            return _masked_loss(model, transformer, picture, {name: handles[name] for name in chosen}, draw, bench)

        first = bench.effort.steps // 2
        fit(list(handles.values()), loss, steps=first, rate=HANDLE_FACTOR * rate, seed=bench.seed)
        rest = bench.effort.steps - first
        fit([*weights, *handles.values()], loss, steps=rest, rate=rate, seed=bench.seed, first_step=first)
        return take_lora(model) | {name: handle.detach() for name, handle in handles.items()}

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        (own,) = learnt
        handles = {name: tensor for name, tensor in own.items() if not name.startswith(PREFIX)}
        return draw_with(with_loras(bench.model, learnt), case.prompt, handles, seeds)


def _masked_loss(
    model: FluxModel,
    transformer: FluxTransformer2DModel,
    picture: MaskedPicture,
    handles: Mapping[str, Tensor],
    draw: Draw,
    bench: Workbench,
) -> Tensor:
    """Flow matching inside the chosen concepts' masks, and their handles' attention towards these."""
    caption = bind_words(picture.source.caption, picture.source)
    encoding = encode_with(model, caption, handles)
    union = torch.stack([picture.masks[name] for name in handles]).amax(0)
    with recorded_attention(transformer) as maps:
        flow = flow_loss(
            transformer, picture.example.latents[0], encoding, draw, batch=bench.effort.batch_size, mask=union
        )
    return flow + ATTENTION_WEIGHT * attention_loss(maps, token_spans(model, caption), picture.masks, list(handles))


def attention_loss(
    maps: Sequence[Tensor], spans: Mapping[str, range], masks: Mapping[str, Tensor], names: Sequence[str]
) -> Tensor:
    """Mean square between each word's attention map, scaled to a maximum of 1, and its mask."""
    mean = torch.stack(list(maps)).mean(0)
    losses: list[Tensor] = []
    for name in names:
        own = mean[:, :, list(spans[name])].mean(-1)
        losses.append((own / own.amax(1, keepdim=True) - masks[name]).square().mean())
    return torch.stack(losses).mean()
