"""All that the steps of learning draw from, computed once: latents of pictures, encodings of texts.

Knows nothing of losses, steps or what is learnt.
"""

from collections.abc import Callable, Sequence
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

OnPrepare = Callable[[int, int], None]
"""Called with the number of pictures that are ready to be shown beside the source, and the number of all of them."""


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
        *,
        cache_dir: Path | None,
        on_prepare: OnPrepare | None = None,
    ) -> Self:
        """Encode the pictures, all texts and, where isolation is wanted, load or draw its pictures."""
        beside = _Beside(model, task, cache_dir, on_prepare)
        sources = tuple(
            _prepare_source(model, task, source, picture, beside)
            for source, picture in zip(task.sources, pictures, strict=True)
        )
        joint: list[JointMaterial] = []
        for text in task.joint:
            words = sources[text.left].captions[0].words + sources[text.right].captions[0].words
            example = Example(_encode(model, task, text.prompt), text.prompt.placement, words)
            joint.append(JointMaterial(example, text.left, text.right))
        return cls(sources, tuple(joint), task.concept_rows)


class _Beside:
    """The pictures that are shown beside the sources: those of isolation, and companions of each source."""

    def __init__(
        self,
        model: FluxModel,
        task: LearningTask,
        cache_dir: Path | None,
        on_prepare: OnPrepare | None,
    ) -> None:
        self._model, self._task, self._cache_dir, self._on_prepare = model, task, cache_dir, on_prepare
        prompts = task.isolation_prompts if any(source.two_parts for source in task.sources) else ()
        self._num_pictures = len(prompts) + sum(len(self.companion_prompts(source)) for source in task.sources)
        self._num_ready = 0
        self.isolation = self.pictures(prompts) if prompts else None

    @staticmethod
    def companion_prompts(source: SourceTask) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text.picture_prompt for text in source.companions))

    def pictures(self, prompts: Sequence[str]) -> Tensor:
        return load_isolation_latents(
            self._model, prompts, settings=self._task.settings, cache_dir=self._cache_dir, on_picture=self._tell
        )

    def _tell(self) -> None:
        self._num_ready += 1
        if self._on_prepare is not None:
            self._on_prepare(self._num_ready, self._num_pictures)


def _prepare_source(
    model: FluxModel, task: LearningTask, source: SourceTask, picture: Image.Image, beside: _Beside
) -> SourceMaterial:
    pipeline, settings = model.pipeline, task.settings
    device = pipeline.transformer.device
    captions: list[Example] = []
    for placed in source.captions:
        encoding = _encode(model, task, placed)
        captions.append(Example(encoding, placed.placement, _words(encoding, placed, task.num_rows)))
    two_parts: list[TwoPartExample] = []
    for text in source.two_parts if beside.isolation is not None else ():
        prompt = Example(_encode(model, task, text.prompt), text.prompt.placement, captions[text.caption].words)
        two_parts.append(TwoPartExample(prompt, beside.isolation[text.picture : text.picture + 1].to(device)))
    sides = [picture, ImageOps.mirror(picture)] if source.mirrors else [picture]
    return SourceMaterial(
        latents=tuple(
            encode_picture(pipeline, side, height=settings.height, width=settings.width).to(device) for side in sides
        ),
        captions=tuple(captions),
        alone=task.rows_alone(source),
        two_parts=tuple(two_parts),
        companions=_companions(model, task, source, captions[0].words, beside),
    )


def middle_half(latents: Tensor) -> Tensor:
    """The middle of a picture's latents `(1, C, h, w)`, `(1, C, h, w')` with `w'` even and at most `w/2`.

    It goes under a caption that names the picture's subject, which therefore has to stand there.
    """
    width = latents.shape[3]
    half = width // 4 * 2
    return latents[..., (width - half) // 2 :][..., :half]


def _companions(
    model: FluxModel, task: LearningTask, source: SourceTask, words: Tensor, beside: _Beside
) -> tuple[TwoPartExample, ...]:
    prompts = beside.companion_prompts(source)
    if not prompts:
        return ()
    pictures = beside.pictures(prompts)
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
