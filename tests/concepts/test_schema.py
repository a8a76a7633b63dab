"""Concepts and bound prompts refuse what would break their rules."""

import pytest
from pydantic import ValidationError

from concepts.errors import InvalidConcept
from concepts.schema import BoundPrompt, Concept, ConceptMention
from tests.concepts.builders import a_concept

HOSTILE_IDS = ["", "../rusty", "/etc", "a/b", "a\\b", ".", "Rusty", "a--b", "-a", "a-", "a b", "füchs", "a\n", "a" * 41]


@pytest.mark.parametrize("concept_id", HOSTILE_IDS)
def test_an_id_that_is_no_slug_is_refused(concept_id: str) -> None:
    with pytest.raises(InvalidConcept, match="lower-case letters and digits"):
        a_concept(concept_id)


@pytest.mark.parametrize("concept_id", ["a", "7", "night-sky", "r2-d2", "a" * 40])
def test_a_slug_is_an_id(concept_id: str) -> None:
    assert a_concept(concept_id).id == concept_id


@pytest.mark.parametrize(
    "word", ["", " fox", "fox ", "straw  hat", "fox,", "@fox", "a_b", "<b>", "-fox", "x" * 41, "\n"]
)
def test_a_word_that_no_prompt_could_name_is_refused(word: str) -> None:
    with pytest.raises(InvalidConcept, match="cannot name a concept"):
        a_concept(word=word)


@pytest.mark.parametrize("word", ["fox", "straw hat", "jack-in-the-box", "will-o'wisp", "Füchslein"])
def test_plain_words_in_any_language_name_a_concept(word: str) -> None:
    assert a_concept(word=word).word == word


def test_a_decomposed_word_is_kept_composed() -> None:
    assert a_concept(word="cafe\u0301").word == "caf\u00e9"


def test_the_name_is_the_id_as_a_title() -> None:
    assert a_concept("night-sky").name == "Night Sky"


def test_a_card_shows_nothing_but_what_a_language_model_may_see() -> None:
    assert a_concept().card().model_dump() == {
        "id": "rusty",
        "name": "Rusty",
        "word": "fox",
        "kind": "character",
        "caption": "a fox wearing a scarf",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "vehicle"},
        {"direction_sha256": "abc"},
        {"direction_sha256": "A" * 64},
        {"base_model": ""},
        {"caption": ""},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_concept_with_a_bad_or_unknown_field_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        Concept.model_validate(a_concept().model_dump() | change)


def test_a_concept_survives_json() -> None:
    assert Concept.model_validate_json(a_concept().model_dump_json()) == a_concept()


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 2), (3, 2)])
def test_an_empty_or_negative_mention_is_refused(start: int, stop: int) -> None:
    with pytest.raises(ValidationError):
        ConceptMention(concept_id="rusty", start=start, stop=stop)


@pytest.mark.parametrize(
    "spans",
    [[("a", 0, 3), ("b", 2, 4)], [("b", 3, 4), ("a", 0, 3)], [("a", 0, 7)], [("a", 0, 1), ("a", 2, 3)]],
    ids=["overlap", "out of order", "outside", "twice"],
)
def test_mentions_that_do_not_fit_the_prompt_are_refused(spans: list[tuple[str, int, int]]) -> None:
    mentions = tuple(ConceptMention(concept_id=name, start=start, stop=stop) for name, start, stop in spans)
    with pytest.raises(ValidationError, match="overlaps|mentioned twice"):
        BoundPrompt(prompt="a foxx", mentions=mentions)


def test_adjacent_mentions_up_to_the_end_of_the_prompt_fit() -> None:
    mentions = (ConceptMention(concept_id="a", start=0, stop=3), ConceptMention(concept_id="b", start=3, stop=6))
    assert BoundPrompt(prompt="abcdef", mentions=mentions).mentions == mentions
