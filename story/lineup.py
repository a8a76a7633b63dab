"""Carries the line-up into every prompt, and checks that prompts keep to it.

What is settled once (looks, relative size, clothes, place) is put into a prompt where it lacks it; what contradicts it
is a problem for whoever wrote it. Knows no language model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from concepts.binding import find_word
from concepts.errors import InvalidConcept
from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard
from story.checks import Problem, free_mentions
from story.grammar import with_article
from story.schema import LineupMember

_PRONOUNS = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|himself|herself|itself|themselves|each other|one"
    r" another)\b",
    re.IGNORECASE,
)
_ASIDE = re.compile(r",|\b(?:and|with|of|in|on|over|under|that|from|made)\b")
"""Where the noun of a garment has been said: "a crown of leaves"."""
_ARTICLE_BEFORE = re.compile(r"\b(an?|the)\s+((?:(?!(?:an?|the|and)\b)[^\W\d_]+[\s-]+){0,4})$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class OnStage:
    """Who is in one picture, dressed how, and where."""

    members: tuple[LineupMember, ...]
    """`wears` is what each wears on this page."""
    place: str
    """As prompts say it; empty where the story does not settle it."""


def carry(prompt: str, concepts: Sequence[str], on_stage: OnStage, *, catalog: Sequence[ConceptCard], lexicon: Lexicon
          ) -> tuple[str, tuple[str, ...]]:  # fmt: skip
    """The prompt with looks, sizes, clothes and place that it leaves out, and the concepts with those that came in.

    A character of the bank has its looks from its concept, so nothing is said of them; sizes are said where two
    characters of different size are in the picture.
    """
    said = free_mentions(prompt, catalog)
    sizes = {member.size for member in on_stage.members}
    for member in on_stage.members:
        size = member.size if len(sizes) > 1 and member.size != "medium" else ""
        look = "" if member.concept else member.look
        prompt = _with_look(prompt, member.word, f"{size} {look}".split())
        prompt = _with_clothes(prompt, member, _garments(member.wears, catalog, lexicon))
    if on_stage.place and not _places_in(prompt, lexicon) and not _count(prompt, on_stage.place.split()[-1]):
        prompt = _with_place(prompt, on_stage.place, lexicon)
    for word in free_mentions(prompt, catalog).keys() - said.keys():
        concepts = (*concepts, next(card.id for card in catalog if card.word.casefold() == word))
    return prompt, tuple(concepts)


def check_lineup(
    prompt: str, concepts: Sequence[str], on_stage: OnStage, *, catalog: Sequence[ConceptCard], lexicon: Lexicon
) -> tuple[Problem, ...]:
    """Where a prompt does not keep to the line-up.

    Everybody on stage is named once by their word and nobody else of the bank is; no pronoun stands for anybody; no
    other clothes and no other place than settled.
    """
    problems = [
        Problem(code="absent-character", message=f"{member.name} is in this picture; say {member.word!r} exactly once")
        for member in on_stage.members
        if _count(prompt, member.word) != 1 or (member.concept is not None and member.concept not in concepts)
    ]
    expected = {member.concept for member in on_stage.members}
    for card in catalog:
        if card.kind == "character" and card.id in concepts and card.id not in expected:
            message = f"{card.name} is not in this picture by the outline; leave {card.word!r} and {card.id!r} out"
            problems.append(Problem(code="extra-character", message=message))
    if pronoun := _PRONOUNS.search(prompt):
        message = f"the prompt says {pronoun[0]!r}; name whom you mean"
        problems.append(Problem(code="pronoun", message=message))
    return (*problems, *_check_clothes(prompt, on_stage, lexicon), *_check_place(prompt, on_stage, lexicon))


def settled_place(place: str, lexicon: Lexicon) -> str:
    """A place as the picture model's prompts say it: a key or phrase of the lexicon in its form, any other as it is."""
    known = _places_in(place, lexicon)
    return lexicon.places[known[0]] if known else " ".join(place.split()).rstrip(".")


def _check_clothes(prompt: str, on_stage: OnStage, lexicon: Lexicon) -> list[Problem]:
    settled = " ".join(member.wears for member in on_stage.members)
    return [
        Problem(code="other-clothes", message=f"nobody in this picture wears {garment!r}; leave it out")
        for garment in lexicon.clothing
        if _count(prompt, garment) and not _count(settled, garment)
    ]


def _check_place(prompt: str, on_stage: OnStage, lexicon: Lexicon) -> list[Problem]:
    settled = _places_in(on_stage.place, lexicon)
    others = [place for place in _places_in(prompt, lexicon) if settled and place not in settled]
    message = f"the outline says {on_stage.place!r} for this page and the prompt {', '.join(others)!r}; keep the place"
    return [Problem(code="other-place", message=message)] if others else []


def _count(text: str, word: str) -> int:
    try:
        return len(find_word(text, word))
    except InvalidConcept:
        return text.lower().count(word.lower())


def _says(prompt: str, phrase: str) -> bool:
    return " ".join(phrase.lower().split()) in " ".join(prompt.lower().split())


def _places_in(text: str, lexicon: Lexicon) -> list[str]:
    """Keys of the lexicon's places that a text names."""
    return [key for key, phrase in lexicon.places.items() if _count(text, key) or (phrase and _says(text, phrase))]


def _with_look(prompt: str, word: str, adjectives: Sequence[str]) -> str:
    """The adjectives that are missing, before the word where it stands once."""
    spans = find_word(prompt, word) if adjectives else ()
    if len(spans) != 1:
        return prompt
    start, _ = spans[0]
    before, after = prompt[:start], prompt[start:]
    article = _ARTICLE_BEFORE.search(before)
    said = article[2].lower().replace("-", " ").split() if article else before.lower().split()[-4:]
    missing = [adjective for adjective in adjectives if adjective.lower() not in said]
    if not missing:
        return prompt
    if article is None:
        return f"{before}{' '.join(missing)} {after}"
    described = f"{' '.join(missing)} {article[2]}"
    named = f"the {described}" if article[1].lower() == "the" else with_article(described)
    return f"{before[: article.start()]}{named}{after}"


def _garments(wears: str, catalog: Sequence[ConceptCard], lexicon: Lexicon) -> list[str]:
    """Words by which a prompt says what somebody wears: garments that are known, else the noun of the first."""
    banked = [card.word for card in catalog if card.kind == "clothing"]
    known = [garment for garment in (*lexicon.clothing, *banked) if _count(wears, garment)]
    return known or _ASIDE.split(wears, maxsplit=1)[0].split()[-1:]


def _with_clothes(prompt: str, member: LineupMember, garments: Sequence[str]) -> str:
    """ "wearing …" behind the word, where the prompt says none of the garments that the character wears."""
    spans = find_word(prompt, member.word) if garments else ()
    if len(spans) != 1 or any(_count(prompt, garment) for garment in garments):
        return prompt
    stop = spans[0][1]
    return f"{prompt[:stop]} wearing {member.wears}{prompt[stop:]}"


def _with_place(prompt: str, place: str, lexicon: Lexicon) -> str:
    """The place before the light where the prompt ends in one, else at the end."""
    plain = prompt.rstrip(" .")
    for light in lexicon.lights.values():
        if light and plain.lower().endswith(light.lower()):
            return f"{plain[: -len(light)].rstrip()} {place} {plain[-len(light) :]}"
    return f"{plain} {place}"
