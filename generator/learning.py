"""Learns directions for the concepts of pictures on a frozen Flux model, by the recipe of TokenVerse.

Every word of a caption has a direction while learning; only those of concept words leave. Stage 1 learns one
direction per token for all blocks, stage 2 adds offsets per block, each at the noise levels that the recipe gives it,
and on a share of the steps the concept isolation loss asks that a second picture in the same frame stays as it is.
Several pictures may show one concept, or different ones, which joint learning sets side by side. Knows nothing of
banks.

Source: TokenVerse (arXiv:2501.12224).
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

from generator.directions import Direction
from generator.errors import OutOfMemory
from generator.even_steps import EvenSteps
from generator.flow import draw_sigmas, frozen
from generator.learning_loss import (
    Learner,
    LossWithGradients,
    NoisyBatch,
    flow_loss,
    isolation_loss,
    measure_losses,
)
from generator.learning_material import Material, OnPrepare, middle_half
from generator.learning_state import LearningState, load_checkpoint, save_checkpoint
from generator.learning_task import LearningTask, plan_learning
from generator.learnt import LearntDirections, LearntSource
from generator.loading import FluxModel
from generator.memory import said_of_memory
from generator.precision import attention_for_gradients, in_fast_arithmetic
from generator.predictors import make_predictor
from generator.recipe import (
    ConceptRequest,
    LearningError,
    LearningProgress,
    LearningRecipe,
    NoiseLevelLoss,
    SourcePicture,
)

logger = logging.getLogger(__name__)

OnStep = Callable[[LearningProgress], None]
OnPeek = Callable[[LearntDirections], None]
PEEK_AT = (0.1, 0.25, 0.5, 0.75)
"""Shares of all steps after which what is learnt so far is shown to whoever watches."""
_Option = TypeVar("_Option")


@contextmanager
def _told_of_memory() -> Iterator[None]:
    """Memory that runs out, as an error of ours."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = said_of_memory(error)
        if said is None:
            raise
        raise OutOfMemory(
            f"There is too little memory to learn with ({said}). What was learnt before is kept where there is a "
            "checkpoint. End other programs that use the GPU (nvidia-smi names them), or learn in smaller batches: "
            "--quick does."
        ) from error


@_told_of_memory()
def learn_concepts(
    model: FluxModel,
    picture: Image.Image,
    caption: str,
    concepts: Sequence[ConceptRequest],
    *,
    isolation_prompts: Sequence[str],
    recipe: LearningRecipe | None = None,
    paraphrases: Sequence[str] | None = None,
    more_sources: Sequence[SourcePicture] = (),
    cache_dir: Path | None = None,
    checkpoint_path: Path | None = None,
    on_prepare: OnPrepare | None = None,
    on_step: OnStep | None = None,
    on_peek: OnPeek | None = None,
) -> LearntDirections:
    """Directions for the words of captions that name concepts, learnt from their pictures.

    The model's weights are never changed. Where the processor is faster at bfloat16 than at the float32 of the model,
    directions are learnt on a copy of the transformer in bfloat16; they are float32 either way. The same arguments give
    the same result on the same machine, up to rounding, whether the run was interrupted and resumed or not.

    Args:
        model: Any Flux.1 model.
        picture: Scaled and cropped at its centre to the recipe's size.
        caption: What the picture shows; names every concept once by its word, or, with more sources, some of them.
        concepts: What is to be learnt. Every other word of the caption takes up what these do not explain.
        isolation_prompts: Captions of the pictures that must stay as they are, of which no more are drawn than there
            are steps; not used where the recipe's `isolation_fraction` is 0.
        recipe: Steps, rates, sizes, seed; None is `default_recipe` for the model.
        paraphrases: Other captions that name the concepts by the same words; None makes them from templates.
        more_sources: Further pictures of the same concepts, or of others of `concepts`, which have one direction
            whatever the number of their pictures.
        cache_dir: Folder that keeps the isolation pictures of this model; None draws them anew.
        checkpoint_path: File to go on from when it exists, and that is written every so many steps, at the end, and
            when the run is interrupted. It stays; delete it once the result is kept.
        on_prepare: Called before the first step with the number of pictures drawn so far to be shown beside the source,
            and of all of them. What it raises interrupts the run; pictures that are kept are not drawn again.
        on_step: Called after every step. Whatever it raises interrupts the run.
        on_peek: Called with what is learnt so far, its losses not measured, after `PEEK_AT` of the steps; may draw with
            the model, which changes nothing of what is learnt.

    Raises:
        ConceptNotMentioned, AmbiguousMention, CollidingConcepts, InvalidConcept: The captions do not name each concept
            once by a word of its own.
        PromptTooLong: The caption or a paraphrase has more tokens than the text encoder reads.
        TokenSpanError, DirectionMismatch: The tokenizer cannot tell a concept's word apart, or a paraphrase lacks it.
        InvalidSettings: The recipe's size or length is out of the model's range.
        UnsupportedModel: Which norms modulate the text is not known of the transformer's family.
        LearningError: No isolation caption fits, no two pictures can be learnt jointly, the checkpoint is not this
            run's, or the loss is no longer finite. Also `OutOfMemory`.
    """
    given = None if paraphrases is None else tuple(paraphrases)
    sources = (SourcePicture(picture=picture, caption=caption, paraphrases=given), *more_sources)
    task = plan_learning(model, sources, concepts, recipe=recipe, isolation_prompts=isolation_prompts)
    recipe, transformer = task.recipe, in_fast_arithmetic(model.pipeline.transformer)
    predictor = make_predictor(
        recipe,
        num_rows=task.num_rows,
        text_dim=transformer.config.joint_attention_dim,
        even_steps=EvenSteps.of(model.pipeline.transformer),
    )
    learner = Learner(transformer, predictor)
    pictures = [source.picture.convert("RGB") for source in sources]
    digest = task.digest(model, [each.tobytes() for each in pictures])
    keep = _Keeper(checkpoint_path, digest, every=recipe.checkpoint_every)
    state = keep.read(
        LearningState.start(*predictor.start(), stage1_steps=recipe.stage1_steps, device=transformer.device)
    )
    with frozen(transformer, gradient_checkpointing=bool(recipe.gradient_checkpointing)), attention_for_gradients():
        material = Material.prepare(model, task, pictures, cache_dir=cache_dir, on_prepare=on_prepare)

        def peek(now: LearningState) -> None:
            if on_peek is not None:
                on_peek(_learnt(model, task, sources, learner, material, now, is_whole=False))

        state = _run(learner, material, recipe, state, keep=keep, on_step=on_step, peek=peek)
        return _learnt(model, task, sources, learner, material, state)


def _learnt(
    model: FluxModel,
    task: LearningTask,
    sources: Sequence[SourcePicture],
    learner: Learner,
    material: Material,
    state: LearningState,
    *,
    is_whole: bool = True,
) -> LearntDirections:
    """What leaves: directions under each source's own caption, each concept's from the first source that names it.

    Its losses are measured only where learning is whole.
    """
    learnt_sources: list[LearntSource] = []
    directions: list[Tensor] = []
    for source, prepared in zip(sources, material.sources, strict=True):
        directions.append(learner.predictor.directions(state.learnt(), prepared.captions[0].words))
        losses: tuple[NoiseLevelLoss, ...] = ()
        if is_whole:
            losses = measure_losses(
                learner,
                prepared.captions[0],
                prepared.latents[0],
                directions[-1],
                concept_rows=task.concept_rows,
                batch_size=task.recipe.batch_size,
                seed=task.recipe.seed,
            )
        learnt_sources.append(
            LearntSource(
                picture=source.picture.convert("RGB"),
                caption=source.caption,
                losses=losses,
                paraphrases=source.paraphrases or (),
            )
        )
    source_of = {concept.id: task.source_of(concept.id) for concept in task.concepts}
    return LearntDirections(
        sources=tuple(learnt_sources),
        source_of=source_of,
        concepts=task.concepts,
        family=model.family.name,
        base_model=model.fingerprint,
        base_model_name=model.name,
        recipe=task.recipe,
        directions={
            concept_id: Direction(directions[source_of[concept_id]][list(rows)].float().cpu(), "activated")
            for concept_id, rows in task.rows.items()
        },
    )


@dataclass(frozen=True)
class _Keeper:
    """Where and how often the state is written down, and read again."""

    path: Path | None
    digest: str
    every: int

    def read(self, start: LearningState) -> LearningState:
        """The state that was written down; where there is none, the one to start from."""
        if self.path is None or not self.path.exists():
            return start
        state = load_checkpoint(start, self.path, task=self.digest)
        logger.info("learning resumed step=%d path=%s", state.step, self.path)
        return state

    def write(self, state: LearningState) -> None:
        if self.path is not None:
            save_checkpoint(state, self.path, task=self.digest)


def _run(
    learner: Learner,
    material: Material,
    recipe: LearningRecipe,
    state: LearningState,
    *,
    keep: _Keeper,
    on_step: OnStep | None,
    peek: Callable[[LearningState], None],
) -> LearningState:
    """All steps that are left; when one is interrupted, the state before it is written down."""
    peeks = {math.ceil(share * recipe.num_steps) for share in PEEK_AT}
    first_step, started = state.step, time.perf_counter()
    try:
        while state.step < recipe.num_steps:
            stage = state.stage
            state, flow, isolation = learning_step(learner, material, recipe, state)
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
            if state.step in peeks:
                peek(state)
    finally:
        keep.write(state)
    return state


def learning_step(
    learner: Learner, material: Material, recipe: LearningRecipe, state: LearningState
) -> tuple[LearningState, LossWithGradients, LossWithGradients | None]:
    """One step; what it draws at random follows from the seed and the step's number alone."""
    draw = _Draw(recipe, state)
    parameters = state.parameters()
    isolation = None
    if material.joint and draw.happens(recipe.joint_fraction):
        joint = draw.choose(material.joint)
        left, right = (draw.choose(material.sources[index].latents) for index in (joint.left, joint.right))
        batch = draw.noisy_batch(torch.cat([left, right], dim=3), recipe.isolation_batch_size, width_factor=1)
        flow = flow_loss(learner, joint.example, batch, parameters)
        gradients = flow.gradients
    else:
        source = draw.choose(material.sources)
        latents = draw.choose(source.latents)
        rows = draw.rows(material.concept_rows, source.alone)
        caption = draw.choose(source.captions).only(rows)
        flow = flow_loss(learner, caption, draw.noisy_batch(latents, recipe.batch_size, width_factor=1), parameters)
        gradients = flow.gradients
        if source.two_parts and draw.happens(recipe.isolation_fraction):
            example, source_weight = draw.choose(source.two_parts), recipe.two_part_source_weight
            if source.companions and draw.happens(recipe.companion_share):
                example, source_weight, latents = draw.choose(source.companions), 1.0, middle_half(latents)
            both = draw.noisy_batch(latents, recipe.isolation_batch_size, width_factor=2)
            isolation = isolation_loss(learner, example.only(rows), both, parameters, source_weight=source_weight)
            gradients = flow.plus(isolation, recipe.isolation_weight)
    rate = _learning_rate(learner.predictor.learning_rate, recipe, state)
    losses = [flow.loss] if isolation is None else [flow.loss, isolation.loss]
    if not all(map(math.isfinite, losses)) or not all(torch.isfinite(each).all() for each in gradients.values()):
        raise LearningError(
            f"The loss of step {state.step + 1} is {losses!r}, or a gradient of it is no number, so nothing more can "
            f"be learnt; what was learnt before stays. Choose a learning "
            f"rate below {learner.predictor.learning_rate!r}, or a wider dtype for the model than "
            f"{learner.transformer.dtype}."
        )
    state = state.updated(gradients, learning_rate=rate, weight_decay=recipe.weight_decay)
    return state, flow, isolation


def _learning_rate(first: float, recipe: LearningRecipe, state: LearningState) -> float:
    """Half a cosine from the first rate to zero within each stage."""
    start, length = (0, recipe.stage1_steps) if state.stage == 1 else (recipe.stage1_steps, recipe.stage2_steps)
    return first * 0.5 * (1 + math.cos(math.pi * (state.step - start) / length))


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

    def rows(self, concepts: frozenset[int], alone: Sequence[frozenset[int]]) -> frozenset[int] | None:
        """Table rows that have directions: None is those of all words, else of all concepts, or of one alone."""
        if not self.happens(self.recipe.concepts_alone_fraction):
            return None
        if alone and self.happens(self.recipe.one_alone_fraction):
            return self.choose(alone)
        return concepts

    def noisy_batch(self, latents: Tensor, batch_size: int, *, width_factor: int) -> NoisyBatch:
        """Noise and noise levels for a picture, or for the two-part picture that it is the left part of."""
        _, channels, height, width = latents.shape
        noise = torch.randn(batch_size, channels, height, width * width_factor, generator=self.generator)
        recipe = self.recipe
        of_stage = {1: recipe.stage1_high_noise_share, 2: recipe.stage2_high_noise_share}
        sigmas = draw_sigmas(
            self.generator,
            batch_size,
            split=recipe.noise_split,
            high_share=of_stage[self.stage],
            sigma_min=recipe.direction_sigma_min or 0.0,
        )
        return NoisyBatch(latents, noise.to(latents.device), sigmas.to(latents.device))
