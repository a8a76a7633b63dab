"""What is asked of workers and what they hand over, as both sides read it. Kept in the database as JSON."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from api.book_lock import BookLock, LockedModel, LockedPicture
from concepts.lexicon import Lexicon
from concepts.schema import BoundPrompt, ConceptCard, ConceptId
from generator.plan import Numbers
from generator.recipe import ConceptRequest
from generator.settings import MAX_STRENGTH, RenderSettings
from generator.slides import Slide
from story.design import Design
from story.limits import MAX_AGE, MAX_PAGES, MIN_AGE, MIN_PAGES
from story.schema import LanguageTag, Story, WholeNumber, as_whole

MAX_SEED = 2**32 - 1
MAX_IDEA_LENGTH = 2000
MAX_CAST = 8

Format = Literal["html", "epub", "epub-reflow", "pdf", "print-pdf"]
"""The keys of `story.editions.formats.EDITIONS`, which the server does without because making editions is heavy."""
Seed = Annotated[int, Field(ge=0, le=MAX_SEED, strict=True), BeforeValidator(as_whole)]
Strengths = Annotated[
    dict[ConceptId, Annotated[float, Field(allow_inf_nan=False, ge=-MAX_STRENGTH, le=MAX_STRENGTH, strict=True)]],
    # pydantic's own schema allows anything under other names.
    Field(json_schema_extra={"additionalProperties": False}),
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelInfo(_Frozen):
    """The picture model that the drawing workers have loaded."""

    model: LockedModel
    settings: RenderSettings
    """Its defaults."""
    lexicon: Lexicon | None = None
    """What it can draw, where it says so."""


class StoryWish(_Frozen):
    """A story as it is asked for."""

    idea: str = Field(max_length=MAX_IDEA_LENGTH)
    """What it is about, in any words."""
    cast: tuple[ConceptId, ...] = Field(default=(), max_length=MAX_CAST)
    """Concepts of the bank, the hero first; empty lets the writer choose."""
    pages: WholeNumber = Field(default=8, ge=MIN_PAGES, le=MAX_PAGES)
    """Pages beside the cover."""
    age: WholeNumber = Field(default=5, ge=MIN_AGE, le=MAX_AGE)
    """Of the child, in years."""
    language: LanguageTag = "en"
    second_language: LanguageTag | None = None
    """Told in this one too, side by side."""
    seed: Seed = 0


class BoundLook(_Frozen):
    """How a book is bound."""

    formats: tuple[Format, ...] = Field(default=("html",), min_length=1)
    """Editions."""
    design: Design = Design()


class BookLook(BoundLook):
    """How a book is drawn and bound."""

    strengths: Strengths = {}


class WritePayload(_Frozen):
    """Asks for a story, or for what a finished one is drawn by."""

    wish: StoryWish
    story: Story | None = None
    """One that is written already."""
    writer: str = ""
    """Who wrote it."""
    warnings: tuple[str, ...] = ()
    """What that one says of it."""
    strengths: Strengths = {}


class CastMember(_Frozen):
    """A concept that a book shows, as it was when the book's pictures were asked for."""

    card: ConceptCard
    direction_sha256: str
    portrait: str
    """Hash of its preview, a PNG."""


class Written(_Frozen):
    """A story, and what its pictures are drawn by."""

    story: Story
    writer: str
    lock: BookLock
    cast: tuple[CastMember, ...] = ()
    """Empty in books of earlier versions."""
    warnings: tuple[str, ...] = ()
    cost_usd: float | None = None


class DrawPayload(_Frozen):
    """Asks for one picture."""

    bound: BoundPrompt
    concepts: dict[str, str]
    """SHA-256 of the direction by concept id, as it was when the picture was asked for."""
    seed: Seed
    strengths: Strengths = {}
    slides: tuple[Slide, ...] = ()
    settings: RenderSettings | None = None
    """None is the model's defaults."""
    fingerprint: str | None = None
    """Of the model it has to be drawn with; None takes the one that is loaded."""
    numbers: Numbers | None = None
    """What the model is to compute in, by the book's lock; None, as in rows of earlier versions, is not known."""
    read_with: tuple[str, ...] = ()
    """Prompts of all pictures that are asked for together, this one's among them; empty in rows of earlier versions."""
    picture: int = 0
    """Which of the job's pictures it is, from 0."""
    num_pictures: int = 1

    def digest(self) -> str:
        """A hash of all that decides how the picture looks; who is drawn beside it is not among that."""
        place = {"read_with", "picture", "num_pictures"}
        return hashlib.sha256(self.model_dump_json(exclude=place).encode()).hexdigest()


class Artifact(_Frozen):
    """Something that was made, in the store."""

    sha256: str
    bytes: int
    media_type: str
    filename: str


class Drawn(_Frozen):
    """A picture."""

    artifact: Artifact
    width: int
    height: int
    seconds: float
    warnings: tuple[str, ...] = ()
    """What is not drawn of the prompt, and in which other numbers than its book's it was drawn."""


class BindPayload(_Frozen):
    """Asks for the editions of a book."""

    book_id: str
    story: Story
    lock: BookLock
    cast: tuple[CastMember, ...] = ()
    """Those of the lock's cast that are kept with the book."""
    look: BookLook
    pictures: tuple[str, ...]
    """Hashes of the cover's picture and the pages'."""


class Bound(_Frozen):
    """A book's files by name: editions by their format, pictures, and what the book is made of."""

    artifacts: dict[str, Artifact]


class PageDrawing(_Frozen):
    """A picture to draw for a page of a book."""

    page: str
    """Id of the page."""
    index: int
    """Where it stood when that was asked for."""
    picture: LockedPicture


class Binding(_Frozen):
    """A state of a book to make editions of."""

    state: dict[str, JsonValue]
    """A `BookState`."""
    look: BookLook
    pictures: tuple[str | None, ...]
    """Hashes by place; those that are None are drawn first."""


class PagesPayload(_Frozen):
    """Asks for pictures of a book that was made, for new editions of it, or for both."""

    lock: BookLock
    draw: tuple[PageDrawing, ...]
    binding: Binding | None = None


class DescribePayload(_Frozen):
    """Asks for a caption of a picture."""

    picture: str
    """Hash of the picture, a PNG."""


class Described(_Frozen):
    """A caption to learn by; None where nothing was recognized."""

    caption: str | None


class LearnPayload(_Frozen):
    """Asks for concepts of one picture."""

    picture: str
    """Hash of the source picture, a PNG."""
    caption: str = Field(max_length=MAX_IDEA_LENGTH)
    concepts: tuple[ConceptRequest, ...] = Field(min_length=1, max_length=MAX_CAST)
    steps: int | None = Field(default=None, ge=2, le=5000)
    """Learning steps altogether; None is the recipe's."""
    seed: Seed = 0
    replace: bool = False
    paraphrases: tuple[str, ...] | None = None
    """Other captions that name the concepts by the same words; None makes them from templates."""


class RewordPayload(_Frozen):
    """Asks for the caption of a picture in other words."""

    caption: str
    concepts: tuple[ConceptRequest, ...]
    """Those that are learnt from the picture."""


class Reworded(_Frozen):
    """What a language model made of a caption; None where templates have to."""

    paraphrases: tuple[str, ...] | None


def concepts_of(request: Mapping[str, Any]) -> frozenset[str]:
    """Ids of the concepts that a learning job was asked for, by whichever version."""
    return frozenset(concept["id"] for concept in request["learn"]["concepts"])


class Learnt(_Frozen):
    """Concepts that the bank has now."""

    concepts: tuple[str, ...]
