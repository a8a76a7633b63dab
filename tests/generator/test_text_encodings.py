"""Prompts that belong together are read in one go by a model's text encoders, here of the tiny model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.errors import InvalidSettings
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel
from generator.text_encodings import BOOKS_KEPT, PROMPTS_AT_ONCE, Encodings, TextEncodings
from tests.generator.tiny import TINY_SETTINGS, tiny_model

LENGTH = TINY_SETTINGS.max_sequence_length
BOOK = ("a fox in the snow", "a cat", "snow")


@pytest.fixture(scope="module")
def model() -> FluxModel:
    return tiny_model()


@pytest.fixture
def encodings(model: FluxModel) -> TextEncodings:
    return TextEncodings(model.pipeline)


@pytest.fixture
def calls(model: FluxModel) -> Iterator[list[int]]:
    """How many prompts T5 was given, by call."""
    counted: list[int] = []
    with model.pipeline.text_encoder_2.register_forward_hook(lambda _, args, __: counted.append(args[0].shape[0])):
        yield counted


def read(encodings: TextEncodings, prompt: str, book: tuple[str, ...] = BOOK) -> Encodings:
    return encodings.of_one(prompt, read_with=book, max_sequence_length=LENGTH)


def equal(one: Encodings, other: Encodings) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_book_is_read_once_in_whatever_order_its_pages_are_drawn(encodings: TextEncodings, calls: list[int]) -> None:
    drawn = {prompt: read(encodings, prompt) for prompt in reversed(BOOK)}
    assert calls == [len(BOOK)]
    whole = encodings.of_all(BOOK, max_sequence_length=LENGTH)
    for row, prompt in enumerate(BOOK):
        assert equal(drawn[prompt], {name: rows[row : row + 1] for name, rows in whole.items()})


def test_what_was_drawn_before_changes_nothing(model: FluxModel, encodings: TextEncodings) -> None:
    first = read(encodings, "a cat")
    read(encodings, "a cat", ("a cat", "another book"))
    assert equal(read(encodings, "a cat"), first)
    assert equal(read(TextEncodings(model.pipeline), "a cat"), first)


def test_another_length_is_read_anew(encodings: TextEncodings, calls: list[int]) -> None:
    read(encodings, "a cat")
    shorter = encodings.of_one("a cat", read_with=BOOK, max_sequence_length=LENGTH - 1)
    assert len(calls) == 2
    assert shorter["prompt_embeds"].shape[1] == LENGTH - 1


def test_the_book_that_was_drawn_longest_ago_is_forgotten_first(encodings: TextEncodings, calls: list[int]) -> None:
    books = [("a cat", f"book {number}") for number in range(BOOKS_KEPT + 1)]
    for book in books[:-1]:
        read(encodings, "a cat", book)
    read(encodings, "a cat", books[0])
    read(encodings, "a cat", books[-1])
    calls.clear()
    read(encodings, "a cat", books[0])
    assert not calls
    read(encodings, "a cat", books[1])
    assert calls == [2]


def test_a_prompt_alone_is_read_each_time_and_a_long_book_in_parts(encodings: TextEncodings, calls: list[int]) -> None:
    for _ in range(2):
        encodings.of_one("a cat", read_with=(), max_sequence_length=LENGTH)
    assert calls == [1, 1]
    book = tuple(f"page {number}" for number in range(PROMPTS_AT_ONCE + 1))
    read(encodings, book[-1], book)
    assert calls == [1, 1, PROMPTS_AT_ONCE, 1]


def test_a_prompt_that_is_not_in_its_book_is_refused(encodings: TextEncodings) -> None:
    with pytest.raises(InvalidSettings, match="not among the prompts"):
        read(encodings, "a dog")


def test_pages_that_are_drawn_one_by_one_have_their_book_read_once(
    model: FluxModel, calls: list[int], tmp_path: Path
) -> None:
    pages = [
        FluxRenderer(model, ConceptBank(tmp_path)).render(BoundPrompt(prompt=prompt), seed=3, read_with=BOOK)
        for prompt in (*BOOK, BOOK[0])
    ]
    assert calls == [len(BOOK)]
    assert pages[3].tobytes() == pages[0].tobytes() != pages[1].tobytes()
