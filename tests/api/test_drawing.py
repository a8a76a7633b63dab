"""Prompts that are longer than the model reads."""

import re

import pytest

from api.drawing import note_of_length, unread_words
from api.settings import WantedModel
from api.tokens import prompt_counter


def count_words(prompt: str) -> int:
    return 1 + len(prompt.split())


@pytest.mark.parametrize(
    ("max_tokens", "unread"),
    [(7, ""), (6, "snow"), (4, "the deep  snow"), (1, "a fox in the deep  snow")],
)
def test_what_is_not_read_begins_with_the_first_word_that_does_not_fit(max_tokens: int, unread: str) -> None:
    prompt = "a fox in the deep  snow"
    assert unread_words(prompt, count_words, max_tokens=max_tokens) == unread
    assert count_words(prompt.removesuffix(unread)) <= max_tokens


@pytest.mark.usefixtures("pocket_model_dir")
def test_what_pocket_does_not_read_is_noted() -> None:
    pocket, count_tokens = WantedModel(source="pocket"), prompt_counter("pocket")
    prompt = "a fox waving in the snow" + ", with a lantern and a boat" * 12
    note = note_of_length(prompt, pocket, max_tokens=64)
    assert note is not None
    found = re.search(r"nothing is read from '(\S+)' on, which is '(.*)'\. Shorten", note)
    assert found is not None
    assert prompt.endswith(found[2])
    read = prompt.removesuffix(found[2])
    assert count_tokens(read.rstrip()) <= 64 < count_tokens(read + found[1])
    assert note_of_length(read, pocket, max_tokens=64) is None


def test_of_a_model_whose_tokens_are_not_known_nothing_is_said() -> None:
    assert note_of_length("a fox " * 500, WantedModel(source="somebody/some-model"), max_tokens=64) is None
