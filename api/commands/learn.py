"""`fableverse learn`: concepts of one picture or several, learnt and put into the bank."""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image
from pydantic import ValidationError

from api.console import Advance, Reporter
from api.errors import UsageError
from api.for_children import check_captions
from api.outcome import Outcome
from api.outlook import learning_plan_of
from api.rewording import Rewordings, kept_path, reword, reword_once
from api.settings import Settings
from api.writers import open_gate
from concepts.bank import ConceptBank
from concepts.distinct import give_distinct_words
from concepts.errors import ConceptError, ConceptExists
from concepts.pictures import open_picture
from concepts.schema import Concept, ConceptKind
from generator.caption_binding import bind_captions
from generator.isolation_files import clear_isolation
from generator.isolation_prompts import GENERAL_PROMPTS, prompts_from_lexicon
from generator.learning_plan import default_recipe
from generator.recipe import ConceptRequest, LearningProgress, LearningRecipe, SourcePicture

if TYPE_CHECKING:
    from generator.loading import FluxModel

WORK_DIRNAME = ".learning"
JOINT_FRACTION = 0.3
"""Share of the steps that see two pictures side by side with --joint. The paper states none; on Pocket, where nothing
blends, it changes nothing (benchmarks/blending.md)."""


def parse_concept(text: str) -> ConceptRequest:
    """What `--concept` says: "rusty=fox:character" is the id, the caption's word and the kind.

    Raises:
        UsageError: The text has another form or names no kind.
        InvalidConcept: The id or the word breaks the rules.
    """
    concept_id, separator, rest = text.partition("=")
    word, colon, kind = rest.rpartition(":")
    try:
        if not (separator and colon):
            raise UsageError(f"--concept {text!r} has no '=' or no ':'; write ID=WORD:KIND, as in rusty=fox:character.")
        return ConceptRequest.model_validate({"id": concept_id.strip(), "word": word.strip(), "kind": kind.strip()})
    except ValidationError as error:
        kinds = ", ".join(ConceptKind.__args__)
        raise UsageError(f"--concept {text!r} has the kind {kind!r}; a kind is one of {kinds}.") from error


def recipe_of(
    *,
    num_parameters: int,
    steps: int | None,
    seed: int,
    directions: Literal["table", "concept_mod"] = "table",
    joint: bool = False,
    quick: bool = False,
) -> LearningRecipe:
    """The model's recipe with what the command line changes, its two stages scaled to `steps` altogether.

    `quick` takes smaller batches and, where `steps` is None, fewer steps.

    Raises:
        UsageError: There are too few steps for both stages.
    """
    changes = {"seed": seed, "directions": directions, "joint_fraction": JOINT_FRACTION if joint else 0.0}
    recipe = default_recipe(num_parameters, quick=quick).model_copy(update=changes)
    if steps is None:
        return recipe
    if steps < 2:
        raise UsageError(f"--steps {steps} is too few: learning has two stages. Give at least 2.")
    first = max(1, min(steps - 1, round(steps * recipe.stage1_steps / recipe.num_steps)))
    return recipe.model_copy(update={"stage1_steps": first, "stage2_steps": steps - first})


def learn_from_pictures(
    pictures: Sequence[tuple[Path, str]],
    *,
    concepts: Sequence[ConceptRequest],
    bank: ConceptBank,
    recipe: LearningRecipe,
    distinct: bool,
    replace: bool,
    settings: Settings,
    reporter: Reporter,
) -> Outcome:
    """Learns concepts of pictures with captions; when interrupted the same command goes on where it stopped.

    Model and language model are the settings'.
    """
    model = settings.wanted_model
    opened = [open_picture(path) for path, _ in pictures]
    _check_ids(bank, concepts, replace=replace)
    texts = [caption for _, caption in pictures]
    bind_captions(*(_distinct(texts, concepts, taken=()) if distinct else (texts, concepts)))
    check_captions(texts, concepts, gate=open_gate(settings))
    reporter.note(f"Loading {model.source} …")
    from generator.flux_renderer import FluxRenderer  # loads torch, so only now
    from generator.learning import learn_concepts
    from generator.learning_task import with_readable_paraphrases
    from generator.learnt import save_concepts
    from generator.loading import load_model
    from generator.machine import look

    plan = learning_plan_of(model, look(), recipe)
    for warning in (reason for reason in plan.reasons if reason.startswith("warning")):
        reporter.note(warning.capitalize())
    loaded = load_model(model.source, revision=model.revision, plan=plan)
    prompts = GENERAL_PROMPTS if loaded.lexicon is None else prompts_from_lexicon(loaded.lexicon)
    captions, concepts = _tell_apart(texts, concepts, bank, loaded.fingerprint, distinct=distinct, reporter=reporter)
    work_dir = bank.folder / WORK_DIRNAME
    checkpoint_path = _checkpoint_path(work_dir, opened, captions, concepts, recipe, loaded.fingerprint)
    if checkpoint_path.exists():
        reporter.note("Going on where learning was interrupted.")
    ask = partial(_ask, captions, concepts, settings, bank, loaded, reporter)
    reworded = reword_once(checkpoint_path, captions, writer=settings.llm, ask=ask)
    first, *others = with_readable_paraphrases(loaded, _sources(opened, captions, reworded), concepts, recipe=recipe)
    try:
        with reporter.progress(recipe.num_steps) as advance:
            learnt = learn_concepts(
                loaded,
                first.picture,
                first.caption,
                concepts,
                isolation_prompts=prompts,
                recipe=recipe,
                paraphrases=first.paraphrases,
                more_sources=others,
                cache_dir=work_dir,
                checkpoint_path=checkpoint_path,
                on_prepare=partial(_report_prepared, advance),
                on_step=partial(_report, advance),
            )
    except KeyboardInterrupt:
        if checkpoint_path.exists():
            reporter.note(f"What is learnt is kept in {checkpoint_path}: run the same command to go on there.")
        raise
    reporter.note("Drawing the previews …")
    make_renderer = partial(FluxRenderer, loaded)
    kept = save_concepts(bank, learnt, make_renderer=make_renderer, seed=recipe.seed, replace=replace)
    checkpoint_path.unlink()
    kept_path(checkpoint_path).unlink(missing_ok=True)
    clear_isolation(work_dir)
    return Outcome(
        lines=tuple(f"Learnt {concept.id} ({concept.word}): {bank.folder / concept.id}" for concept in kept),
        data={"bank": str(bank.folder), "concepts": [concept.card().model_dump(mode="json") for concept in kept]},
    )


def _ask(
    captions: Sequence[str],
    concepts: Sequence[ConceptRequest],
    settings: Settings,
    bank: ConceptBank,
    loaded: "FluxModel",
    reporter: Reporter,
) -> Rewordings:
    """Other captions by the language model."""
    reporter.note(f"Rewording {'the caption' if len(captions) == 1 else 'the captions'} with {settings.llm} …")
    return reword(
        captions,
        concepts,
        settings=settings,
        bank=bank,
        lexicon=loaded.lexicon,
        max_tokens=loaded.defaults.max_sequence_length,
        warn=lambda warning: reporter.note(f"Note: {warning}"),
    )


def _sources(
    pictures: Sequence[Image.Image], captions: Sequence[str], reworded: Rewordings
) -> tuple[SourcePicture, ...]:
    return tuple(
        SourcePicture(picture=picture, caption=caption, paraphrases=others)
        for picture, caption, others in zip(pictures, captions, reworded, strict=True)
    )


def _checkpoint_path(
    work_dir: Path,
    pictures: Sequence[Image.Image],
    captions: Sequence[str],
    concepts: Sequence[ConceptRequest],
    recipe: LearningRecipe,
    fingerprint: str,
) -> Path:
    """Where the same request finds its checkpoint again."""
    task = [
        [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures],
        list(captions),
        [concept.model_dump() for concept in concepts],
        recipe.model_dump(),
        fingerprint,
    ]
    return work_dir / f"{hashlib.sha256(json.dumps(task).encode()).hexdigest()[:16]}.safetensors"


def _tell_apart(
    captions: Sequence[str],
    concepts: Sequence[ConceptRequest],
    bank: ConceptBank,
    fingerprint: str,
    *,
    distinct: bool,
    reporter: Reporter,
) -> tuple[tuple[str, ...], tuple[ConceptRequest, ...]]:
    """Captions and concepts with words of their own where that is asked for; else a note where it should be."""
    ids = {concept.id for concept in concepts}
    others = [other for other in _whole(bank) if other.base_model == fingerprint and other.id not in ids]
    if not distinct:
        for concept in concepts:
            if namesakes := [other.id for other in others if other.word.casefold() == concept.word.casefold()]:
                reporter.note(
                    f"Note: {concept.word!r} also names {', '.join(namesakes)}, and one prompt cannot have both. "
                    "Give --distinct to learn it under a word of its own."
                )
        return tuple(captions), tuple(concepts)
    captions, renamed = _distinct(captions, concepts, taken=[other.word for other in others])
    for concept, new in zip(concepts, renamed, strict=True):
        if new.word != concept.word:
            reporter.note(f"Note: {new.id} is learnt as {new.word!r}, because {concept.word!r} is taken.")
    return captions, renamed


def _whole(bank: ConceptBank) -> Iterator[Concept]:
    """The bank's concepts but for damaged ones, which are in nobody's way."""
    for concept_id in bank.ids():
        with suppress(ConceptError):
            yield bank.get(concept_id)


def _distinct(
    captions: Sequence[str], concepts: Sequence[ConceptRequest], *, taken: Collection[str]
) -> tuple[tuple[str, ...], tuple[ConceptRequest, ...]]:
    """Captions and concepts in which no two have one word, nor one that is taken."""
    found = give_distinct_words(captions, {concept.id: concept.word for concept in concepts}, taken=taken)
    return found.captions, tuple(concept.model_copy(update={"word": found.words[concept.id]}) for concept in concepts)


def _report_prepared(advance: Advance, num_ready: int, num_pictures: int) -> None:
    advance(0, "Drawing pictures that are to stay as they are", f", {num_ready} of {num_pictures}")


def _report(advance: Advance, progress: LearningProgress) -> None:
    advance(progress.step, f"Learning, stage {progress.stage} of 2", f", loss {progress.loss:.3f}")


def _check_ids(bank: ConceptBank, concepts: Sequence[ConceptRequest], *, replace: bool) -> None:
    """Refuse taken ids, and those that the bank has something else at, before any time is spent on learning."""
    taken = sorted({concept.id for concept in concepts} & set(bank.ids()))
    if taken and not replace:
        raise ConceptExists(
            f"The bank {str(bank.folder)!r} already has {', '.join(map(repr, taken))}, and ids are unique. "
            "Choose other ids, or give --replace."
        )
    for concept in concepts:
        bank.check_free(concept.id, replace=replace)
