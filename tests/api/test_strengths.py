"""Strengths of concepts on the command line, in books and in locks."""

from pathlib import Path

import pytest

from api.binding import read_record
from api.book_folder import BookAsFound
from api.book_lock import read_lock
from api.errors import UsageError
from api.storybook import make_storybook, redraw_storybook
from api.strengths import parse_strengths
from concepts.errors import InvalidConcept
from generator.images import read_metadata
from tests.api.builders import PlainRenderer, PlainWriter, a_request, plain_bank, plain_studio

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def test_strengths_are_read() -> None:
    assert parse_strengths(["rusty=0.8", " night-sky = -2 "]) == {"rusty": 0.8, "night-sky": -2.0}
    assert parse_strengths(["rusty=8", "luna=-8"]) == {"rusty": 8.0, "luna": -8.0}
    assert parse_strengths([]) == {}


@pytest.mark.parametrize("text", ["rusty", "rusty=", "rusty=much", "rusty=nan", "rusty=inf", "rusty=8.1", "rusty=-1e9"])
def test_what_is_no_strength_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"rusty=0\.8"):
        parse_strengths([text])


def test_two_strengths_for_one_concept_and_a_bad_id_are_refused() -> None:
    with pytest.raises(UsageError, match="'rusty' twice"):
        parse_strengths(["rusty=1", "rusty=2"])
    with pytest.raises(InvalidConcept):
        parse_strengths(["Rusty Fox=1"])


def test_a_book_is_drawn_with_its_strengths_and_so_is_its_lock(tmp_path: Path) -> None:
    bank, renderer = plain_bank(tmp_path), PlainRenderer()
    studio = plain_studio(bank, renderer=renderer)
    book = make_storybook(
        a_request(bank),
        writer=PlainWriter(),
        writer_name="plain",
        studio=studio,
        out_dir=tmp_path / "book",
        templates_dir=TEMPLATES,
        strengths={"rusty": 0.8, "luna": 2.0},
    )
    assert book.lock.strengths == {"rusty": 0.8}
    assert renderer.strengths == [{"rusty": 0.8}] * 5
    assert read_metadata(book.pictures[0]).strengths == {"rusty": 0.8}
    assert any("'luna' was not used" in warning for warning in book.warnings)
    lock, story = read_lock(tmp_path / "book" / "book.lock")
    folder = tmp_path / "book"
    redraw_storybook(
        lock,
        story,
        read_record(folder),
        earlier=BookAsFound.of(folder),
        studio=studio,
        out_dir=tmp_path / "again",
        templates_dir=TEMPLATES,
    )
    assert renderer.strengths == [{"rusty": 0.8}] * 10
