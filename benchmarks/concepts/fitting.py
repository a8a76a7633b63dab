"""What the baselines share: examples from a source picture, one flow matching loss, one loop of Adam.

Shape legend: `B` batch, `I` image tokens, `T` text tokens, `D` width of the transformer, `E` of the text encoder.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
from diffusers import FluxTransformer2DModel
from PIL import ImageOps
from torch import Tensor

from benchmarks.concepts.cases import BenchSource
from benchmarks.concepts.protocol import Workbench
from concepts.binding import find_word
from concepts.schema import BoundPrompt, ConceptMention
from generator.augmentation import may_mirror, paraphrase
from generator.flow import TextEncoding, add_noise, encode_picture, encode_text, pack, predict_velocity
from generator.isolation import load_isolation_latents
from generator.loading import FluxModel
from generator.tokens import find_token_spans

_Option = TypeVar("_Option")
Loss = Callable[["Draw"], Tensor]


@dataclass(frozen=True)
class Example:
    """One picture: latents `(1, C, h, w)` of it and of its mirror image where that may be, and its captions."""

    latents: tuple[Tensor, ...]
    captions: tuple[BoundPrompt, ...]


class Draw:
    """The random choices of one step."""

    def __init__(self, seed: int, step: int) -> None:
        self.generator = torch.Generator().manual_seed(seed * 1_000_003 + step)

    def choose(self, options: Sequence[_Option]) -> _Option:
        return options[int(torch.randint(len(options), (), generator=self.generator))]

    def some(self, options: Sequence[_Option]) -> list[_Option]:
        """At least one of the options, each as likely as not."""
        chosen = [option for option in options if torch.rand((), generator=self.generator) < 0.5]
        return chosen or [self.choose(options)]

    def noise(self, latents: Tensor, batch: int) -> tuple[Tensor, Tensor]:
        """Noise like the latents, `(B, C, h, w)`, and noise levels `(B,)`, uniform."""
        noise = torch.randn(batch, *latents.shape[1:], generator=self.generator).to(latents.device)
        return noise, torch.rand(batch, generator=self.generator).to(latents.device)


class Texts:
    """Encodings of texts, each made once."""

    def __init__(self, model: FluxModel) -> None:
        self.model = model
        self.encode = cache(self._encode)

    def _encode(self, text: str) -> TextEncoding:
        return encode_text(self.model.pipeline, text, max_sequence_length=self.model.defaults.max_sequence_length)


def example_of(model: FluxModel, source: BenchSource) -> Example:
    """A picture with the paraphrases and the flip that TokenVerse learns from too."""
    words = [concept.word for concept in source.concepts]
    picture = source.picture()
    mirrors = may_mirror(source.caption, [concept.kind for concept in source.concepts])
    sides = [picture, ImageOps.mirror(picture)] if mirrors else [picture]
    size = {"height": model.defaults.height, "width": model.defaults.width}
    device = model.pipeline.transformer.device
    return Example(
        latents=tuple(encode_picture(model.pipeline, side, **size).to(device) for side in sides),
        captions=tuple(bind_words(text, source) for text in paraphrase(source.caption, words)),
    )


def bind_words(text: str, source: BenchSource) -> BoundPrompt:
    """A text with the first mention of each of the source's concepts."""
    mentions = []
    for concept in source.concepts:
        start, stop = find_word(text, concept.word)[0]
        mentions.append(ConceptMention(concept_id=concept.id, start=start, stop=stop))
    return BoundPrompt(prompt=text, mentions=tuple(sorted(mentions, key=lambda mention: mention.start)))


def token_spans(model: FluxModel, prompt: BoundPrompt) -> dict[str, range]:
    """The tokens of each mentioned concept."""
    length = model.defaults.max_sequence_length
    spans = find_token_spans(prompt, model.pipeline.tokenizer_2, max_sequence_length=length)
    return {span.concept_id: range(span.start, span.stop) for span in spans}


def flow_loss(
    transformer: FluxTransformer2DModel,
    latents: Tensor,
    encoding: TextEncoding,
    draw: Draw,
    *,
    batch: int,
    mask: Tensor | None = None,
) -> Tensor:
    """Flow matching on one picture, over the image tokens of a mask `(I,)` in [0, 1] where one is given."""
    noise, sigmas = draw.noise(latents, batch)
    velocity = predict_velocity(transformer, add_noise(latents, noise, sigmas), sigmas, encoding)
    errors = (velocity - pack(noise - latents)).square().mean(-1)
    if mask is None:
        return errors.mean()
    return (errors * mask).sum() / (mask.sum() * batch).clamp(min=1e-6)


def fit(parameters: Sequence[Tensor], loss: Loss, *, steps: int, rate: float, seed: int, first_step: int = 0) -> None:
    """Change the parameters in place so that the loss falls; the rate falls to zero along half a cosine."""
    optimiser = torch.optim.Adam(list(parameters), lr=rate)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.zero_grad()
        loss(Draw(seed, first_step + step)).backward()
        optimiser.step()


def general_latents(bench: Workbench) -> Tensor:
    """Latents `(N, C, h, w)` of pictures that the unmodified model draws of `bench.general_prompts`."""
    return load_isolation_latents(
        bench.model, bench.general_prompts, settings=bench.model.defaults, cache_dir=bench.cache_dir
    )
