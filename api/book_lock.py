"""The lock of a book: all that decides how its pictures look, as a file beside them.

A lock is made before anything is drawn and is what drawing goes by, so that drawing again by the same lock gives the
same pictures. Knows nothing of drawing itself. The words of the book are not in it but in `story.json` beside it.
"""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import api
from api.errors import LockMismatch
from api.settings import Settings, WantedModel
from concepts.bank import ConceptBank
from concepts.binding import bind_concepts
from concepts.errors import FableverseError, WrongBaseModel
from concepts.schema import BoundPrompt, Concept, ConceptId, ConceptMention
from generator.plan import Numbers
from generator.settings import RenderSettings
from story.book import STORY_FILENAME
from story.schema import Scene, Story, StoryRequest

LOCK_FILENAME = "book.lock"
NUM_SEEDS = 2**32
"""After the last seed comes the first."""
_LIBRARIES = ("torch", "diffusers", "transformers")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LockedModel(_Frozen):
    """The picture model a book is drawn with."""

    source: str
    """What to load: "pocket", a folder or a hub id."""
    name: str
    """For people."""
    fingerprint: str
    """Of the weights that must come of loading `source`."""
    revision: str | None = None
    """Of what comes from the hub: a commit, or what was asked for in locks of earlier versions."""
    numbers: Numbers | None = None
    """What it computed with when drawing began; None in locks of earlier versions. Where memory runs out in the middle
    of a book, later pictures may be of others, of which a warning tells."""

    @property
    def identity(self) -> str:
        """Which weights these are, for people."""
        of_hub = "" if self.revision is None else f" of revision {self.revision}"
        return f"fingerprint {self.fingerprint[:12]}{of_hub}"


class LockedPicture(_Frozen):
    """One picture: what it is drawn from."""

    prompt: str
    seed: int = Field(ge=0)
    mentions: tuple[ConceptMention, ...]
    concepts: dict[str, str]
    """SHA-256 of the direction by concept id."""

    @model_validator(mode="after")
    def _mentions_fit(self) -> Self:
        if {mention.concept_id for mention in self.bound.mentions} != self.concepts.keys():
            raise ValueError(f"the concepts mentioned are not those listed, {sorted(self.concepts)!r}")
        return self

    def strengths_of(self, strengths: Mapping[str, float]) -> dict[str, float]:
        """Those of the concepts in this picture."""
        return {concept_id: strengths[concept_id] for concept_id in self.concepts if concept_id in strengths}

    @property
    def bound(self) -> BoundPrompt:
        """What the renderer takes."""
        return BoundPrompt(prompt=self.prompt, mentions=self.mentions)


class BookLock(_Frozen):
    """Everything that decides how a book's pictures look, and the versions of what drew them."""

    format: Literal["fableverse-book-1"] = "fableverse-book-1"
    idea: str
    writer: str
    """Who wrote the story, for people."""
    seed: int
    """The book's; each picture has its own, counted on from here."""
    age: int
    cast: tuple[str, ...]
    """Ids of the concepts that appear, the chosen ones first."""
    model: LockedModel
    settings: RenderSettings
    strengths: dict[ConceptId, Annotated[float, Field(allow_inf_nan=False)]] = {}
    """By concept id, for the concepts drawn with another strength than 1."""
    pictures: tuple[LockedPicture, ...] = Field(min_length=1)
    """The cover's, then one for each page."""
    versions: dict[str, str]
    """Those of the oldest pictures, where some have been drawn again since."""


def locked_model(lock: BookLock, settings: Settings) -> WantedModel:
    """The model that a lock was drawn with, to be drawn with as the settings say."""
    model = lock.model
    return replace(settings.wanted_model, source=model.source, revision=model.revision, numbers=model.numbers)


def moved_lock(lock: BookLock, *, source: str | None, revision: str | None) -> BookLock:
    """The lock with its model in another place, or at another revision; None leaves what it says.

    Its fingerprint stays, so only the same weights draw by it. A revision belongs to the place that it was named with.
    """
    model = lock.model
    if revision is None and source in (None, model.source):
        revision = model.revision
    new = model.model_copy(update={"source": source or model.source, "revision": revision})
    return lock.model_copy(update={"model": new})


def picture_file(index: int) -> str:
    """Where the picture of scene `index` lies in the book's folder; scene 0 is the cover."""
    return f"pages/page-{index:02}.png" if index else "pages/cover.png"


def make_lock(
    story: Story,
    request: StoryRequest,
    *,
    writer: str,
    bank: ConceptBank,
    model: LockedModel,
    settings: RenderSettings,
    strengths: Mapping[str, float],
) -> BookLock:
    """The lock of a new book: every scene bound to its concepts, with a seed of its own.

    Raises:
        ConceptError: A scene's concept is not in the bank or of another model, or its prompt does not name it once.
    """
    pictures = [
        locked_picture(scene, bank=bank, model=model, seed=(request.seed + index) % NUM_SEEDS)
        for index, scene in enumerate(story.scenes)
    ]
    on_stage = [concept_id for picture in pictures for concept_id in picture.concepts]
    chosen = [card.id for card in request.cast if card.id in on_stage]
    return BookLock(
        idea=request.idea,
        writer=writer,
        seed=request.seed,
        age=request.age,
        cast=tuple(dict.fromkeys(chosen + on_stage)),
        model=model,
        settings=settings,
        strengths={concept_id: strengths[concept_id] for concept_id in sorted(strengths.keys() & set(on_stage))},
        pictures=tuple(pictures),
        versions=current_versions(),
    )


def locked_picture(scene: Scene, *, bank: ConceptBank, model: LockedModel, seed: int) -> LockedPicture:
    """What a scene is drawn from.

    Raises:
        ConceptError: A concept is not in the bank or of another model, or the prompt does not name it once.
    """
    concepts = [bank.get(concept_id) for concept_id in scene.concepts]
    for concept in concepts:
        check_base_model(concept, model)
    bound = bind_concepts(scene.prompt, concepts)
    return LockedPicture(
        prompt=bound.prompt,
        seed=seed,
        mentions=bound.mentions,
        concepts={concept.id: concept.direction_sha256 for concept in concepts},
    )


def with_pictures(lock: BookLock, pictures: Sequence[LockedPicture]) -> BookLock:
    """The lock with other pictures; cast and strengths are of the concepts that are in one of them."""
    on_stage = [concept_id for picture in pictures for concept_id in picture.concepts]
    cast = [concept_id for concept_id in lock.cast if concept_id in on_stage]
    return lock.model_copy(
        update={
            "pictures": tuple(pictures),
            "cast": tuple(dict.fromkeys(cast + on_stage)),
            "strengths": {name: value for name, value in lock.strengths.items() if name in on_stage},
        }
    )


def check_base_model(concept: Concept, model: LockedModel) -> None:
    """Refuse a concept that a book's model cannot draw, before the model is loaded.

    Raises:
        WrongBaseModel: It was learnt on another model.
    """
    if concept.base_model != model.fingerprint:
        raise WrongBaseModel(
            f"Concept {concept.id!r} was learnt on {concept.base_model_name!r} ({concept.base_model[:12]}), but the "
            f"book is drawn with {model.name!r} ({model.fingerprint[:12]}); a direction has a meaning only on its own "
            "model. Leave the concept out, or learn it again on this one."
        )


def current_versions() -> dict[str, str]:
    """Versions of Fableverse and of the libraries that pictures depend on; none of them is imported."""
    return {"fableverse": api.__version__} | {name: importlib.metadata.version(name) for name in _LIBRARIES}


def read_lock(path: Path) -> tuple[BookLock, Story]:
    """A lock and the story beside it, whose words may have been edited but whose prompts may not.

    Raises:
        LockMismatch: One of the two is no such file, or they do not belong together.
        OSError: One of the two cannot be read.
    """
    lock, story = read_lock_only(path)
    if [scene.prompt for scene in story.scenes] != [picture.prompt for picture in lock.pictures]:
        raise LockMismatch(
            f"The prompts in {str(path.with_name(STORY_FILENAME))!r} are not those in {str(path)!r}: drawing again by "
            "a lock keeps every prompt. To draw what changed, use: fableverse book render and the book's folder."
        )
    return lock, story


def read_lock_only(path: Path) -> tuple[BookLock, Story]:
    """A lock and the story beside it, which may have been edited in any way.

    Raises:
        LockMismatch: One of the two is no such file.
        OSError: One of the two cannot be read.
    """
    story_path = path.with_name(STORY_FILENAME)
    try:
        lock = BookLock.model_validate_json(path.read_bytes())
    except (ValidationError, FableverseError) as error:
        raise LockMismatch(f"{str(path)!r} is no lock of a book: {error} Name the book.lock of a book.") from error
    try:
        story = Story.model_validate_json(story_path.read_bytes())
    except ValidationError as error:
        raise LockMismatch(f"{str(story_path)!r} is no story: {error} Correct or restore it.") from error
    return lock, story


def check_model(lock: BookLock, model: LockedModel) -> tuple[str, ...]:
    """Whether a model draws what the lock's drew; what may still differ is returned as warnings.

    Raises:
        LockMismatch: Its weights are others.
    """
    was = lock.model
    if model.fingerprint != was.fingerprint:
        raise LockMismatch(
            f"The book was drawn with {was.name!r}, {was.identity}, but what is loaded has {model.identity}: other "
            "weights draw other pictures. Use the model that drew it."
        )
    if was.numbers is None or model.numbers is None or was.numbers == model.numbers:
        return ()
    first, now = was.numbers.summary(), model.numbers.summary()
    return (f"Drawn in {first} first and in {now} now, as no plan for this machine has the former: pictures differ.",)


def check_lock(lock: BookLock, *, bank: ConceptBank, model: LockedModel) -> tuple[str, ...]:
    """Whether the pictures can be drawn again; what may still differ is returned as warnings.

    Raises:
        LockMismatch: The model or a concept is not the one the book was drawn with.
        ConceptError: A concept is missing in the bank or damaged.
    """
    warnings = check_model(lock, model)
    locked = {concept_id: digest for picture in lock.pictures for concept_id, digest in picture.concepts.items()}
    for concept_id, digest in locked.items():
        if bank.get(concept_id).direction_sha256 != digest:
            raise LockMismatch(
                f"Concept {concept_id!r} in {str(bank.folder)!r} is not the one the book was drawn with: it has been "
                "learnt again since. Put the earlier one back, or make a new book."
            )
    return warnings + version_warnings(lock)


def version_warnings(lock: BookLock) -> tuple[str, ...]:
    """What is installed in other versions than when the lock's first pictures were drawn."""
    current = current_versions()
    return tuple(
        f"Drawn with {name} {version} first and with {current.get(name, 'none')} now: pictures may differ slightly."
        for name, version in lock.versions.items()
        if current.get(name) != version
    )
