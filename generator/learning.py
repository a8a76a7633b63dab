"""Learns directions for the concepts of one picture on a frozen Flux model, by the recipe of TokenVerse.

Every word of the caption has a direction while learning; only those of concept words leave. Stage 1 learns one
direction per token for all blocks at high noise, stage 2 adds offsets per block at low noise, and on half of the steps
the concept isolation loss asks that a second picture in the same frame stays as it is. Knows nothing of banks.

Source: TokenVerse (arXiv:2501.12224). Where the paper predicts directions by a small network per picture, here they are
a table, which for one picture is as expressive.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import torch
from diffusers import FluxTransformer2DModel
from PIL import Image, ImageOps
from torch import Tensor

from generator.flow import draw_sigmas, encode_picture, encode_text, frozen
from generator.isolation import load_isolation_latents
from generator.learning_loss import (
    Example,
    LossWithGradients,
    NoisyBatch,
    TwoPartExample,
    flow_loss,
    isolation_loss,
    keep_rows,
    measure_losses,
)
from generator.learning_state import LearningState, load_checkpoint, save_checkpoint
from generator.learning_task import LearningTask, PlacedText, plan_learning
from generator.learnt import LearntDirections
from generator.loading import FluxModel
from generator.recipe import ConceptRequest, LearningError, LearningProgress, LearningRecipe

logger = logging.getLogger(__name__)

OnStep = Callable[[LearningProgress], None]
DEFAULT_RECIPE = LearningRecipe()
_Option = TypeVar("_Option")


def learn_concepts(
    model: FluxModel,
    picture: Image.Image,
    caption: str,
    concepts: Sequence[ConceptRequest],
    *,
    isolation_prompts: Sequence[str],
    recipe: LearningRecipe = DEFAULT_RECIPE,
    paraphrases: Sequence[str] | None = None,
    cache_dir: Path | None = None,
    checkpoint_path: Path | None = None,
    on_step: OnStep | None = None,
) -> LearntDirections:
    """Directions for the words of a caption that name concepts, learnt from its picture.

    The model's weights are never changed. The same arguments give the same result on the same machine, whether the run
    was interrupted and resumed or not.

    Args:
        model: Any Flux.1 model.
        picture: Scaled and cropped at its centre to the recipe's size.
        caption: What the picture shows; names every concept once by its word.
        concepts: What is to be learnt. Every other word of the caption takes up what these do not explain.
        isolation_prompts: Captions of the pictures that must stay as they are; not used where the recipe's
            `isolation_fraction` is 0.
        recipe: Steps, rates, sizes, seed.
        paraphrases: Other captions that name the concepts by the same words; None makes them from templates.
        cache_dir: Folder that keeps the isolation pictures of this model; None draws them anew.
        checkpoint_path: File to go on from when it exists, and that is written every so many steps, at the end, and
            when the run is interrupted. It stays; delete it once the result is kept.
        on_step: Called after every step. Whatever it raises interrupts the run.

    Raises:
        ConceptNotMentioned, AmbiguousMention, CollidingConcepts, InvalidConcept: The caption does not name each concept
            once by a word of its own.
        PromptTooLong: The caption or a paraphrase has more tokens than the text encoder reads.
        TokenSpanError, DirectionMismatch: The tokenizer cannot tell a concept's word apart, or a paraphrase lacks it.
        InvalidSettings: The recipe's size or length is out of the model's range.
        LearningError: No isolation caption fits, the checkpoint is not this run's, or the loss is no longer finite.
    """
    task = plan_learning(
        model, caption, concepts, recipe=recipe, isolation_prompts=isolation_prompts, paraphrases=paraphrases
    )
    recipe = task.recipe
    device = model.pipeline.transformer.device
    state = LearningState.start(
        num_rows=task.tokens.num_rows,
        num_blocks=model.num_blocks,
        dim=model.dim,
        stage1_steps=recipe.stage1_steps,
        device=device,
    )
    digest = task.digest(model, picture.convert("RGB").tobytes(), isolation_prompts)
    if checkpoint_path is not None and checkpoint_path.exists():
        state = load_checkpoint(state, checkpoint_path, task=digest)
        logger.info("learning resumed step=%d path=%s", state.step, checkpoint_path)
    with frozen(model.pipeline.transformer, gradient_checkpointing=recipe.gradient_checkpointing):
        material = _Material.prepare(model, task, picture, isolation_prompts, cache_dir=cache_dir)
        keep = _Keeper(checkpoint_path, digest, every=recipe.checkpoint_every)
        state = _run(material, recipe, state, keep=keep, on_step=on_step)
        directions = state.directions()
        losses = measure_losses(
            material.transformer,
            material.captions[0],
            material.latents[0],
            directions,
            concept_rows=task.concept_rows,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
        )
    return LearntDirections(
        picture=picture.convert("RGB"),
        caption=caption,
        concepts=task.concepts,
        family=model.family.name,
        base_model=model.fingerprint,
        base_model_name=model.name,
        recipe=recipe,
        losses=losses,
        directions={concept_id: directions[list(rows)].float().cpu() for concept_id, rows in task.rows.items()},
    )


@dataclass(frozen=True)
class _Material:
    """All that the steps draw from, computed once."""

    transformer: FluxTransformer2DModel
    latents: tuple[Tensor, ...]
    """The picture's, `(1, C, h, w)`, and its mirror image's where that may be learnt from."""
    captions: tuple[Example, ...]
    concepts_alone: tuple[Example, ...]
    """The captions with directions on the concept words only."""
    two_parts: tuple[TwoPartExample, ...]

    @classmethod
    def prepare(
        cls,
        model: FluxModel,
        task: LearningTask,
        picture: Image.Image,
        isolation_prompts: Sequence[str],
        *,
        cache_dir: Path | None,
    ) -> Self:
        """Encode the picture, all texts and, where isolation is wanted, load or draw its pictures."""
        pipeline, settings = model.pipeline, task.settings
        device = pipeline.transformer.device
        pictures = [picture, ImageOps.mirror(picture)] if task.mirrors else [picture]

        def encode(placed: PlacedText) -> Example:
            encoding = encode_text(pipeline, placed.text, max_sequence_length=settings.max_sequence_length)
            return Example(encoding, placed.placement)

        two_parts: tuple[TwoPartExample, ...] = ()
        if task.two_part_prompts:
            right = load_isolation_latents(model, isolation_prompts, settings=settings, cache_dir=cache_dir).to(device)
            two_parts = tuple(
                TwoPartExample(encode(placed), right[index : index + 1]) for placed, index in task.two_part_prompts
            )
        captions = tuple(encode(placed) for placed in task.captions)
        return cls(
            transformer=pipeline.transformer,
            latents=tuple(
                encode_picture(pipeline, each, height=settings.height, width=settings.width).to(device)
                for each in pictures
            ),
            captions=captions,
            concepts_alone=tuple(
                Example(caption.encoding, keep_rows(caption.placement, task.concept_rows)) for caption in captions
            ),
            two_parts=two_parts,
        )


@dataclass(frozen=True)
class _Keeper:
    """Where and how often the state is written down."""

    path: Path | None
    digest: str
    every: int

    def write(self, state: LearningState) -> None:
        if self.path is not None:
            save_checkpoint(state, self.path, task=self.digest)


def _run(
    material: _Material, recipe: LearningRecipe, state: LearningState, *, keep: _Keeper, on_step: OnStep | None
) -> LearningState:
    """All steps that are left; when one is interrupted, the state before it is written down."""
    first_step, started = state.step, time.perf_counter()
    try:
        while state.step < recipe.num_steps:
            stage = state.stage
            state, flow, isolation = _step(material, recipe, state)
            if state.step % keep.every == 0:
                keep.write(state)
            if on_step is not None:
                seconds_a_step = (time.perf_counter() - started) / (state.step - first_step)
                on_step(
                    LearningProgress(
                        stage=stage,
                        step=state.step,
                        num_steps=recipe.num_steps,
                        loss=flow.loss,
                        isolation_loss=None if isolation is None else isolation.loss,
                        seconds_left=seconds_a_step * (recipe.num_steps - state.step),
                    )
                )
    finally:
        keep.write(state)
    return state


def _step(
    material: _Material, recipe: LearningRecipe, state: LearningState
) -> tuple[LearningState, LossWithGradients, LossWithGradients | None]:
    """One step; what it draws at random follows from the seed and the step's number alone."""
    draw = _Draw(recipe, state)
    latents = draw.choose(material.latents)
    caption = draw.choose(material.captions)
    if draw.happens(recipe.concepts_alone_fraction):
        caption = draw.choose(material.concepts_alone)
    batch = draw.noisy_batch(latents, recipe.batch_size, width_factor=1)
    tables = state.tables()
    flow = flow_loss(material.transformer, caption, batch, tables)
    if not math.isfinite(flow.loss):
        raise LearningError(
            f"The loss of step {state.step + 1} is {flow.loss!r}, so nothing more can be learnt. Choose a learning "
            f"rate below {recipe.learning_rate!r}, or a wider dtype for the model than {material.transformer.dtype}."
        )
    isolation = None
    gradients = flow.gradients
    if material.two_parts and draw.happens(recipe.isolation_fraction):
        two_part = draw.choose(material.two_parts)
        both = draw.noisy_batch(latents, recipe.isolation_batch_size, width_factor=2)
        isolation = isolation_loss(material.transformer, two_part, both, tables)
        pairs = zip(gradients, isolation.gradients, strict=True)
        gradients = tuple(own + recipe.isolation_weight * other for own, other in pairs)
    return state.updated(gradients, learning_rate=_learning_rate(recipe, state)), flow, isolation


def _learning_rate(recipe: LearningRecipe, state: LearningState) -> float:
    """Half a cosine from the recipe's rate to zero within each stage."""
    start, length = (0, recipe.stage1_steps) if state.stage == 1 else (recipe.stage1_steps, recipe.stage2_steps)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (state.step - start) / length))


class _Draw:
    """The random choices of one step, from a generator of its own on the CPU."""

    def __init__(self, recipe: LearningRecipe, state: LearningState) -> None:
        self.recipe = recipe
        self.stage = state.stage
        self.generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + state.step)

    def happens(self, probability: float) -> bool:
        return torch.rand((), generator=self.generator).item() < probability

    def choose(self, options: Sequence[_Option]) -> _Option:
        return options[int(torch.randint(len(options), (), generator=self.generator))]

    def noisy_batch(self, latents: Tensor, batch_size: int, *, width_factor: int) -> NoisyBatch:
        """Noise and noise levels for a picture, or for the two-part picture that it is the left part of."""
        _, channels, height, width = latents.shape
        noise = torch.randn(batch_size, channels, height, width * width_factor, generator=self.generator)
        share, split = self.recipe.preferred_share, self.recipe.noise_split
        high_share = share if self.stage == 1 else 1 - share
        sigmas = draw_sigmas(self.generator, batch_size, split=split, high_share=high_share)
        return NoisyBatch(latents, noise.to(latents.device), sigmas.to(latents.device))
