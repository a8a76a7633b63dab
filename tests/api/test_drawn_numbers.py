"""Pages that were drawn in other numbers, since memory ran out, are named in one warning."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from api.binding import read_record
from api.book_folder import BookAsFound
from api.book_lock import read_lock
from api.drawn_numbers import notes_of_numbers
from api.rerender import rerender_book
from api.storybook import Studio, make_storybook, redraw_storybook
from concepts.bank import ConceptBank
from generator.plan import Numbers, Peak, RenderPlan
from generator.stepping import SteppingModel, SteppingRenderer
from tests.api.builders import TEMPLATES_DIR, PlainRenderer, PlainWriter, a_request, edit, plain_studio

pytest_plugins = ["tests.api.finished"]

PLAIN = Numbers(dtype="float32")
STORED = replace(PLAIN, weights="fp8-stored")
NF4 = replace(PLAIN, weights="nf4")
OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory")
PLANS = tuple(
    RenderPlan(device="cpu", numbers=numbers, peak=Peak(encoding=1, denoising=1, decoding=1), reasons=())
    for numbers in (PLAIN, STORED, NF4)
)


def stepping_studio(
    bank: ConceptBank,
    *,
    room_for: Mapping[Numbers, int] | None = None,
    failures: Mapping[Numbers, Mapping[int, BaseException]] | None = None,
) -> Studio:
    """One in which memory runs out, or something else fails, after so many pictures of some numbers."""
    of_memory = {numbers: {count: OUT_OF_MEMORY} for numbers, count in (room_for or {}).items()}
    failures = {**of_memory, **(failures or {})}
    model = SteppingModel(PLANS, lambda plan: plan.numbers, tell=lambda _: None)
    renderer = SteppingRenderer(model, lambda numbers: PlainRenderer(failures=failures.get(numbers)))
    return replace(plain_studio(bank), renderer=renderer, numbers=lambda: model.plan.numbers)


@pytest.mark.parametrize(
    ("drawn", "note"),
    [
        ([PLAIN, PLAIN, STORED], "Page 2 was drawn in float32, weights kept in fp8; "),
        ([STORED, PLAIN], "The cover was drawn in float32, weights kept in fp8; "),
        ([NF4, NF4, PLAIN, NF4, PLAIN, NF4, NF4], "The cover and pages 1, 3, 5 to 6 were drawn in float32, nf4; "),
        (
            [PLAIN, STORED, STORED, NF4],
            "Pages 1 to 2 were drawn in float32, weights kept in fp8; page 3 was drawn in float32, nf4; ",
        ),
    ],
    ids=["one page", "the cover", "several", "two plans"],
)
def test_pages_of_other_numbers_are_named(drawn: list[Numbers], note: str) -> None:
    (told,) = notes_of_numbers(dict(enumerate(drawn)), began=PLAIN)
    assert told == f"{note}drawing began in float32: pictures differ."


def test_nothing_is_said_of_numbers_that_are_the_same_or_not_known() -> None:
    assert notes_of_numbers({0: PLAIN, 1: None}, began=PLAIN) == ()
    assert notes_of_numbers({0: PLAIN, 1: NF4}, began=None) == ()


def test_a_new_book_names_the_pages_since_memory_ran_out(bank: ConceptBank, tmp_path: Path) -> None:
    def make(room_for: Mapping[Numbers, int]) -> tuple[str, ...]:
        return make_storybook(
            a_request(bank),
            writer=PlainWriter(),
            writer_name="a plain writer",
            studio=stepping_studio(bank, room_for=room_for),
            out_dir=tmp_path / "new",
            templates_dir=TEMPLATES_DIR,
        ).warnings

    assert make({}) == ("a small thing",)
    assert make({PLAIN: 3}) == (
        "a small thing",
        "Pages 3 to 4 were drawn in float32, weights kept in fp8; drawing began in float32: pictures differ.",
    )


def test_a_book_that_is_drawn_again_names_them_too(book: Path, bank: ConceptBank) -> None:
    lock, story = read_lock(book / "book.lock")
    again = redraw_storybook(
        lock,
        story,
        read_record(book),
        earlier=BookAsFound.of(book),
        studio=stepping_studio(bank, room_for={PLAIN: 2, STORED: 1}),
        out_dir=book,
        templates_dir=TEMPLATES_DIR,
    )
    assert again.warnings == (
        "Page 2 was drawn in float32, weights kept in fp8; pages 3 to 4 were drawn in float32, nf4; "
        "drawing began in float32: pictures differ.",
    )


def test_pages_that_are_drawn_anew_are_named_and_those_taken_over_are_not(book: Path, bank: ConceptBank) -> None:
    for page in (1, 3):
        edit(book, bank, page=page, prompt=f"a fox in the forest {page}")
    done = rerender_book(book, studio=stepping_studio(bank, room_for={PLAIN: 1}), templates_dir=TEMPLATES_DIR)
    assert done.drawn == (1, 3)
    assert [warning.partition(";")[0] for warning in done.warnings] == [
        "Page 3 was drawn in float32, weights kept in fp8"
    ]


class LastIsBest:
    """Prefers the last of all pictures."""

    def __init__(self) -> None:
        self.times = 0

    def score(self, image: object, picture: object) -> float:
        del image, picture
        self.times += 1
        return self.times / 10


@pytest.mark.parametrize(("room", "named"), [(1, 1), (2, 0)], ids=["the one taken", "another"])
def test_of_candidates_the_numbers_of_the_one_that_is_taken_count(
    book: Path, bank: ConceptBank, room: int, named: int
) -> None:
    done = rerender_book(
        book,
        studio=stepping_studio(bank, room_for={PLAIN: room}),
        templates_dir=TEMPLATES_DIR,
        several=(2,),
        num_candidates=2,
        scorer=LastIsBest(),
    )
    assert done.drawn == (2,)
    assert [warning.partition(" was")[0] for warning in done.warnings] == ["Page 2"] * named
