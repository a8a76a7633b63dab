"""ConceptExpress: finds the concepts of a picture by itself, from how its parts attend to each other, a word for each.

Source: ConceptExpress (arXiv:2407.07077): self-attention of the unmodified model is clustered without supervision, each
cluster's word is learnt by the denoising loss inside the cluster and a loss that draws its attention there. Different
here: the attention is that of the joint blocks, FINCH's clusters are merged until few are left, and words are not split
and merged again. To be asked for, a cluster has to be given a name: that of the concept whose mask it overlaps most.
Concepts that no cluster overlaps enough stay as their plain words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from pydantic import JsonValue
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.concepts.attention import recorded_attention
from benchmarks.concepts.cases import BenchSource, Case
from benchmarks.concepts.embeddings import draw_with, encode_with, word_vectors
from benchmarks.concepts.fitting import Draw, example_of, fit, flow_loss, token_spans
from benchmarks.concepts.masks import concept_mask
from benchmarks.concepts.methods.break_a_scene import ATTENTION_WEIGHT, attention_loss
from benchmarks.concepts.protocol import Learnt, Workbench
from concepts.schema import BoundPrompt, ConceptMention
from generator.flow import add_noise, encode_text, frozen, predict_velocity
from generator.loading import FluxModel
from pocket.world.schema import CHARACTERS

MAX_CLUSTERS = 6
MIN_OVERLAP = 0.3
"""Intersection over union from which on a cluster is a concept's."""
PROBED_SIGMA = 0.3
TEXT = "a picture of a"


@dataclass(frozen=True, kw_only=True)
class ConceptExpress:
    name: str = "concept_express"
    title: str = "ConceptExpress"
    source: str = "ConceptExpress (arXiv:2407.07077), without its splitting and merging of words."
    rates: tuple[float, ...] = (0.3, 0.1, 0.03)
    is_joint: bool = False
    is_guided: bool = False
    alone: str = "concept_express"

    def settings(self, bench: Workbench) -> JsonValue:
        del bench
        return {"text": TEXT, "starts": list(CHARACTERS)}

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        (source,) = sources
        model = bench.model
        latents = example_of(model, source).latents[0]
        found = name_clusters(find_clusters(model, latents), source, (latents.shape[2] // 2, latents.shape[3] // 2))
        clusters = [cluster.to(latents.device) for cluster in found.values()]
        text, start = neutral_word(model)
        words = [start.clone().requires_grad_() for _ in clusters]
        spans, transformer = token_spans(model, text), model.pipeline.transformer

        def loss(draw: Draw) -> Tensor:
            mask, word = draw.choose(list(zip(clusters, words, strict=True)))
            encoding = encode_with(model, text, {"it": word})
            with recorded_attention(transformer) as maps:
                flow = flow_loss(transformer, latents, encoding, draw, batch=bench.effort.batch_size, mask=mask)
            return flow + ATTENTION_WEIGHT * attention_loss(maps, spans, {"it": mask}, ["it"])

        if words:
            with frozen(transformer, gradient_checkpointing=False):
                fit(words, loss, steps=bench.effort.steps, rate=rate, seed=bench.seed)
        return {name: word.detach() for name, word in zip(found, words, strict=True)}

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        words = {name: word for each in learnt for name, word in each.items()}
        return draw_with(bench.model, case.prompt, words, seeds)


def neutral_word(model: FluxModel) -> tuple[BoundPrompt, Tensor]:
    """A text with a word to be learnt, and what that starts from, `(1, E)`: the mean of all words for characters.

    A word for any figure would be several pieces to an encoder that never saw it; only the first would be replaced.
    """
    texts = [_text_of(word) for word in CHARACTERS]
    return texts[0], torch.stack([word_vectors(model, text)["it"] for text in texts]).mean(0)


def _text_of(word: str) -> BoundPrompt:
    text = f"{TEXT} {word}"
    it = ConceptMention(concept_id="it", start=len(TEXT) + 1, stop=len(text))
    return BoundPrompt(prompt=text, mentions=(it,))


@torch.no_grad()
def find_clusters(model: FluxModel, latents: Tensor) -> list[Tensor]:
    """Parts of a picture, each a mask `(I,)` of zeros and ones on the CPU, by how image tokens attend to each other."""
    transformer = model.pipeline.transformer
    nothing = encode_text(model.pipeline, "", max_sequence_length=model.defaults.max_sequence_length)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)).to(latents.device)
    sigmas = torch.full((1,), PROBED_SIGMA, device=latents.device)
    with recorded_attention(transformer) as maps:
        predict_velocity(transformer, add_noise(latents, noise, sigmas), sigmas, nothing)
    attention = torch.stack(maps).mean(0)[0]
    features = normalize(attention[:, -len(attention) :], dim=-1).cpu()
    labels = torch.arange(len(features))
    while int(labels.max()) + 1 > MAX_CLUSTERS:
        means = torch.stack([features[labels == label].mean(0) for label in range(int(labels.max()) + 1)])
        merged = _first_neighbours(normalize(means, dim=-1))
        labels = merged[labels]
    return [(labels == label).float() for label in range(int(labels.max()) + 1)]


def _first_neighbours(features: Tensor) -> Tensor:
    """FINCH's partition of `(N, F)`: everybody is in one group with its nearest neighbour; a label for each.

    Source: FINCH (arXiv:1902.11266).
    """
    similar = features @ features.T
    nearest = similar.fill_diagonal_(-torch.inf).argmax(1)
    labels = torch.arange(len(features))
    for _ in range(len(features)):
        lowest = torch.minimum(labels, labels[nearest])
        lowest = lowest.scatter_reduce(0, nearest, lowest, "amin")
        if torch.equal(lowest, labels):
            break
        labels = lowest
    return labels.unique(return_inverse=True)[1]


def name_clusters(clusters: Sequence[Tensor], source: BenchSource, grid: tuple[int, int]) -> dict[str, Tensor]:
    """The cluster of each concept that one overlaps enough, by the concept's id."""
    named: dict[str, Tensor] = {}
    for concept in source.concepts:
        mask = concept_mask(source, concept, grid) > 0.5
        overlaps = [float((mask & (own > 0)).sum() / (mask | (own > 0)).sum().clamp(min=1)) for own in clusters]
        best = max(range(len(clusters)), key=overlaps.__getitem__)
        if overlaps[best] >= MIN_OVERLAP:
            named[concept.id] = clusters[best]
    return named
