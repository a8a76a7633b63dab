"""How the studio shows words: a caption as words to choose from, a prompt as pieces of which some draw a concept."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from concepts.schema import ConceptMention

NUM_COLOURS = 8
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_NO_CONCEPTS = frozenset(
    "a an and are at be beside by for from has he her his in is it its of on or she the their them they to under "
    "wearing while who whose with".split()
)
_KIND_OF_ENDING = (("ing", "pose"),)
_KINDS: Mapping[str, str] = {
    "scarf": "clothing", "hat": "clothing", "glasses": "clothing", "coat": "clothing", "dress": "clothing",
    "moonlight": "lighting", "sunset": "lighting", "night": "lighting", "sunlight": "lighting", "lamplight": "lighting",
    "forest": "place", "beach": "place", "bedroom": "place", "snow": "place", "garden": "place", "street": "place",
    "boat": "object", "lantern": "object", "umbrella": "object", "ball": "object",
    "stripes": "material", "dots": "material", "wool": "material",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A word of a caption."""

    key: str
    """Which of the caption's words that are written like this, and the word: it stays when others come or go."""
    text: str
    """As the caption has it."""
    word: str
    """The word or words that name the concept."""
    is_chosen: bool
    is_likely: bool
    """Whether the word could name something that is seen."""
    kind: str
    """What it is, or probably is."""
    id: str
    """Its id, or one that is free."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a prompt."""

    text: str
    concept: str | None = None
    colour: int = 0


def choices_of(
    caption: str, chosen: Collection[str], taken: Collection[str], typed: Mapping[str, str] | None = None
) -> list[Choice]:
    """Every word of a caption, those chosen marked; ids that nobody typed differ from the taken ones and from others.

    Args:
        caption: What the picture shows.
        chosen: Keys of choices.
        taken: Ids that other concepts have.
        typed: What a form has for chosen words, under "id-", "word-" or "kind-" and a choice's key.
    """
    typed = typed or {}
    used = {*taken, *(typed[name] for name in (f"id-{key}" for key in chosen) if name in typed)}
    found: list[Choice] = []
    times: Counter[str] = Counter()
    for match in _WORD.finditer(caption):
        text, word = match[0], match[0].lower()
        times[word] += 1
        key = f"{times[word]}-{word}"
        given = typed if key in chosen else {}
        id_ = given.get(f"id-{key}") or _free_id(word, used)
        used.add(id_)
        found.append(
            Choice(
                key=key,
                text=text,
                word=given.get(f"word-{key}") or text,
                is_chosen=key in chosen,
                is_likely=word not in _NO_CONCEPTS,
                kind=given.get(f"kind-{key}") or _kind_of(word),
                id=id_,
            )
        )
    return found


def pieces_of(prompt: str, mentions: Sequence[ConceptMention], colours: Mapping[str, int]) -> list[Piece]:
    """The prompt in pieces, of which those that draw a concept say which."""
    pieces: list[Piece] = []
    end = 0
    for mention in mentions:
        if mention.start > end:
            pieces.append(Piece(text=prompt[end : mention.start]))
        colour = colours.get(mention.concept_id, 0) % NUM_COLOURS
        pieces.append(Piece(text=prompt[mention.start : mention.stop], concept=mention.concept_id, colour=colour))
        end = mention.stop
    if end < len(prompt):
        pieces.append(Piece(text=prompt[end:]))
    return pieces


def _free_id(word: str, used: set[str]) -> str:
    plain = "-".join(re.findall(r"[a-z0-9]+", word.lower())) or "concept"
    number, id_ = 1, plain
    while id_ in used:
        number += 1
        id_ = f"{plain}-{number}"
    return id_


def _kind_of(word: str) -> str:
    ending = next((kind for ending, kind in _KIND_OF_ENDING if word.endswith(ending)), "character")
    return _KINDS.get(word, ending)
