"""Chooses what a story's hero wears and holds, and what stands there: the cast first, then the idea, then the rest.

Knows no arc and nobody of the story.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard
from story.idea import Idea
from story.idea_props import PropWords, named_prop
from story.schema import StoryRequest

_LIGHT = "candle"
"""Held up in texts where no lantern is at hand; pictures do not show it."""


@dataclass(frozen=True, kw_only=True)
class Dress:
    """The things of one story, as prompts and texts call them; what there is none of is empty."""

    garment: str = ""
    """Worn by the hero wherever awake."""
    held: str = _LIGHT
    """In the hero's hand where a shot wants it: a light, as far as the texts know."""
    carried: str = ""
    """In the hero's hand wherever that one is awake, not in bed and has no other thing to hold."""
    found_garment: str = ""
    """Worn once it is found."""
    found_held: str = ""
    """Held once it is found."""
    pattern: str = ""
    """Of the hero's fur, on every page."""
    paint: str = ""
    """The pattern that the hero takes on where a shot wants it."""
    boat: str = ""
    standing: str = ""
    """What stands at home, beside whoever is there."""
    style: str = ""
    """What every picture is drawn in, as prompts say it: "in crayon style"."""


def choose_dress(request: StoryRequest, *, idea: Idea, lexicon: Lexicon) -> Dress:
    """What there is to wear and to hold in a story of this idea.

    What is lost is neither worn nor held before it is found. A thing that is a concept goes without colours; what is
    worn and is none has one, so that it is the same on every page.
    """
    words = PropWords.of(lexicon, request.catalog)
    told = idea.props
    materials, styles = _words("material", request.cast), _words("style", request.cast)
    patterns = [each for each in (*_words("material", request.catalog), *lexicon.patterns) if each != "plain"]
    pattern = _first(*materials, *(each for each in patterns if each in idea.hero.split(" ")))
    lost_garment = named_prop(idea.thing, words.clothing, words)
    lost_held = named_prop(idea.thing, words.held, words)
    things = _words("object", request.cast)
    held = [word for word in things if word in lexicon.held_objects]
    standing = [word for word in things if word not in lexicon.held_objects]
    cast_garment = _first(*_words("clothing", request.cast))
    banked_garment = "" if lost_garment else _first(*_words("clothing", request.catalog))
    told_garment = _dyed(_undyed(told.garment, request.catalog), lexicon, request)
    garment = _first(cast_garment, told_garment, banked_garment)
    is_worn = garment != "" and not _is_same(garment, lost_garment)
    carried = _first(*held, _undyed(told.held, request.catalog))
    light = _first(*lexicon.held_objects, _LIGHT)
    return Dress(
        garment=garment if is_worn else "",
        held=_LIGHT if _is_same(light, lost_held) else light,
        carried="" if _is_same(carried, lost_held) else carried,
        found_garment="" if is_worn else _undyed(lost_garment, request.catalog),
        found_held=_undyed(lost_held, request.catalog),
        pattern=pattern,
        paint="" if pattern else _first(*patterns),
        boat=_first(*(word for word in words.objects if word == "boat")),
        standing=_first(*standing, _undyed(told.thing, request.catalog)),
        style=f"in {styles[0].removesuffix(' style')} style" if styles else "",
    )


def _words(kind: str, cards: Sequence[ConceptCard]) -> list[str]:
    return [card.word for card in cards if card.kind == kind]


def _first(*words: str) -> str:
    """The first that is not empty."""
    return next((word for word in words if word), "")


def _is_same(thing: str, lost: str) -> bool:
    """Whether both phrases are about one noun: "blue hat" and "old hat"."""
    return thing != "" and lost != "" and thing.split(" ")[-1] == lost.split(" ")[-1]


def _dyed(garment: str, lexicon: Lexicon, request: StoryRequest) -> str:
    """The garment with a colour, where nothing is said of how it looks and no concept holds it steady."""
    is_learnt = any(card.word == garment for card in request.catalog)
    if garment not in lexicon.clothing or is_learnt or not lexicon.colours:
        return garment
    return f"{random.Random(request.seed).choice(lexicon.colours)} {garment}"


def _undyed(phrase: str, catalog: Sequence[ConceptCard]) -> str:
    """The phrase, or its noun alone where a concept says how that one looks, and without any other concept's words."""
    learnt = {card.word for card in catalog}
    noun = next((word for word in sorted(learnt, key=len, reverse=True) if f" {phrase}".endswith(f" {word}")), "")
    return noun or " ".join(word for word in phrase.split(" ") if word not in learnt)
