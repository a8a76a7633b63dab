"""TokenVerse and the steps towards it, all learnt by `generator.learning` with switches of its recipe."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from PIL import Image
from pydantic import JsonValue

from benchmarks.concepts.cases import BenchSource, Case
from benchmarks.concepts.protocol import Learnt, Workbench, draw_prompt
from generator.concept_guidance import guide_by_concepts
from generator.directions import Direction, DirectionBinding, build_token_rows
from generator.learning import learn_concepts
from generator.modulation_table import attach_table
from generator.recipe import ConceptRequest, LearningRecipe, SourcePicture
from generator.tokens import find_token_spans

JOINT_FRACTION = 0.3
"""Share of the steps that show two pictures side by side."""
Switch = Callable[[LearningRecipe], LearningRecipe]


@dataclass(frozen=True, kw_only=True)
class TokenVerse:
    """Directions per token, in the space M+."""

    name: str
    title: str
    source: str
    alone: str
    switch: Switch
    is_joint: bool = False
    augments: bool = True
    is_guided: bool = False
    rates: tuple[float, ...] = (0.3, 0.6, 0.15, 1.2)

    def settings(self, bench: Workbench) -> JsonValue:
        recipe = self.switch(_recipe(bench, rate=self.rates[0])).model_dump(mode="json", exclude={"seed"})
        return {"recipe": recipe, "general_prompts": list(bench.general_prompts)}

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        paraphrases = None if self.augments else ()
        pictures = [
            SourcePicture(picture=source.picture(), caption=source.caption, paraphrases=paraphrases)
            for source in sources
        ]
        recipe = self.switch(_recipe(bench, rate=rate))
        if len(sources) > 1 and self.is_joint:
            recipe = recipe.model_copy(update={"joint_fraction": JOINT_FRACTION})
        learnt = learn_concepts(
            bench.model,
            pictures[0].picture,
            pictures[0].caption,
            [ConceptRequest(id=c.id, word=c.word, kind=c.kind) for source in sources for c in source.concepts],
            isolation_prompts=bench.general_prompts,
            recipe=recipe,
            paraphrases=paraphrases,
            more_sources=pictures[1:],
            cache_dir=bench.cache_dir,
        )
        return {concept_id: direction.vectors for concept_id, direction in learnt.directions.items()}

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        model = bench.model
        directions = {name: Direction(vectors, "activated") for each in learnt for name, vectors in each.items()}
        text_len = model.defaults.max_sequence_length
        spans = find_token_spans(case.prompt, model.pipeline.tokenizer_2, max_sequence_length=text_len)
        bindings = [
            DirectionBinding(span.concept_id, span.concept_id, directions[span.concept_id], span.start, span.stop)
            for span in spans
        ]
        rows = build_token_rows([bindings], num_blocks=model.num_blocks, text_len=text_len, dim=model.dim)
        with ExitStack() as stack:
            attached = attach_table(
                model.pipeline.transformer,
                rows,
                schedule=lambda: model.pipeline.scheduler.timesteps,
                sigma_min=model.defaults.direction_sigma_min,
            )
            table = stack.enter_context(attached)
            if self.is_guided:
                stack.enter_context(guide_by_concepts(model.pipeline.transformer, table, **model.defaults.of_guidance))
            return draw_prompt(model, case.prompt.prompt, seeds)


def _recipe(bench: Workbench, *, rate: float) -> LearningRecipe:
    """The recipe of Fableverse with its shares of both stages, as long as all methods learn."""
    default, effort = LearningRecipe(), bench.effort
    stage1 = round(effort.steps * default.stage1_steps / default.num_steps)
    return default.model_copy(
        update={
            "stage1_steps": stage1,
            "stage2_steps": effort.steps - stage1,
            "batch_size": effort.batch_size,
            "isolation_batch_size": effort.pairs_batch_size,
            "learning_rate": rate,
            "direction_sigma_min": bench.model.defaults.direction_sigma_min,
            "seed": bench.seed,
        }
    )


def _shared(recipe: LearningRecipe) -> LearningRecipe:
    return recipe.model_copy(
        update={"stage1_steps": recipe.num_steps, "stage2_steps": 0, "isolation_fraction": 0.0},
    )


def _per_block(recipe: LearningRecipe) -> LearningRecipe:
    return recipe.model_copy(update={"isolation_fraction": 0.0})


def _complete(recipe: LearningRecipe) -> LearningRecipe:
    return recipe


def _concept_mod(recipe: LearningRecipe) -> LearningRecipe:
    return recipe.model_copy(
        update={"directions": "concept_mod", "concept_mod_learning_rate": recipe.learning_rate},
    )


def _no_flips(recipe: LearningRecipe) -> LearningRecipe:
    return recipe.model_copy(update={"flip": False})


_PAPER = "TokenVerse (arXiv:2501.12224), added behind SiLU and learnt in even steps"
TOKENVERSE = (
    TokenVerse(
        name="m_plus",
        alone="m_plus",
        title="M+, shared by blocks",
        source=f"{_PAPER}, Fig. 10b: the first stage and its noise levels alone.",
        switch=_shared,
    ),
    TokenVerse(
        name="m_plus_block",
        alone="m_plus_block",
        title="M+, per block",
        source=f"{_PAPER}, Fig. 10c.",
        switch=_per_block,
    ),
    TokenVerse(
        name="full",
        alone="full",
        title="TokenVerse",
        source=f"{_PAPER}, Fig. 10d: with isolation, whose steps learn the source beside other pictures too.",
        switch=_complete,
    ),
    TokenVerse(
        name="full_concept_mod",
        alone="full_concept_mod",
        title="TokenVerse, Concept-Mod",
        source=f"{_PAPER}, its network, of unstated size and rate, in place of a table.",
        switch=_concept_mod,
        rates=(0.001, 0.003, 0.0003),
    ),
    TokenVerse(
        name="full_no_aug",
        alone="full_no_aug",
        title="TokenVerse, no augmentation",
        source=f"{_PAPER}, Fig. 12: neither paraphrases nor flips.",
        switch=_no_flips,
        augments=False,
    ),
    TokenVerse(
        name="full_joint",
        alone="full",
        title="TokenVerse, joint",
        source=f"{_PAPER}, appendix F: all pictures of a case, some steps side by side.",
        switch=_complete,
        is_joint=True,
    ),
    TokenVerse(
        name="full_guided",
        alone="full",
        title="TokenVerse, guided",
        source=f"{_PAPER}, and drawn with guidance by concepts, which is not the paper's.",
        switch=_complete,
        is_guided=True,
    ),
)
