"""Slides as people write them, and what they go to in a prompt."""

import pytest
from pydantic import ValidationError

from concepts.schema import BoundPrompt, ConceptMention
from generator.errors import InvalidSlide
from generator.slides import Slide, find_target, parse_slide

PROMPT = BoundPrompt(
    prompt="a fox and a cat in the snow by the snow", mentions=(ConceptMention(concept_id="rusty", start=2, stop=5),)
)


@pytest.mark.parametrize(
    ("text", "slide"),
    [
        ("rusty: fluffy fur - smooth fur = 1.5", ("rusty", "fluffy fur", "smooth fur", 1.5)),
        ("*: sunset - daylight = 1.0", ("*", "sunset", "daylight", 1.0)),
        (" straw hat :  a well-worn hat  -  a new hat=-.5 ", ("straw hat", "a well-worn hat", "a new hat", -0.5)),
        ("fox: a: b - c = d = 2", ("fox", "a: b", "c = d", 2.0)),
        ("fox: a - b - c = 2", ("fox", "a", "b - c", 2.0)),
    ],
)
def test_a_slide_is_read(text: str, slide: tuple[str, str, str, float]) -> None:
    found = parse_slide(text)
    assert (found.target, found.towards, found.away, found.weight) == slide


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "names no target"),
        ("fluffy - smooth = 1", "names no target"),
        (": fluffy - smooth = 1", "names no target"),
        ("rusty: fluffy - smooth", "does not end in '=' and a number"),
        ("rusty: fluffy - smooth = much", "does not end in '=' and a number"),
        ("rusty: fluffy - smooth = inf", "does not end in '=' and a number"),
        ("rusty: fluffy-smooth = 1", "lacks ' - '"),
        ("rusty:  - smooth = 1", "empty phrase"),
        ("rusty: fluffy -  = 1", "empty phrase"),
    ],
)
def test_what_is_no_slide_is_refused_with_its_fault(text: str, fault: str) -> None:
    with pytest.raises(InvalidSlide, match=f"{fault}.*TARGET: MORE OF THIS"):
        parse_slide(text)


def test_a_slide_without_a_finite_weight_cannot_be_made() -> None:
    with pytest.raises(ValidationError):
        Slide(target="*", towards="a", away="b", weight=float("nan"))


def slide_on(target: str) -> Slide:
    return Slide(target=target, towards="a", away="b", weight=1)


@pytest.mark.parametrize(
    ("target", "span"), [("*", None), ("rusty", (2, 5)), ("cat", (12, 15)), ("Cat", (12, 15)), ("a cat", (10, 15))]
)
def test_a_target_is_everything_or_a_concept_or_words_of_the_prompt(target: str, span: tuple[int, int] | None) -> None:
    assert find_target(slide_on(target), PROMPT) == span


@pytest.mark.parametrize(
    ("target", "message"),
    [("luna", "it has rusty.*nowhere"), ("snow", "2 times"), ("**", "nowhere"), ("ca", "nowhere")],
)
def test_a_target_that_is_not_there_once_is_refused(target: str, message: str) -> None:
    with pytest.raises(InvalidSlide, match=message):
        find_target(slide_on(target), PROMPT)
