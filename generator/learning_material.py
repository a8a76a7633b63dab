"""All that the steps of learning draw from, computed once: latents of pictures, encodings of texts.

Knows nothing of losses, steps or what is learnt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from PIL import Image, ImageOps
from torch import Tensor

from generator.flow import TextEncoding, encode_picture, encode_text
from generator.isolation import load_isolation_latents
from generator.learning_loss import Example, TwoPartExample
from generator.learning_task import LearningTask, PlacedText, SourceTask
from generator.loading import FluxModel


@dataclass(frozen=True)
class SourceMaterial:
    """What one picture gives."""

    latents: Sequence[Tensor]
    """The picture's, `(1, C, h, w)`, and its mirror image's where that may be learnt from."""
    captions: Sequence[Example]
    """The caption itself first."""
    alone: tuple[frozenset[int], ...]
    """Table rows of what is learnt without the rest, too (`LearningTask.rows_alone`)."""
    two_parts: Sequence[TwoPartExample]
    companions: Sequence[TwoPartExample]
    """The source beside a companion in one frame; their latents are `middle_half`s."""


@dataclass(frozen=True)
class JointMaterial:
    """A merged caption, and the numbers of the sources whose pictures it shows from left to right."""

    example: Example
    left: int
    right: int


@dataclass(frozen=True)
class Material:
    """What all pictures give, alone and side by side."""

    sources: tuple[SourceMaterial, ...]
    joint: tuple[JointMaterial, ...]
    concept_rows: frozenset[int]
    """Table rows of the words of all concepts."""

    @classmethod
    def prepare(
        cls,
        model: FluxModel,
        task: LearningTask,
        pictures: Sequence[Image.Image],
        isolation_prompts: Sequence[str],
        *,
        cache_dir: Path | None,
    ) -> Self:
        """Encode the pictures, all texts and, where isolation is wanted, load or draw its pictures."""
        isolation = None
        if any(source.two_parts for source in task.sources):
            isolation = load_isolation_latents(model, isolation_prompts, settings=task.settings, cache_dir=cache_dir)
        sources = tuple(
            _prepare_source(model, task, source, picture, isolation, cache_dir)
            for source, picture in zip(task.sources, pictures, strict=True)
        )
        joint: list[JointMaterial] = []
        for text in task.joint:
            words = sources[text.left].captions[0].words + sources[text.right].captions[0].words
            example = Example(_encode(model, task, text.prompt), text.prompt.placement, words)
            joint.append(JointMaterial(example, text.left, text.right))
        return cls(sources, tuple(joint), task.concept_rows)


def _prepare_source(
    model: FluxModel,
    task: LearningTask,
    source: SourceTask,
    picture: Image.Image,
    isolation: Tensor | None,
    cache_dir: Path | None,
) -> SourceMaterial:
    pipeline, settings = model.pipeline, task.settings
    device = pipeline.transformer.device
    captions: list[Example] = []
    for placed in source.captions:
        encoding = _encode(model, task, placed)
        captions.append(Example(encoding, placed.placement, _words(encoding, placed, task.num_rows)))
    two_parts: list[TwoPartExample] = []
    for text in source.two_parts if isolation is not None else ():
        prompt = Example(_encode(model, task, text.prompt), text.prompt.placement, captions[text.caption].words)
        two_parts.append(TwoPartExample(prompt, isolation[text.picture : text.picture + 1].to(device)))
    sides = [picture, ImageOps.mirror(picture)] if source.mirrors else [picture]
    return SourceMaterial(
        latents=tuple(
            encode_picture(pipeline, side, height=settings.height, width=settings.width).to(device) for side in sides
        ),
        captions=tuple(captions),
        alone=task.rows_alone(source),
        two_parts=tuple(two_parts),
        companions=_companions(model, task, source, captions[0].words, cache_dir),
    )


def middle_half(latents: Tensor) -> Tensor:
    """The middle of a picture's latents `(1, C, h, w)`, `(1, C, h, w')` with `w'` even and at most `w/2`."""
    width = latents.shape[3]
    half = width // 4 * 2
    return latents[..., (width - half) // 2 :][..., :half]


def _companions(
    model: FluxModel, task: LearningTask, source: SourceTask, words: Tensor, cache_dir: Path | None
) -> tuple[TwoPartExample, ...]:
    prompts = tuple(dict.fromkeys(text.picture_prompt for text in source.companions))
    if not prompts:
        return ()
    pictures = load_isolation_latents(model, prompts, settings=task.settings, cache_dir=cache_dir)
    halves = {
        prompt: middle_half(picture[None]).to(words.device) for prompt, picture in zip(prompts, pictures, strict=True)
    }
    return tuple(
        TwoPartExample(
            Example(_encode(model, task, text.prompt), text.prompt.placement, words),
            halves[text.picture_prompt],
            source_is_left=text.source_is_left,
        )
        for text in source.companions
    )


def _encode(model: FluxModel, task: LearningTask, placed: PlacedText) -> TextEncoding:
    return encode_text(model.pipeline, placed.text, max_sequence_length=task.settings.max_sequence_length)


def _words(encoding: TextEncoding, placed: PlacedText, num_rows: int) -> Tensor:
    """The text encoder's output for the caption's tokens, `(R, text_dim)`, zeros for those that the text lacks."""
    embeds = encoding.prompt_embeds[0].float()
    words = torch.zeros(num_rows, embeds.shape[1], device=embeds.device)
    words[list(placed.placement.rows)] = embeds[list(placed.placement.positions)]
    return words
