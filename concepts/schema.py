"""What a concept is and what a prompt bound to concepts is: frozen values, checked when they are made.

Knows nothing of files, models or tensors: a direction appears here only as its hash.
"""

import re
import unicodedata
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema, model_validator

from concepts.errors import InvalidConcept

ConceptKind = Literal["character", "object", "clothing", "material", "place", "pose", "lighting", "style"]
ModelFamily = Literal["flux1", "flux2", "sd3", "qwen-image"]
"""Architectures of picture models; a direction has a meaning within one of them only."""

MAX_ID_LENGTH = 40
MAX_WORD_LENGTH = 40
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_WORD = re.compile(r"[^\W_]+(?:[ '’-][^\W_]+)*")


def check_concept_id(concept_id: str) -> str:
    """The id itself when it is a slug, so that an id can be a folder's name and never a path.

    Raises:
        InvalidConcept: It is longer than `MAX_ID_LENGTH` or no slug.
    """
    if len(concept_id) > MAX_ID_LENGTH or not _SLUG.fullmatch(concept_id):
        raise InvalidConcept(
            f"{concept_id!r} is no concept id: an id is lower-case letters and digits in groups joined by single "
            f"hyphens, at most {MAX_ID_LENGTH} characters. Choose one such as 'rusty' or 'night-sky'."
        )
    return concept_id


def check_word(word: str) -> str:
    """The word or words in composed Unicode form (NFC), so that equal words compare equal.

    Raises:
        InvalidConcept: It is longer than `MAX_WORD_LENGTH`, or anything but letters and digits, which single
            spaces, hyphens or apostrophes may join.
    """
    composed = unicodedata.normalize("NFC", word)
    if len(composed) > MAX_WORD_LENGTH or not _WORD.fullmatch(composed):
        raise InvalidConcept(
            f"{word!r} cannot name a concept: a name is one or more words of letters and digits, joined by single "
            f"spaces, hyphens or apostrophes, at most {MAX_WORD_LENGTH} characters. Use it as the caption writes it, "
            "for example 'fox' or 'straw hat'."
        )
    return composed


ConceptId = Annotated[
    str,
    AfterValidator(check_concept_id),
    WithJsonSchema({"type": "string", "pattern": f"^{_SLUG.pattern}$", "maxLength": MAX_ID_LENGTH}),
]
ConceptWord = Annotated[str, AfterValidator(check_word)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ConceptCard(_Frozen):
    """All of a concept that a language model may see."""

    id: ConceptId
    name: str
    word: ConceptWord
    kind: ConceptKind
    caption: str


class Concept(_Frozen):
    """One visual concept of the bank, without its files.

    An id or word against the rules raises `InvalidConcept`; any other bad field raises pydantic's error.
    """

    id: ConceptId
    word: ConceptWord
    """The word or words that name the concept in captions and prompts."""
    kind: ConceptKind
    caption: str = Field(min_length=1)
    """What the source picture shows, as it was given when the concept was learnt."""
    family: ModelFamily = "flux1"
    """Architecture of the model the direction was learnt on. Concepts of before there were several are FLUX.1's."""
    base_model: str = Field(min_length=1)
    """Fingerprint of the model the direction was learnt on; on any other it means nothing."""
    base_model_name: str = Field(min_length=1)
    """The same model as a person calls it, for messages."""
    direction_sha256: Sha256
    """Of the bytes of `direction.safetensors`."""
    recipe: dict[str, JsonValue]
    """How it was learnt: settings and seeds, for the record."""

    @property
    def name(self) -> str:
        """The id as a title: 'night-sky' is 'Night Sky'."""
        return " ".join(part.capitalize() for part in self.id.split("-"))

    def card(self) -> ConceptCard:
        """What a language model may see of this concept; neither recipe nor model nor hash."""
        return ConceptCard(id=self.id, name=self.name, word=self.word, kind=self.kind, caption=self.caption)


class ConceptMention(_Frozen):
    """Where a prompt names a concept: characters `[start, stop)` of the prompt, never empty."""

    concept_id: ConceptId
    start: int = Field(ge=0)
    stop: int

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.stop <= self.start:
            raise ValueError(f"mention of {self.concept_id!r} is empty: [{self.start}, {self.stop})")
        return self


class BoundPrompt(_Frozen):
    """A prompt and where it names its concepts.

    Mentions stand in the order of the prompt, inside it, without overlap, and each concept has one.
    """

    prompt: str
    mentions: tuple[ConceptMention, ...] = ()

    @model_validator(mode="after")
    def _mentions_fit(self) -> Self:
        end = 0
        for mention in self.mentions:
            if mention.start < end or mention.stop > len(self.prompt):
                raise ValueError(
                    f"mention of {mention.concept_id!r} at [{mention.start}, {mention.stop}) overlaps or is out of "
                    f"order, or reaches outside the prompt's {len(self.prompt)} characters"
                )
            end = mention.stop
        if len({mention.concept_id for mention in self.mentions}) < len(self.mentions):
            raise ValueError("a concept is mentioned twice")
        return self
