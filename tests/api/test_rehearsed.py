"""What keeps a book's editions from being made is told before anything is loaded, drawn or read aloud."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api import exit_codes
from api.commands.book import make_book, redraw_book
from api.commands.import_script import import_script
from api.commands.narrate import narrate_book
from api.commands.render import render_book
from api.console import Reporter
from api.settings import Settings
from concepts.bank import ConceptBank
from story.errors import BookError
from tests.concepts.builders import contents
from tests.story.test_script import a_script

pytest_plugins = ["tests.api.finished"]

FABLEVERSE = Path(sys.executable).with_name("fableverse")
LOOKS: dict[str, Any] = {"formats": ("html",), "changes": {}}
OF_THE_LOCK: dict[str, Any] = {"model": None, "revision": None}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a person whose template for the browser uses what it is not given."""
    template = tmp_path / "own" / "book" / "book.html.j2"
    template.parent.mkdir(parents=True)
    template.write_text("{{ speling }}")
    return Settings(templates_dir=tmp_path / "own")


Command = Callable[[Path, ConceptBank, Settings], object]


def of_an_idea(book: Path, bank: ConceptBank, settings: Settings) -> None:
    wish: dict[str, Any] = {"cast": [], "pages": 4, "age": 5, "seed": 0, "language": "en", "second_language": None}
    at = {"settings": settings, "bank": bank, "out_dir": book.parent / "new", "reporter": Reporter()}
    make_book("a fox", **wish, strengths={}, **at, **LOOKS)


def of_a_script(book: Path, bank: ConceptBank, settings: Settings) -> None:
    at = {"settings": settings, "bank": bank, "out_dir": book.parent / "new", "reporter": Reporter()}
    script: dict[str, Any] = {"cast": {}, "title": None, "language": "en", "seed": 0, "strengths": {}}
    import_script(a_script(book.parent.parent), **script, **at, **LOOKS)


def by_its_lock(book: Path, bank: ConceptBank, settings: Settings) -> None:
    at = {"settings": settings, "bank": bank, "out_dir": None, "reporter": Reporter()}
    redraw_book(book / "book.lock", **OF_THE_LOCK, **at, formats=None, changes={})


def rendered(book: Path, bank: ConceptBank, settings: Settings) -> None:
    wish: dict[str, Any] = {"pages": (), "candidates": 1, "choices": {}}
    render_book(book, **wish, **OF_THE_LOCK, settings=settings, bank=bank, reporter=Reporter())


def narrated(book: Path, bank: ConceptBank, settings: Settings) -> None:
    del bank
    speaker: dict[str, Any] = {"audio": None, "narrator": None, "voice": "openai:tts-1/coral", "speed": None}
    narrate_book(book, **speaker, settings=settings, search_path="", tell=Reporter().note)


@pytest.mark.parametrize("command", [of_an_idea, of_a_script, by_its_lock, rendered, narrated])
def test_a_template_that_fails_is_told_before_any_work(
    book: Path, bank: ConceptBank, settings: Settings, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(book.parent)
    with pytest.raises(BookError, match=r"The template 'book/book\.html\.j2' cannot be rendered: .*speling"):
        command(book, bank, settings)
    assert capsys.readouterr().err == ""
    assert contents(book.parent) == before


def test_a_pdf_that_cannot_be_made_is_told_before_the_model_is_loaded(
    bank: ConceptBank, tmp_path: Path, without_pango: dict[str, str]
) -> None:
    command = [FABLEVERSE, "book", "a fox", "--bank", bank.folder, "--out", tmp_path / "new", "--format", "html,pdf"]
    done = subprocess.run(command, env=os.environ | without_pango, capture_output=True, text=True, check=False)
    assert done.returncode == exit_codes.BAD_INPUT
    assert done.stderr.startswith("fableverse: A PDF needs the Pango library")
    assert not (tmp_path / "new").exists()
