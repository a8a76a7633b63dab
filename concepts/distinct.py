"""Gives concepts that have the same word, such as two dolls, words of their own, and rewrites captions to say them.

The second of two dolls is named "second doll", which says the same and changes nothing of what is seen. Knows nothing
of models; the new words are what is learnt, and what prompts say from then on.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from concepts.binding import Span, find_words
from concepts.errors import CollidingConcepts
from concepts.schema import check_word

ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


@dataclass(frozen=True)
class DistinctWords:
    """Captions and words in which no two concepts share a word."""

    captions: tuple[str, ...]
    words: dict[str, str]
    """By concept id."""


def give_distinct_words(
    captions: Sequence[str], words: Mapping[str, str], *, taken: Collection[str] = ()
) -> DistinctWords:
    """Rename concepts whose word is taken already, by another of `words` or by one of `taken`.

    Where several concepts have one word, they are named by its occurrences in the captions, in order: the first concept
    by the first occurrence, and so on. A concept that is alone with its word is meant by all of its occurrences.

    Raises:
        CollidingConcepts: Several concepts share a word that the captions do not have just as often, so that nobody
            can tell which is where; or there are more of them than `ORDINALS` can name.
        InvalidConcept: A new word is too long.
    """
    used = {_fold(word) for word in taken}
    named: dict[str, str] = {}
    for concept_id, word in words.items():
        named[concept_id] = _free_word(word, used)
        used.add(_fold(named[concept_id]))
    groups: dict[str, list[str]] = {}
    for concept_id, word in words.items():
        groups.setdefault(_fold(word), []).append(concept_id)
    once = {folded: words[concept_ids[0]] for folded, concept_ids in groups.items()}
    found = [find_words(text, once) for text in captions]
    replaced: list[list[tuple[Span, str]]] = [[] for _ in captions]
    for folded, concept_ids in groups.items():
        word = once[folded]
        spans = [(index, span) for index, of_text in enumerate(found) for span in of_text[folded]]
        if len(concept_ids) > 1 and len(spans) != len(concept_ids):
            raise CollidingConcepts(
                f"Concepts {', '.join(map(repr, concept_ids))} share the word {word!r}, which the captions have "
                f"{len(spans)} times: to tell them apart, each needs one occurrence, in their order. Reword the "
                "captions."
            )
        for place, (index, span) in enumerate(spans):
            new = named[concept_ids[place if len(concept_ids) > 1 else 0]]
            if _fold(new) != folded:
                replaced[index].append((span, new))
    texts = [_reword(text, changes) for text, changes in zip(captions, replaced, strict=True)]
    return DistinctWords(tuple(texts), named)


def _free_word(word: str, used: Collection[str]) -> str:
    if _fold(word) not in used:
        return word
    for ordinal in ORDINALS:
        if _fold(f"{ordinal} {word}") not in used:
            return check_word(f"{ordinal} {word}")
    raise CollidingConcepts(
        f"There are {len(ORDINALS) + 1} concepts of the word {word!r} already, and no more can be told apart. "
        "Learn this one under another word."
    )


def _reword(text: str, changes: Sequence[tuple[Span, str]]) -> str:
    """The text with other words in some spans, and the articles before them made to agree."""
    for (start, stop), word in sorted(
        changes, reverse=True
    ):  # from the last, so that earlier spans stay where they are
        before, after = text[:start], text[stop:]
        for wrong, right in (("an ", "a "), ("An ", "A ")):
            if before.endswith(wrong) and (before == wrong or before[-len(wrong) - 1].isspace()):
                before = before.removesuffix(wrong) + right
        text = f"{before}{word}{after}"
    return text


def _fold(word: str) -> str:
    return word.casefold().replace("’", "'")
