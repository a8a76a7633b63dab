"""Each rule of a scene is kept or named."""

import pytest

from story.checks import check_page, check_scene, free_mentions
from story.schema import Page, Scene
from tests.story.builders import BANK, RUBY, card, count_words


def scene(prompt: str, *concepts: str, alt: str = "Rusty is having a fine day.") -> Scene:
    return Scene(prompt=prompt, concepts=concepts, alt=alt)


def codes(checked: Scene, *, catalog: tuple = (*BANK, RUBY), max_tokens: int = 20) -> list[str]:
    problems = check_scene(checked, catalog=catalog, count_tokens=count_words, max_tokens=max_tokens)
    return [problem.code for problem in problems]


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        (scene("a fox sitting in the snow", "rusty"), []),
        (scene("a fox in the snow", "rusty", "luna"), ["word-missing"]),
        (scene("a fox beside a fox", "rusty"), ["word-repeated"]),
        (scene("a fox in the moonlight", "rusty"), ["unlisted-word"]),
        (scene("a Fox waving", "rusty", "big-wave"), []),
        (scene("two foxes in the snow", "rusty"), ["word-missing"]),
        (scene("a fox", "rusty", "ruby"), ["shared-word"]),
        (scene("a fox", "rusty", "rusty"), ["repeated-concept"]),
        (scene("a fox", "rusty", "nobody"), ["unknown-concept"]),
        (scene("a fox, a cat and a bear", "rusty", "luna", "bruno"), ["too-many-characters"]),
        (scene("a fox " + "far " * 20, "rusty"), ["too-long"]),
        (scene("a fox", "rusty", alt=" "), ["no-alt"]),
        (scene("a fox sitting", "rusty", alt="A fox sitting."), []),
        (scene("a fox <b>sitting</b>", "rusty"), ["markup"]),
        (scene("a fox", "rusty", alt="<script>"), ["markup"]),
        (scene("  ", "rusty"), ["empty-prompt"]),
    ],
    ids=lambda value: "-".join(value) or "fine" if isinstance(value, list) else value.prompt[:20],
)
def test_a_broken_rule_is_named(checked: Scene, expected: list[str]) -> None:
    assert codes(checked) == expected


def test_a_prompt_that_just_fits_passes() -> None:
    assert codes(scene("a fox sitting", "rusty"), max_tokens=4) == []
    assert codes(scene("a fox sitting", "rusty"), max_tokens=3) == ["too-long"]


def test_a_word_inside_a_longer_word_of_the_bank_is_no_mention() -> None:
    bank = (card("bowler", "hat", "clothing"), card("sunny", "straw hat", "clothing"))
    assert free_mentions("a straw hat and a hat", bank) == {"hat": ((18, 21),), "straw hat": ((2, 11),)}
    assert codes(scene("a straw hat", "bowler"), catalog=bank) == ["word-missing", "unlisted-word"]


def test_messages_name_concept_and_word() -> None:
    problems = check_scene(scene("a fox", "luna"), catalog=BANK, count_tokens=count_words, max_tokens=20)
    assert "'luna'" in problems[0].message
    assert "'cat'" in problems[0].message


def test_a_page_without_text_or_with_markup_fails() -> None:
    def page_codes(text: str) -> list[str]:
        page = Page(text=text, scene=scene("a fox", "rusty"))
        return [p.code for p in check_page(page, catalog=BANK, count_tokens=count_words, max_tokens=20)]

    assert page_codes("\n ") == ["no-text"]
    assert page_codes("Hello <script>alert(1)</script>") == ["markup"]
    assert page_codes("Is 3 < 5? Yes, and I <3 you.") == []
