"""Proves scenes and pages before anything is drawn: each check is a pure function from words to problems.

Knows the rules that the picture model needs kept, and neither who wrote the words nor how to mend them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from concepts.binding import find_words
from concepts.schema import ConceptCard
from story.schema import Page, Scene, Story

Code = Literal[
    "empty-prompt", "unknown-concept", "repeated-concept", "shared-word", "word-missing", "word-repeated",
    "unlisted-word", "too-many-characters", "too-long", "no-alt", "no-text", "markup", "too-hard",
    "wrong-language", "absent-character", "extra-character", "pronoun", "other-clothes", "other-place", "unsafe",
]  # fmt: skip
MAX_CHARACTERS = 2

_MARKUP = re.compile(r"<\s*[/!?]?\s*[a-zA-Z]")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One broken rule, worded so that whoever wrote the scene can mend it."""

    code: Code
    message: str


def free_mentions(prompt: str, catalog: Sequence[ConceptCard]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Where each word of the bank stands in a prompt, for the words that occur; keys are case-folded words.

    A word inside a longer word of the bank is no mention of it: "a straw hat" mentions "straw hat" and not "hat".
    Spans are half-open, in characters, from left to right.
    """
    found = find_words(prompt, {card.word.casefold(): card.word for card in catalog})
    return {word: spans for word, spans in found.items() if spans}


def check_scene(
    scene: Scene, *, catalog: Sequence[ConceptCard], count_tokens: Callable[[str], int], max_tokens: int
) -> tuple[Problem, ...]:
    """What keeps a scene from being drawn; empty when it can be.

    Each listed concept exists, is listed once and has its word in the prompt exactly once; no other word of the bank
    occurs; at most two characters share the stage; the prompt fits the encoder; the alternative text is there; no
    markup.

    Args:
        catalog: The whole bank.
        count_tokens: Tokens of a prompt as the text encoder counts them, its end mark included.
        max_tokens: The encoder's limit.
    """
    drawn = check_prompt(
        scene.prompt, scene.concepts, catalog=catalog, count_tokens=count_tokens, max_tokens=max_tokens
    )
    return (*drawn, *check_alt(scene.alt)) if scene.prompt.strip() else drawn


def check_prompt(
    prompt: str,
    concepts: Sequence[str],
    *,
    catalog: Sequence[ConceptCard],
    count_tokens: Callable[[str], int],
    max_tokens: int,
) -> tuple[Problem, ...]:
    """What keeps a prompt with these concepts from being drawn; arguments as in `check_scene`."""
    if not prompt.strip():
        return (Problem(code="empty-prompt", message="the prompt is empty; say who is shown, doing what, and where"),)
    problems = _check_concepts(prompt, concepts, catalog)
    num_tokens = count_tokens(prompt)
    if num_tokens > max_tokens:
        message = f"the prompt has {num_tokens} tokens and {max_tokens} fit; shorten it"
        problems.append(Problem(code="too-long", message=message))
    if has_markup(prompt):
        problems.append(Problem(code="markup", message="the prompt contains markup; write plain words"))
    return tuple(problems)


def check_alt(alt: str) -> tuple[Problem, ...]:
    """What is wrong with an alternative text whoever wrote it: it is missing or has markup."""
    if not alt.strip().rstrip(".!"):
        message = "the alternative text is empty; describe the picture for a listener"
        return (Problem(code="no-alt", message=message),)
    if has_markup(alt):
        return (Problem(code="markup", message="the alternative text contains markup; write plain words"),)
    return ()


def check_text(text: str) -> tuple[Problem, ...]:
    """What is wrong with a page's text whatever the story: it is missing or has markup."""
    if not text.strip():
        return (Problem(code="no-text", message="the page has no text; write what is read aloud"),)
    if has_markup(text):
        return (Problem(code="markup", message="the text contains markup; write plain words"),)
    return ()


def has_markup(text: str) -> bool:
    """Whether a text has what a browser could take for a tag."""
    return _MARKUP.search(text) is not None


def undrawn_cast(story: Story, cast: Sequence[ConceptCard]) -> tuple[str, ...]:
    """A warning for each concept of the cast that is in no picture of the story."""
    shown = {concept_id for scene in story.scenes for concept_id in scene.concepts}
    return tuple(f"{card.name} was cast, but is in no picture." for card in cast if card.id not in shown)


def check_page(
    page: Page, *, catalog: Sequence[ConceptCard], count_tokens: Callable[[str], int], max_tokens: int
) -> tuple[Problem, ...]:
    """What is wrong with a page: its scene's problems, texts that are missing, and markup in texts and speech."""
    scene = check_scene(page.scene, catalog=catalog, count_tokens=count_tokens, max_tokens=max_tokens)
    return (*scene, *check_words(page))


def check_words(page: Page) -> tuple[Problem, ...]:
    """What is wrong with what is read on a page, whatever its picture: texts that are missing, and markup."""
    problems = list(check_text(page.text))
    if page.second_text:
        problems += check_text(page.second_text)
    if any(has_markup(f"{line.speaker} {line.text}") for line in page.speech):
        problems.append(Problem(code="markup", message="what somebody says contains markup; write plain words"))
    return tuple(problems)


def _check_concepts(prompt: str, concepts: Sequence[str], catalog: Sequence[ConceptCard]) -> list[Problem]:
    cards = {card.id: card for card in catalog}
    problems: list[Problem] = []
    listed: dict[str, str] = {}
    mentions = free_mentions(prompt, catalog)
    for concept_id in dict.fromkeys(concepts):
        if concepts.count(concept_id) > 1:
            problems.append(Problem(code="repeated-concept", message=f"{concept_id!r} is listed twice; list it once"))
        if concept_id not in cards:
            problems.append(Problem(code="unknown-concept", message=f"the bank has no concept {concept_id!r}; drop it"))
            continue
        word = cards[concept_id].word
        if word.casefold() in listed:
            message = f"{listed[word.casefold()]!r} and {concept_id!r} share the word {word!r}; keep one of them"
            problems.append(Problem(code="shared-word", message=message))
            continue
        listed[word.casefold()] = concept_id
        problems += _check_count(concept_id, word, len(mentions.get(word.casefold(), ())))
    problems += _check_unlisted(mentions, listed, cards)
    if sum(cards[c].kind == "character" for c in set(concepts) & cards.keys()) > MAX_CHARACTERS:
        message = f"more than {MAX_CHARACTERS} characters are listed; leave the others for another page"
        problems.append(Problem(code="too-many-characters", message=message))
    return problems


def _check_count(concept_id: str, word: str, count: int) -> list[Problem]:
    if count == 0:
        return [Problem(code="word-missing", message=f"{concept_id!r} is listed but the prompt lacks {word!r}; use it")]
    if count > 1:
        message = f"the prompt says {word!r}, the word of {concept_id!r}, {count} times; say it exactly once"
        return [Problem(code="word-repeated", message=message)]
    return []


def _check_unlisted(
    mentions: Mapping[str, object], listed: Mapping[str, str], cards: Mapping[str, ConceptCard]
) -> list[Problem]:
    problems: list[Problem] = []
    for word in mentions:
        if word not in listed:
            owners = [card.id for card in cards.values() if card.word.casefold() == word]
            message = f"the prompt says {word!r} but does not list {' or '.join(map(repr, owners))}; list it or reword"
            problems.append(Problem(code="unlisted-word", message=message))
    return problems
