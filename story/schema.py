"""The words of a book: what is asked for, what is written, what each picture shall show.

Knows nothing of language models, pictures or HTML. All models are frozen and refuse unknown fields.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from concepts.schema import ConceptCard
from story.languages import TAG_PATTERN, Direction, check_language, direction_of
from story.limits import MAX_AGE, MAX_PAGES, MIN_AGE, MIN_PAGES


def as_whole(value: object) -> object:
    """7 for 7.0, which JSON does not tell apart; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


LanguageTag = Annotated[
    str, AfterValidator(check_language), WithJsonSchema({"type": "string", "pattern": f"^{TAG_PATTERN}$"})
]
"""BCP 47."""
WholeNumber = Annotated[int, Field(strict=True), BeforeValidator(as_whole)]
"""What JSON Schema calls an integer: 7 or 7.0, and neither "7" nor true."""


class Scene(BaseModel):
    """One picture: what is drawn, which concepts it shows, and what a listener is told of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    """What the picture model is given; names each listed concept's word exactly once."""
    concepts: tuple[str, ...] = ()
    """Ids of the concepts on stage."""
    alt: str
    """The picture described for somebody who cannot see it; never the prompt."""


class SpokenLine(BaseModel):
    """What somebody says on a page, beside the page's text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    speaker: str
    """Id of the concept who says it."""
    text: str = Field(min_length=1)
    """The words alone, without quotes."""


class Page(BaseModel):
    """The words that are read aloud on one page, and its picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    """Plain text, never markup; a blank line separates paragraphs."""
    second_text: str = ""
    """The same in the story's second language, with as many paragraphs; empty where the story has none."""
    speech: tuple[SpokenLine, ...] = ()
    """Said after the text, in this order: in balloons where the layout has them, else as lines under the text."""
    scene: Scene


class LineupMember(BaseModel):
    """Somebody of the story, settled once: who, how it looks, how tall beside the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """As the texts call it, in the story's language."""
    word: str
    """The noun that draws it, in the picture model's language: "fox"."""
    concept: str | None = None
    """Id of the concept that holds its looks; None where `look` must say them."""
    look: str = ""
    """Adjectives that prompts put before the word: "small red"."""
    size: Literal["small", "medium", "big"] = "medium"
    """Beside the others; said in prompts when two of different size are in one picture."""
    pronoun: Literal["she", "he", "it", "they"] = "they"
    wears: str = ""
    """With its article, in the picture model's language: "a scarf"; what a page changes is not in it."""


class Story(BaseModel):
    """A whole book in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    language: LanguageTag = "en"
    """Of title, texts and alt texts; prompts are always in the picture model's language."""
    second_language: LanguageTag | None = None
    """Of a bilingual story's second title and second texts; None for a story in one language."""
    second_title: str = ""
    lineup: tuple[LineupMember, ...] = ()
    """Everybody who is drawn, where the writer settled it."""
    cover: Scene
    pages: tuple[Page, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _second_language_is_whole(self) -> Self:
        second = [self.second_title, *(page.second_text for page in self.pages)]
        if self.second_language is None and any(second):
            raise ValueError("there are texts in a second language, but second_language is not set; set it")
        if self.second_language is not None and not all(text.strip() for text in second):
            raise ValueError(f"the title or a page has no text in the second language, {self.second_language!r}")
        if self.second_language == self.language:
            raise ValueError(f"first and second language are both {self.language!r}; leave the second out")
        return self

    @property
    def direction(self) -> Direction:
        """Which way title, texts and alt texts are written."""
        return direction_of(self.language)

    @property
    def second_direction(self) -> Direction | None:
        """Which way the second title and texts are written; None for a story in one language."""
        return direction_of(self.second_language) if self.second_language else None

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The cover's scene, then every page's, in reading order."""
        return (self.cover, *(page.scene for page in self.pages))


class StoryRequest(BaseModel):
    """What a person asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    idea: str
    """Any text in any language, taken as data; may be empty."""
    cast: tuple[ConceptCard, ...] = ()
    """Concepts the person chose, the hero first; empty lets the writer choose from the catalog."""
    catalog: tuple[ConceptCard, ...] = ()
    """Every concept of the bank, the cast included."""
    pages: int = Field(default=8, ge=MIN_PAGES, le=MAX_PAGES)
    """Pages beside the cover."""
    age: int = Field(default=5, ge=MIN_AGE, le=MAX_AGE)
    """Age of the child in years."""
    language: LanguageTag = "en"
    """The story is told in it."""
    second_language: LanguageTag | None = None
    """Told in this one too, page by page beside the first; None is a story in one language."""
    seed: int = Field(default=0, ge=0)
    speech: bool = False
    """Whether what characters say is wanted apart from the texts, for balloons."""

    @model_validator(mode="after")
    def _cast_is_in_catalog(self) -> Self:
        known = {card.id for card in self.catalog}
        for card in self.cast:
            if card.id not in known:
                raise ValueError(f"concept {card.id!r} is cast but not in the bank; add it or leave it out")
        if len({card.id for card in self.cast}) < len(self.cast):
            raise ValueError(f"the cast names a concept twice: {[card.id for card in self.cast]!r}; name each once")
        if self.second_language == self.language:
            raise ValueError(f"first and second language are both {self.language!r}; leave the second out")
        return self


class Reply(BaseModel):
    """One answer of a language model as it came, kept so that a book can be explained and made again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str = ""
    """What was asked for: "outline", "texts", "scenes", "alts", or one of them "again"."""
    raw: str
    """The answer's text; empty when the model answered nothing."""
    problem: str = ""
    """Why the answer was not what was asked for; empty when it was."""
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost_usd: float | None = Field(default=None, ge=0)
    """What the call cost; None where the model's price is not known."""
    seconds: float = Field(default=0, ge=0)


class WrittenStory(BaseModel):
    """What a writer hands over: the story, and how it came about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    story: Story
    warnings: tuple[str, ...] = ()
    """What a person should know, such as pages that the built-in storyteller had to fill."""
    replies: tuple[Reply, ...] = ()
    """Every answer of the language model, in order; empty for the built-in storyteller."""


class Box(BaseModel):
    """A rectangle on a picture, in widths of the picture from its upper left corner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    left: float
    top: float
    right: float
    bottom: float


class Face(BaseModel):
    """Where a picture shows a character's face, so that nothing covers it and balloons point at it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concept: str
    box: Box
