"""A finished book becomes more editions later, from its folder alone."""

import json
import re
import shutil
from pathlib import Path

import pytest

from api import exit_codes
from api.binding import read_book
from api.cli import main
from api.errors import NoBook
from api.settings import Settings
from api.storybook import make_storybook
from story.design import Design
from story.schema import Story
from tests.api.builders import PlainWriter, a_request, plain_bank, plain_studio
from tests.concepts.builders import contents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished book, with its bank gone."""
    bank = plain_bank(tmp_path)
    make_storybook(
        a_request(bank),
        writer=PlainWriter(),
        writer_name="a plain writer",
        studio=plain_studio(bank),
        out_dir=tmp_path / "fox",
        templates_dir=Settings().templates_dir,
        design=Design(dyslexia=True),
    )
    shutil.rmtree(bank.folder)
    return tmp_path / "fox"


def test_the_same_edition_comes_out_again_byte_for_byte(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)
    assert main(["export", str(folder), "--format", "html", "--out", str(tmp_path / "more")]) == exit_codes.OK
    assert capsys.readouterr().out == f"{tmp_path / 'more' / 'book.html'}\n"
    assert contents(tmp_path / "more") == {"book.html": before["book.html"]}
    assert contents(folder) == before


def test_the_record_keeps_who_is_in_it_and_how_it_looks(folder: Path) -> None:
    book, record = read_book(folder)
    assert [(member.name, member.portrait is not None) for member in book.cast] == [("Rusty", True)]
    assert dict(book.colophon)["Written by"] == "a plain writer"
    assert record.design == book.design == Design(dyslexia=True)
    assert read_book(folder, changes={"dyslexia": False, "print_size": "a4"})[0].design == Design(print_size="a4")


def test_edited_words_are_in_the_next_export(folder: Path) -> None:
    path = folder / "story.json"
    path.write_text(path.read_text(encoding="utf-8").replace("Text 2.", "Better words."), encoding="utf-8")
    assert main(["export", str(folder)]) == exit_codes.OK
    assert "Better words." in (folder / "book.html").read_text(encoding="utf-8")


def test_story_json_is_the_exact_story(folder: Path) -> None:
    story = Story.model_validate_json((folder / "story.json").read_bytes())
    assert (story.title, story.pages[1].text) == ("The <Fox>", "Text 2.")


def test_with_json_the_paths_are_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(folder), "--json"]) == exit_codes.OK
    assert json.loads(capsys.readouterr().out) == {"editions": [str(folder / "book.html")]}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--format", "html,mobi"], exit_codes.USAGE, "'mobi' is no format of a book: there are html"),
        (["--format", ","], exit_codes.USAGE, "Nothing is no format"),
        (["--layout", "../../etc"], exit_codes.BAD_INPUT, "There is no layout '../../etc': there are .*spread"),
        (["--theme", "neon"], exit_codes.BAD_INPUT, "There is no theme 'neon': there are .*paper"),
    ],
)
def test_what_no_edition_can_be_made_of_is_refused(
    folder: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)
    assert main(["export", str(folder), *words]) == code
    captured = capsys.readouterr()
    assert captured.out == "" and pytest.RaisesExc(ValueError, match=message).matches(ValueError(captured.err))
    assert contents(folder) == before


def test_a_folder_without_a_book_is_named(tmp_path: Path) -> None:
    assert main(["export", str(tmp_path)]) == exit_codes.BAD_INPUT
    with pytest.raises(NoBook, match=r"There is no .*story\.json"):
        read_book(tmp_path)


def test_a_damaged_record_is_named(folder: Path) -> None:
    (folder / "book.json").write_text("{}")
    with pytest.raises(NoBook, match=r"(?s)book\.json' is damaged.*Correct or restore"):
        read_book(folder)


@pytest.mark.parametrize(
    ("written", "blank", "message"),
    [
        ('"title": "The <Fox>"', '"title": " \\u0000"', "no title.*--title"),
        (r'"alt": "[^"]*"', '"alt": ""', "the cover, page 1, page 2.*--page 0 --alt"),
    ],
    ids=["title", "alternative texts"],
)
def test_a_book_without_title_or_alternative_text_is_refused(
    folder: Path, written: str, blank: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "story.json"
    path.write_text(re.sub(written, lambda _: blank, path.read_text(encoding="utf-8")), encoding="utf-8")
    assert main(["export", str(folder), "--format", "epub"]) == exit_codes.BAD_INPUT
    assert re.search(message, " ".join(capsys.readouterr().err.split()))
    assert not (folder / "book.epub").exists()


def test_a_missing_picture_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pages" / "page-02.png").unlink()
    assert main(["export", str(folder)]) == exit_codes.BAD_INPUT
    assert "page-02.png" in capsys.readouterr().err
