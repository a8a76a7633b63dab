"""What learning gives, and how it becomes concepts of a bank.

Knows how a concept's files are made; nothing of how directions are learnt.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from PIL import Image
from pydantic import JsonValue

from concepts.bank import ConceptBank, hash_direction
from concepts.binding import bind_concepts
from concepts.errors import UnknownConcept
from concepts.schema import Concept, ModelFamily
from generator.directions import Direction, save_direction
from generator.recipe import ConceptRequest, LearningRecipe, NoiseLevelLoss
from generator.renderer import OnPictureStep, OnStep, Renderer

MakeRenderer = Callable[[ConceptBank], Renderer]
"""Makes a renderer that knows the concepts of a bank; `functools.partial(FluxRenderer, model)` is one."""


@dataclass(frozen=True, kw_only=True)
class LearntSource:
    """A picture that was learnt from."""

    picture: Image.Image
    """RGB, as it was given."""
    caption: str
    losses: tuple[NoiseLevelLoss, ...]
    """On this picture, on noise that learning did not see."""
    paraphrases: tuple[str, ...] = ()
    """Captions that were given beside the caption; none where templates made them."""


@dataclass(frozen=True, kw_only=True)
class LearntDirections:
    """Directions of concepts, with all that their files say about them."""

    sources: tuple[LearntSource, ...]
    source_of: Mapping[str, int]
    """For each concept's id, the first source that shows it, which is the one its folder keeps."""
    concepts: tuple[ConceptRequest, ...]
    family: ModelFamily
    base_model: str
    """Fingerprint of the model."""
    base_model_name: str
    recipe: LearningRecipe
    directions: Mapping[str, Direction]
    """By concepts' ids, on the CPU; for all blocks together after a recipe without stage 2."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of all concepts."""
        return tuple(concept.word for concept in self.concepts)

    def source(self, concept_id: str) -> LearntSource:
        """The first source that shows a concept."""
        return self.sources[self.source_of[concept_id]]

    def direction(self, word: str) -> Direction:
        """The direction of a concept's word.

        Raises:
            UnknownConcept: Nothing was learnt for the word.
        """
        for concept in self.concepts:
            if concept.word == word:
                return self.directions[concept.id]
        raise UnknownConcept(
            f"Nothing was learnt for {word!r}: the words learnt are {list(self.words)!r}. Use one of these."
        )


def save_concepts(
    bank: ConceptBank,
    learnt: LearntDirections,
    *,
    make_renderer: MakeRenderer,
    preview_prompts: Mapping[str, str] | None = None,
    seed: int = 0,
    replace: bool = False,
    on_step: OnPictureStep | None = None,
) -> tuple[Concept, ...]:
    """Keep what was learnt as concepts of a bank, each with a preview drawn with it alone.

    All previews are drawn before the bank is touched.

    Args:
        bank: Gets one concept per direction.
        learnt: What `learn_concepts` returned.
        make_renderer: For the previews, on the model that the directions were learnt on.
        preview_prompts: For a concept's id, what its preview shows, naming its word once; the caption where none is
            given.
        seed: The previews' seed.
        replace: Whether concepts of the same ids are replaced.
        on_step: Called after each step of each preview; what it raises comes through, and the bank is as it was.

    Raises:
        ConceptExists, ForeignFiles: The bank cannot take one of the ids, as `ConceptBank.check_free` says.
        ConceptError: A preview prompt does not name its concept once.
        OSError: The bank cannot be written; it is as it was, but for concepts that were replaced.
    """
    for request in learnt.concepts:
        bank.check_free(request.id, replace=replace)
    prompts = preview_prompts or {}
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        staging, sources = _staged(learnt, work_dir)
        concepts = tuple(staging.get(request.id) for request in learnt.concepts)
        renderer = make_renderer(staging)
        previews: dict[str, Path] = {}
        for index, concept in enumerate(concepts):
            bound = bind_concepts(prompts.get(concept.id, concept.caption), [concept], beside=learnt.words)
            previews[concept.id] = work_dir / f"{concept.id}-preview.png"
            tell = None if on_step is None else partial(on_step, index)
            renderer.render(bound, seed=seed, on_step=tell).save(previews[concept.id])
        _add_all(bank, concepts, staging=staging, sources=sources, previews=previews, replace=replace)
    return concepts


def _add_all(
    bank: ConceptBank,
    concepts: Sequence[Concept],
    *,
    staging: ConceptBank,
    sources: Mapping[str, Path],
    previews: Mapping[str, Path],
    replace: bool,
) -> None:
    """All concepts, or none: where one cannot be added, those before it are taken back, unless they replaced others."""
    added: list[str] = []
    try:
        for concept in concepts:
            direction = staging.direction_path(concept.id)
            bank.add(
                concept, source=sources[concept.id], direction=direction, preview=previews[concept.id], replace=replace
            )
            added.append(concept.id)
    except OSError:
        for concept_id in () if replace else added:
            bank.remove(concept_id)
        raise


def draw_preview(
    learnt: LearntDirections,
    concept_id: str,
    *,
    make_renderer: MakeRenderer,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Image.Image:
    """The picture of a concept's caption drawn with it alone, as `save_concepts` makes its preview; keeps nothing.

    Args:
        learnt: What `learn_concepts` returned, or shows on the way.
        concept_id: One of its concepts.
        make_renderer: On the model that the directions were learnt on.
        seed: The picture's seed.
        on_step: Called after each step; what it raises comes through.
    """
    with tempfile.TemporaryDirectory() as folder:
        staging, _ = _staged(learnt, Path(folder))
        concept = staging.get(concept_id)
        bound = bind_concepts(concept.caption, [concept], beside=learnt.words)
        return make_renderer(staging).render(bound, seed=seed, on_step=on_step)


def _staged(learnt: LearntDirections, work_dir: Path) -> tuple[ConceptBank, Mapping[str, Path]]:
    """All concepts in a bank of their own, where a renderer finds them, and the files of their source pictures."""
    sources = {concept.id: work_dir / f"{concept.id}-source.png" for concept in learnt.concepts}
    staging = ConceptBank(work_dir / "bank")
    for request in learnt.concepts:
        learnt.source(request.id).picture.save(sources[request.id])
        _stage(staging, learnt, request, sources[request.id], work_dir)
    return staging, sources


def _stage(
    staging: ConceptBank, learnt: LearntDirections, request: ConceptRequest, source: Path, work_dir: Path
) -> None:
    """Put a concept into a bank of its own; the source stands in for the preview."""
    direction = work_dir / f"{request.id}.safetensors"
    save_direction(learnt.directions[request.id], direction)
    record: dict[str, JsonValue] = {
        **learnt.recipe.model_dump(mode="json"),
        "losses": [asdict(loss) for loss in learnt.source(request.id).losses],
        "learnt_with": [concept.id for concept in learnt.concepts],
        "words": list(learnt.words),
        "captions": [source.caption for source in learnt.sources],
    }
    if any(source.paraphrases for source in learnt.sources):
        record["paraphrases"] = [list(source.paraphrases) for source in learnt.sources]
    concept = Concept(
        **request.model_dump(),
        caption=learnt.source(request.id).caption,
        family=learnt.family,
        base_model=learnt.base_model,
        base_model_name=learnt.base_model_name,
        direction_sha256=hash_direction(direction),
        recipe=record,
    )
    staging.add(concept, source=source, direction=direction, preview=source)
