"""Finds the words of a prompt that name concepts, and gives their exact character spans.

A mention is a whole word in any case: neither "foxes" nor "fox-like" mentions "fox", but "fox's" does, by its first
three characters. Knows nothing of tokens or models; `generator/tokens.py` turns the spans into tokens.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from concepts.bank import ConceptBank
from concepts.errors import AmbiguousMention, CollidingConcepts, ConceptNotMentioned, InvalidConcept, UnknownConcept
from concepts.schema import BoundPrompt, Concept, ConceptMention, check_word

Span = tuple[int, int]
"""Characters `[start, stop)` of a prompt."""

_HANDLE = re.compile(r"(?<![\w@])@(\w+(?:-\w+)*)")


def bind_concepts(
    prompt: str,
    concepts: Sequence[Concept],
    *,
    occurrences: Mapping[str, int] | None = None,
    beside: Collection[str] = (),
) -> BoundPrompt:
    """The prompt, unchanged, with the place where it names each concept, whatever their order.

    A word inside a longer word of another concept is not a mention: with "hat" and "straw hat" in the bank,
    "a straw hat" mentions only the latter. A space in a word stands for any white space.

    Args:
        prompt: The text that the text encoders will be given.
        concepts: Those that the prompt names, each once.
        occurrences: For a concept's id, which of the mentions of its word is meant, counted from 0 at the left;
            needed where there are several.
        beside: Words of concepts that the prompt may name too and that are not bound; inside them nothing is a mention.

    Raises:
        CollidingConcepts: Two concepts have the same word, or all that is found of one lies inside or across
            what is found of another.
        ConceptNotMentioned: The prompt lacks a concept's word, or has it less often than `occurrences` says.
        AmbiguousMention: The prompt has the word several times and `occurrences` does not say which.
        UnknownConcept: `occurrences` speaks of a concept that is not among `concepts`.

    Example:
        "Rusty the fox's hat" with a concept of the word "fox" gives the span [10, 13).
    """
    wanted = occurrences or {}
    _check_words_differ(concepts)
    _check_known(wanted, concepts)
    others = {f"beside {number}": word for number, word in enumerate(beside)}
    found = find_words(prompt, {concept.id: concept.word for concept in concepts} | others)
    spans: dict[str, Span] = {}
    for concept in concepts:
        if not found[concept.id] and find_word(prompt, concept.word):
            raise CollidingConcepts(
                f"In the prompt {prompt!r} the word {concept.word!r} of concept {concept.id!r} occurs only inside "
                "another concept's words: each concept needs words of its own. Leave one of the two out, or reword."
            )
        spans[concept.id] = _choose(prompt, concept, found[concept.id], wanted.get(concept.id))
    return _bound(prompt, spans)


def find_word(prompt: str, word: str) -> tuple[Span, ...]:
    """Spans of all whole-word occurrences of a word or words in any case, from left to right.

    Letters match in composed and in decomposed Unicode form, so a span may be longer than the word. Overlapping
    occurrences are all given.
    """
    pattern = "".join(_character_pattern(character) for character in check_word(word))
    matches = re.finditer(f"(?=({pattern}))", prompt, re.IGNORECASE)
    return tuple(match.span(1) for match in matches if _is_whole_word(prompt, *match.span(1)))


def find_words(prompt: str, words: Mapping[str, str]) -> dict[str, tuple[Span, ...]]:
    """Spans of several words under their keys, each as in `find_word`, but none inside another's."""
    found = {key: find_word(prompt, word) for key, word in words.items()}
    every = {span for spans in found.values() for span in spans}
    return {
        key: tuple(span for span in spans if not any(_is_inside(span, outer) for outer in every))
        for key, spans in found.items()
    }


def expand_handles(prompt: str, bank: ConceptBank) -> BoundPrompt:
    """The prompt with each handle replaced by its concept's word and bound to just that word.

    "a @rusty waving" becomes "a fox waving". A handle is `@` and an id in any case, where no letter or digit
    stands before the `@`; all else stays as it is, and the same word elsewhere in the prompt stays unbound.

    Raises:
        UnknownConcept: The bank has no such concept; the message lists similar ids.
        AmbiguousMention: One handle stands there twice.
        CollidingConcepts: Two handles' concepts have the same word.
        DamagedConcept: The bank's files for a concept are damaged.
    """
    concepts: list[Concept] = []
    spans: dict[str, Span] = {}
    expanded = ""
    end = 0
    for match in _HANDLE.finditer(prompt):
        concept = _of_handle(match[1], bank)
        if concept.id in spans:
            raise AmbiguousMention(
                f"The prompt {prompt!r} names @{concept.id} twice: a concept is bound to one place in a picture. "
                "Name it once, and write 'it' or another word the second time."
            )
        expanded += prompt[end : match.start()]
        spans[concept.id] = (len(expanded), len(expanded) + len(concept.word))
        expanded += concept.word
        end = match.end()
        concepts.append(concept)
    _check_words_differ(concepts)
    return _bound(expanded + prompt[end:], spans)


def _bound(prompt: str, spans: Mapping[str, Span]) -> BoundPrompt:
    """The bound prompt, its mentions in the order of the prompt."""
    ordered = sorted((span, concept_id) for concept_id, span in spans.items())
    for ((_, stop), first), ((start, _), second) in zip(ordered, ordered[1:], strict=False):
        if start < stop:
            raise CollidingConcepts(
                f"In the prompt {prompt!r} the words of concepts {first!r} and {second!r} overlap: each concept needs "
                "words of its own. Leave one of the two out, or reword."
            )
    mentions = (ConceptMention(concept_id=concept_id, start=start, stop=stop) for (start, stop), concept_id in ordered)
    return BoundPrompt(prompt=prompt, mentions=tuple(mentions))


def _choose(prompt: str, concept: Concept, spans: Sequence[Span], occurrence: int | None) -> Span:
    """The one span that is meant."""
    if not spans:
        raise ConceptNotMentioned(
            f"The prompt {prompt!r} does not contain {concept.word!r}, the word of concept {concept.id!r}: a prompt "
            "names each of its concepts by exactly its word. Write the word into the prompt, or leave the concept out."
        )
    if occurrence is None and len(spans) > 1:
        raise AmbiguousMention(
            f"The prompt {prompt!r} contains {concept.word!r}, the word of concept {concept.id!r}, {len(spans)} times: "
            "a concept is bound to one of them. Say which occurrence is meant, or name it once."
        )
    chosen = occurrence or 0
    if not 0 <= chosen < len(spans):
        raise ConceptNotMentioned(
            f"Occurrence {chosen!r} of {concept.word!r}, the word of concept {concept.id!r}, is not in the prompt "
            f"{prompt!r}: occurrences count from 0 and there are {len(spans)}. Choose one below {len(spans)}."
        )
    return spans[chosen]


def _of_handle(handle: str, bank: ConceptBank) -> Concept:
    """The concept a handle names; what cannot be an id is as unknown as an id the bank lacks."""
    concept_id = handle.lower()
    try:
        return bank.get(concept_id)
    except InvalidConcept as error:
        raise UnknownConcept(f"@{handle} names no concept. {error}") from error


def _check_words_differ(concepts: Sequence[Concept]) -> None:
    owners: dict[str, str] = {}
    for concept in concepts:
        folded = concept.word.casefold().replace("’", "'")
        if folded in owners:
            raise CollidingConcepts(
                f"Concepts {owners[folded]!r} and {concept.id!r} have the same word {concept.word!r}: in one prompt "
                "each concept needs a word of its own. Use one of the two, or learn one of them under another word."
            )
        owners[folded] = concept.id


def _check_known(occurrences: Mapping[str, int], concepts: Sequence[Concept]) -> None:
    unknown = sorted(occurrences.keys() - {concept.id for concept in concepts})
    if unknown:
        raise UnknownConcept(
            f"An occurrence is given for {', '.join(map(repr, unknown))}, which is not bound here: occurrences are "
            "keyed by the ids of the concepts in the prompt. Correct the id, or leave it out."
        )


def _character_pattern(character: str) -> str:
    if character == " ":
        return r"\s+"
    if character in "'’":
        return "['’]"
    return f"(?:{re.escape(character)}|{re.escape(unicodedata.normalize('NFD', character))})"


def _is_whole_word(prompt: str, start: int, stop: int) -> bool:
    """Whether nothing that belongs to a word touches the span; a hyphen does when a letter is behind it."""
    before, after = prompt[max(0, start - 2) : start], prompt[stop : stop + 2]
    return not (
        (before and _is_in_word(before[-1]))
        or (after and _is_in_word(after[0]))
        or (len(before) == 2 and before[1] == "-" and _is_in_word(before[0]))
        or (len(after) == 2 and after[0] == "-" and _is_in_word(after[1]))
    )


def _is_in_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def _is_inside(inner: Span, outer: Span) -> bool:
    return inner != outer and outer[0] <= inner[0] and inner[1] <= outer[1]
