"""Slides: text-driven directions as a person asks for them, "rusty: fluffy fur - smooth fur = 1.5".

Needs no torch and no learning: a slide is two phrases, between whose embeddings a direction leads, what of the picture
it goes to, and how far. `generator/text_directions.py` makes the direction.
"""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from concepts.binding import Span, find_word
from concepts.errors import InvalidConcept
from concepts.schema import BoundPrompt
from generator.errors import InvalidSlide

EVERYTHING = "*"
FORM = "TARGET: MORE OF THIS - LESS OF THIS = WEIGHT"

_SLIDE = re.compile(r"\s*(?P<target>[^:]+?)\s*:\s*(?P<towards>\S.*?)\s+-\s+(?P<away>\S.*?)\s*=\s*(?P<weight>\S+)\s*")

Phrase = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Slide(BaseModel):
    """One text-driven direction on one target. Source: TokenVerse (arXiv:2501.12224), equation 2."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: Phrase
    """`EVERYTHING` for all text and image tokens (the space M); else the id of a concept of the prompt, or words that
    the prompt has once (the space M+)."""
    towards: Phrase
    away: Phrase
    weight: float = Field(allow_inf_nan=False)
    """Factor on the direction from `away` to `towards`; 0 is the picture without the slide."""


def parse_slide(text: str) -> Slide:
    """What a person writes: "rusty: fluffy fur - smooth fur = 1.5", or "*: sunset - daylight = 1.0".

    Raises:
        InvalidSlide: The text has another form.
    """
    match = _SLIDE.fullmatch(text)
    weight = _number(match["weight"]) if match else None
    if match is None or weight is None:
        raise InvalidSlide(
            f"The slide {text!r} {_fault(text)}. A slide is {FORM!r}, as in 'rusty: fluffy fur - smooth fur = 1.5', "
            f"with {EVERYTHING!r} as the target for the whole picture."
        )
    return Slide(target=match["target"], towards=match["towards"], away=match["away"], weight=weight)


def find_target(slide: Slide, bound: BoundPrompt) -> Span | None:
    """The characters of the prompt that a slide goes to; None is everything.

    Raises:
        InvalidSlide: The target is neither a concept of the prompt nor words that it has exactly once.
    """
    if slide.target == EVERYTHING:
        return None
    for mention in bound.mentions:
        if mention.concept_id == slide.target:
            return mention.start, mention.stop
    try:
        spans = find_word(bound.prompt, slide.target)
    except InvalidConcept:
        spans = ()
    if len(spans) != 1:
        concepts = ", ".join(mention.concept_id for mention in bound.mentions) or "none"
        times = f"{len(spans)} times" if spans else "nowhere"
        raise InvalidSlide(
            f"A slide goes to {slide.target!r}, which is no concept of the prompt (it has {concepts}) and stands "
            f"{times} in {bound.prompt!r}. Name a concept, words that stand there once, or {EVERYTHING!r} for all."
        )
    return spans[0]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _fault(text: str) -> str:
    """The first thing that keeps the text from being a slide."""
    target, colon, rest = text.partition(":")
    phrases, equals, weight = rest.rpartition("=")
    if not colon or not target.strip():
        return "names no target before a ':'"
    if not equals or _number(weight) is None:
        return "does not end in '=' and a number"
    if " - " not in phrases:
        return "lacks ' - ', with spaces around, between its two phrases"
    return "has an empty phrase beside ' - '"
