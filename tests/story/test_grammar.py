"""English forms: verbs in phrases, and one of many."""

import pytest

from story.grammar import base_form, gerund_phrase, is_plural, past_phrase, singular


@pytest.mark.parametrize(
    ("base", "past", "ing"),
    [
        ("keep bees", "kept bees", "keeping bees"),
        ("bake", "baked", "baking"),
        ("tidy up", "tidied up", "tidying up"),
        ("hop", "hopped", "hopping"),
        ("be kind", "was kind", "being kind"),
        ("listen", "listened", "listening"),
        ("play", "played", "playing"),
        ("travel", "travelled", "travelling"),
        ("never give up", "never gave up", "never giving up"),
        ("finally sleep", "finally slept", "finally sleeping"),
        ("fly home", "flew home", "flying home"),
        ("sing and dance", "sang and danced", "singing and dancing"),
        ("be brave and fly to Mars", "was brave and flew to Mars", "being brave and flying to Mars"),
        ("catch crabs and fish", "caught crabs and fish", "catching crabs and fish"),
    ],
)
def test_verbs_are_inflected(base: str, past: str, ing: str) -> None:
    assert (past_phrase(base), gerund_phrase(base)) == (past, ing)


@pytest.mark.parametrize(
    ("phrase", "past"),
    [
        ("think she is a dog", "thought she was a dog"),
        ("know that he can't swim", "knew that he couldn't swim"),
        ("have a friend who lives in a tree", "had a friend who lived in a tree"),
        ("find a hat that fits", "found a hat that fitted"),
    ],
)
def test_what_is_said_in_a_phrase_about_the_past_is_past_too(phrase: str, past: str) -> None:
    assert past_phrase(phrase) == past


@pytest.mark.parametrize("verb", ["travel", "travels", "travelled", "traveled", "travelling", "traveling"])
def test_both_spellings_of_a_verb_are_known(verb: str) -> None:
    assert base_form(verb) == "travel"


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("foxes", "fox"),
        ("wolves", "wolf"),
        ("witches", "witch"),
        ("fairies", "fairy"),
        ("pixies", "pixie"),
        ("horses", "horse"),
        ("princesses", "princess"),
        ("heroes", "hero"),
        ("mice", "mouse"),
        ("children", "child"),
        ("cats", "cat"),
    ],
)
def test_one_of_many(many: str, one: str) -> None:
    assert (singular(many), singular(one)) == (one, one)
    assert is_plural(many) and not is_plural(one)


def test_the_head_of_a_phrase_says_whether_it_is_plural() -> None:
    assert [
        phrase for phrase in ("her mittens", "the keys of the house", "a hat and a scarf") if not is_plural(phrase)
    ] == []
    assert [phrase for phrase in ("a box of toys", "the bus", "her walrus", "Christmas") if is_plural(phrase)] == []
