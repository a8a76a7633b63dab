"""A finished book's words may have been edited by hand, so every command that shows them checks them first."""

from pathlib import Path

import pytest

from api import exit_codes
from api.cli import main
from concepts.bank import ConceptBank
from tests.concepts.builders import contents

pytest_plugins = ["tests.api.finished"]

COMMANDS = [["export"], ["book", "narrate"], ["book", "render"], ["book", "--lock"]]


def words_of(command: list[str], book: Path, bank: ConceptBank) -> list[str]:
    if command[-1] == "--lock":
        return [*command, str(book / "book.lock"), "--bank", str(bank.folder)]
    return [*command, str(book), *(["--bank", str(bank.folder)] if command[-1] == "render" else [])]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("part", ["Text 3.", "Rusty on page 3."], ids=["text", "alternative text"])
def test_words_that_are_not_for_children_are_refused_before_any_work(
    book: Path, bank: ConceptBank, command: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = book / "story.json"
    text = path.read_text(encoding="utf-8")
    assert part in text
    path.write_text(text.replace(part, "The fox was murdered."), encoding="utf-8")
    before = contents(book.parent)
    assert main(words_of(command, book, bank)) == exit_codes.BAD_INPUT
    told = capsys.readouterr()
    assert told.out == "" and "of page 3 is not for children (violence)" in told.err
    assert "Loading" not in told.err and "Reading" not in told.err
    assert contents(book.parent) == before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_moderation_that_is_demanded_is_asked(
    book: Path, bank: ConceptBank, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(book.parent)
    assert main([*words_of(command, book, bank), "--moderation", "on"]) == exit_codes.STORY
    assert "moderation of texts needs a key" in capsys.readouterr().err
    assert contents(book.parent) == before
