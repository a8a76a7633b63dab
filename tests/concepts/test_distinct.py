"""Colliding names are told apart, in words and in captions."""

import pytest

from concepts.binding import bind_concepts
from concepts.distinct import ORDINALS, give_distinct_words
from concepts.errors import CollidingConcepts, InvalidConcept
from tests.concepts.builders import a_concept


def test_words_that_differ_stay_as_they_are() -> None:
    found = give_distinct_words(["a fox and a hat"], {"rusty": "fox", "topper": "hat"}, taken=["cat"])
    assert (found.captions, found.words) == (("a fox and a hat",), {"rusty": "fox", "topper": "hat"})


@pytest.mark.parametrize(
    ("captions", "expected"),
    [
        (["a doll in red", "a doll in blue"], ("a doll in red", "a second doll in blue")),
        (["a doll beside a doll"], ("a doll beside a second doll",)),
    ],
    ids=["two pictures", "one picture"],
)
def test_two_dolls_are_named_by_their_occurrences(captions: list[str], expected: tuple[str, ...]) -> None:
    found = give_distinct_words(captions, {"ann": "doll", "ben": "doll"})
    assert (found.captions, found.words) == (expected, {"ann": "doll", "ben": "second doll"})


def test_a_word_of_the_bank_is_taken_and_so_is_its_second() -> None:
    found = give_distinct_words(
        ["An owl sleeps", "the OWL, and an owlet"], {"olly": "owl"}, taken=["Owl", "second owl"]
    )
    assert found.words == {"olly": "third owl"}
    assert found.captions == ("A third owl sleeps", "the third owl, and an owlet")


def test_three_of_one_word_are_told_apart() -> None:
    found = give_distinct_words(["a fox, a fox and a fox"], {"a": "fox", "b": "fox", "c": "fox"})
    assert found.captions == ("a fox, a second fox and a third fox",)


def test_a_prompt_with_both_binds_each_to_its_own() -> None:
    words = give_distinct_words(["a fox", "a fox"], {"rusty": "fox", "rufus": "fox"}).words
    concepts = [a_concept(concept_id, word) for concept_id, word in words.items()]
    bound = bind_concepts("a fox meets a second fox", concepts)
    assert [(mention.concept_id, mention.start) for mention in bound.mentions] == [("rusty", 2), ("rufus", 14)]


@pytest.mark.parametrize("captions", [["a doll"], ["a doll, a doll", "a doll"]], ids=["too few", "too many"])
def test_dolls_that_nobody_can_tell_apart_are_refused(captions: list[str]) -> None:
    with pytest.raises(CollidingConcepts, match="each needs one occurrence"):
        give_distinct_words(captions, {"ann": "doll", "ben": "doll"})


def test_there_is_an_end_to_names() -> None:
    taken = ["fox", *(f"{ordinal} fox" for ordinal in ORDINALS)]
    with pytest.raises(CollidingConcepts, match="another word"):
        give_distinct_words(["a fox"], {"rusty": "fox"}, taken=taken)
    with pytest.raises(InvalidConcept):
        give_distinct_words(["a " + "x" * 38], {"long": "x" * 38}, taken=["x" * 38])


@pytest.mark.parametrize(
    ("caption", "words", "expected"),
    [
        ("a fox with a hat and a straw hat", {"a": "hat", "b": "straw hat"}, "a fox with a second hat and a straw hat"),
        ("a bear and a teddy bear", {"a": "bear", "b": "teddy bear"}, "a second bear and a teddy bear"),
    ],
)
def test_a_word_inside_anothers_words_stays(caption: str, words: dict[str, str], expected: str) -> None:
    found = give_distinct_words([caption], words, taken=["hat", "bear"])
    assert found.captions == (expected,)


def test_words_inside_anothers_are_not_counted_among_occurrences() -> None:
    found = give_distinct_words(["a hat, a straw hat and a hat"], {"a": "hat", "b": "straw hat", "c": "hat"})
    assert found.captions == ("a hat, a straw hat and a second hat",)
