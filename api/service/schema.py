"""Requests and answers of the HTTP API, apart from the models they are made into and of."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.service.jobs import Job, JobKind, JobState
from api.service.payloads import BookLook, BoundLook, Seed, StoryWish, Strengths
from story.limits import MAX_PAGES
from story.schema import Story, WholeNumber, as_whole

MAX_PROMPT_LENGTH = 2000
MAX_PIXELS_A_SIDE = 2048
# Bounds stand within the union with None, or pydantic leaves them out of the schema.
Side = Annotated[int, Field(ge=16, le=MAX_PIXELS_A_SIDE, multiple_of=16, strict=True), BeforeValidator(as_whole)]
Guidance = Annotated[float, Field(ge=1, le=10, allow_inf_nan=False, strict=True)]
Steps = Annotated[int, Field(ge=1, le=100, strict=True), BeforeValidator(as_whole)]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SceneRequest(_Request):
    """Asks for one picture."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_LENGTH, examples=["a @rusty waving in the snow"])
    """What is drawn, concepts by their handles."""
    seed: Seed = 0
    strengths: Strengths = {}
    """How strongly concepts show, by id, 1 as learnt."""
    slides: tuple[str, ...] = Field(default=(), max_length=8, examples=[["rusty: fluffy fur - smooth fur = 1.5"]])
    """Text-driven directions."""
    width: Side | None = None
    """Pixels; by default what suits the model."""
    height: Side | None = None
    num_inference_steps: Steps | None = None
    concept_guidance_scale: Guidance | None = None
    """Strengthens what concepts do in the first steps, each of which then takes two passes: 1 is off, 2 doubles it; by
    default what suits the model."""


class StoryRequestBody(StoryWish):
    """Asks for a story."""


class BookRequest(StoryWish, BookLook):
    """Asks for a book: of an idea, or of a story that is written."""

    idea: str = Field(default="", max_length=2000)
    story: str | None = None
    """Id of a story, instead of an idea; it is drawn as it stands now, and what it was written by is left out here."""


class PageEdit(_Request):
    """Other words for one page."""

    page: WholeNumber = Field(ge=0, le=MAX_PAGES)
    """From 1; 0 is the cover."""
    text: str | None = Field(default=None, max_length=4000)
    second_text: str | None = Field(default=None, max_length=4000)
    """Of a bilingual story."""
    prompt: str | None = Field(default=None, max_length=MAX_PROMPT_LENGTH)
    """Its concepts are those whose words it has."""
    alt: str | None = Field(default=None, max_length=1000)


class StoryEdit(_Request):
    """What is to be otherwise in a story; what is left out stays."""

    title: str | None = Field(default=None, min_length=1, max_length=200)
    second_title: str | None = Field(default=None, min_length=1, max_length=200)
    """Of a bilingual story."""
    pages: tuple[PageEdit, ...] = Field(default=(), max_length=MAX_PAGES + 1)
    order: tuple[WholeNumber, ...] | None = None
    """The pages in their new order, each once, counted from 1; after the edits."""


class DrawRequest(_Request):
    """Asks for other pictures of a book's pages."""

    pages: tuple[str, ...] = Field(min_length=1, max_length=MAX_PAGES + 1, examples=[["p3"]])
    """Ids of pages."""
    candidates: WholeNumber = Field(default=1, ge=1, le=6)
    """How many of each."""


class BindRequest(_Request):
    """Asks for the editions of a book as it is now."""

    look: BoundLook | None = None
    """Another look or other editions than it has."""


class ImagesRequest(BaseModel):
    """OpenAI's request for images; its fields that mean nothing here are taken and have no effect."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_LENGTH)
    model: str | None = None
    n: WholeNumber = Field(default=1, ge=1, le=10)
    size: str | None = Field(default=None, pattern=r"^(auto|\d{2,4}x\d{2,4})$")
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png"] | None = None
    seed: Seed = 0
    """Not OpenAI's: send it as `extra_body`."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobAnswer(_Answer):
    """A job as it stands."""

    object: Literal["job"] = "job"
    id: str
    kind: JobKind
    status: JobState
    attempt: int
    progress: dict[str, Any]
    """Its stage, and how far it is in it."""
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    links: dict[str, str]

    @classmethod
    def of(cls, job: Job) -> Self:
        """What a job is told as."""
        place = f"/v1/jobs/{job.id}"
        made = {job.kind: PLACES[job.kind].format(job.subject)} if job.kind in PLACES else {}
        return cls(
            id=job.id,
            kind=job.kind,
            status=job.state,
            attempt=job.attempt,
            progress=job.progress,
            result=job.result,
            error=job.error,
            created_at=at(job.created_at),
            started_at=at(job.started_at) if job.started_at is not None else None,
            completed_at=at(job.finished_at) if job.finished_at is not None else None,
            links={"self": place, "events": f"{place}/events", "cancel": f"{place}/cancel"} | made,
        )


PLACES: dict[JobKind, str] = {
    "scene": "/v1/scenes/{}",
    "book": "/v1/books/{}",
    "story": "/v1/stories/{}",
    "concept": "/v1/concepts/{}",
    "pages": "/v1/books/{}/pages",
}
"""Where what a job makes is found; a caption is in the job's result."""


class SceneAnswer(_Answer):
    """A picture."""

    object: Literal["scene"] = "scene"
    id: str
    job: str
    prompt: str
    created_at: datetime
    width: int | None
    height: int | None
    sha256: str | None
    warnings: tuple[str, ...]
    """What of the prompt is not in the picture, since the model reads no further; empty until it is drawn."""
    links: dict[str, str]
    """`picture` is there once it is drawn."""


class StoryAnswer(_Answer):
    """A story."""

    object: Literal["story"] = "story"
    id: str
    job: str
    version: int
    """Counts edits; 0 until it is written."""
    story: Story | None
    writer: str | None
    warnings: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    links: dict[str, str]


class FileAnswer(_Answer):
    """A file of a book."""

    href: str
    filename: str
    media_type: str
    bytes: int
    sha256: str


class BookAnswer(_Answer):
    """A book."""

    object: Literal["book"] = "book"
    id: str
    job: str
    story: str
    title: str | None
    created_at: datetime
    files: dict[str, FileAnswer]
    """By name: editions, pictures ("cover", "page-1"), "story", "lock"; empty until it is bound."""
    links: dict[str, str]


class CandidateAnswer(_Answer):
    """A picture that was drawn for a page as it is now."""

    seed: int
    href: str
    is_taken: bool


class PageAnswer(_Answer):
    """A page of a book as it is edited."""

    id: str
    """"cover", or one that stays with the page wherever it is moved to."""
    text: str
    second_text: str
    """Empty where the story has no second language."""
    prompt: str
    alt: str
    concepts: tuple[str, ...]
    is_locked: bool
    is_drawn: bool
    """Whether its picture was drawn as it is wanted now."""
    candidates: tuple[CandidateAnswer, ...]


class PagesAnswer(_Answer):
    """The pages of a book as they are edited, the cover first."""

    object: Literal["pages"] = "pages"
    book: str
    version: int
    title: str
    second_title: str
    """Empty where the story has no second language."""
    pages: tuple[PageAnswer, ...]
    undo: str | None
    """What an undo would take back."""
    redo: str | None
    is_bound: bool
    """Whether the book's files show it as it is now."""


class ConceptAnswer(_Answer):
    """A concept of the bank."""

    object: Literal["concept"] = "concept"
    id: str
    name: str
    word: str
    kind: str
    caption: str
    base_model: str
    links: dict[str, str]


class Listing(_Answer):
    """A part of a list, the latest first."""

    object: Literal["list"] = "list"
    data: tuple[Any, ...]
    has_more: bool
    next: str | None
    """What to give as `after` for the next part."""


class ConceptListing(Listing):
    """All concepts."""

    damaged: tuple[str, ...]
    """Names of those that cannot be used, since their files are damaged. Delete them and learn them again,
    or, where a name is none of a concept, have the folder taken out of the bank."""


class ImageData(_Answer):
    """One image, as OpenAI tells it."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class ImagesAnswer(_Answer):
    """OpenAI's answer with images."""

    created: int
    data: tuple[ImageData, ...]
    output_format: Literal["png"] = "png"


def at(seconds: float) -> datetime:
    """A time of the database."""
    return datetime.fromtimestamp(seconds, tz=UTC)
