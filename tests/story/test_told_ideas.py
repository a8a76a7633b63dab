"""What ideas say is told in their stories as it was meant, and nothing else of them is."""

import re

import pytest

from concepts.schema import ConceptCard
from story.schema import Story, StoryRequest
from tests.story.builders import BANK, RUSTY, storyteller


def tell(idea: str, *, seed: int, bank: tuple[ConceptCard, ...] = BANK) -> Story:
    return storyteller().write(StoryRequest(idea=idea, catalog=bank, seed=seed)).story


def text_of(story: Story) -> str:
    return "\n\n".join([story.title, *(page.text for page in story.pages)])


@pytest.mark.parametrize(
    ("idea", "told", "never"),
    [
        ("Felix is a small fox. He wants to fly.", ("small fox", "Felix", "to fly"), "Sundays"),
        ("A bear who is afraid of water! His friend the cat helps him.", ("bear", "of water", "Luna"), "helps"),
        ("A rabbit loses her hat. Can she find it?", ("rabbit", "her hat"), "Can she"),
        ("a fox who never gives up", ("Rusty never gave up",), "Rusty gave up"),
        ("write me a story: a cat who sings", ("Luna sang",), "write"),
        ("Emma (5) and her brother Tom, who is 3", ("Emma", "Tom"), r"\b[35]\b"),
        ("two foxes", ("a fox",), "foxe"),
        ("a girl who wants to be brave and fly to Mars", ("be brave and fly to Mars",), "flew to Mars, on"),
        ("a cat who thinks she is a dog", ("thought she was a dog",), "she is a dog"),
        ("Pip and the lost key", ("the lost key",), "key called"),
        ("the sun and the moon", ("the sun and the moon",), r"\ba (?:sun|moon)\b"),
        ("the sun and the moon play hide and seek", ("the sun", "the moon called"), r"\ba (?:sun|moon)\b"),
    ],
)
def test_an_idea_is_told_as_it_was_meant(idea: str, told: tuple[str, ...], never: str) -> None:
    for seed in range(20):
        text = text_of(tell(idea, seed=seed))
        assert [words for words in told if not re.search(words, text, re.IGNORECASE)] == []
        assert not re.search(never, text)


@pytest.mark.parametrize("thing", ["mittens", "glasses"])
def test_a_thing_of_two_parts_is_they(thing: str) -> None:
    for idea in (f"a cat who lost her {thing}", f"a cat who is looking for her {thing}"):
        for seed in range(40):
            text = text_of(tell(idea, seed=seed))
            assert thing in text
            assert not re.search(
                r"[Ww]here it used|look for it|seen it\?|“It must|It was gone|Is It|find it for you", text
            )


def test_who_lives_somewhere_is_not_said_to_live_there_on_sundays() -> None:
    told = [text_of(tell("a mouse who lives in a teapot", seed=seed)) for seed in range(30)]
    assert not any("Sundays" in text for text in told)
    assert any("on Sundays" in text_of(tell("a fox who keeps bees", seed=seed)) for seed in range(30))


@pytest.mark.parametrize(("name", "pronoun"), [("Ruby", "she"), ("Max", "he")])
def test_a_common_name_has_its_pronoun(name: str, pronoun: str) -> None:
    other = {"she": "he", "he": "she"}[pronoun]
    for seed in range(20):
        pages = tell(f"a fox named {name} who cannot sleep", seed=seed, bank=(RUSTY,)).pages
        assert not any(re.search(rf"{name}[^.“”]* {other} ", page.text) for page in pages)


def test_the_place_of_an_idea_is_seen_whatever_stop_follows_it() -> None:
    for idea in ("A fox lives in the forest. She wants to fly", "a fox in the forest; she wants to fly"):
        for seed in range(10):
            assert "in the forest" in tell(idea, seed=seed).cover.prompt
