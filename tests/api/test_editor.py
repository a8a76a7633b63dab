"""A finished book is edited in a person's editor, whose work outlives every refusal."""

import sys
from pathlib import Path

import pytest

from api.cli import main
from api.commands.edit import PageChanges, edit_book
from api.errors import UsageError
from api.exit_codes import USAGE
from concepts.bank import ConceptBank
from story.errors import InvalidRequest, UnsafeRequest
from story.safety import SafetyGate
from tests.concepts.builders import contents

pytest_plugins = ["tests.api.finished"]

COPY = ".fox-story.json"


def editor(tmp_path: Path, old: str, new: str, *, exit_code: int = 0) -> dict[str, str]:
    """The environment of somebody whose editor puts one text for another wherever it stands."""
    script = tmp_path / "editor.py"
    script.write_text(
        f"import sys\npath = sys.argv[1]\ntext = open(path).read().replace({old!r}, {new!r})\n"
        f"open(path, 'w').write(text)\nsys.exit({exit_code})\n"
    )
    return {"EDITOR": f"{sys.executable} {script}"}


def edit(book: Path, bank: ConceptBank, environment: dict[str, str]) -> None:
    edit_book(book, PageChanges(), bank=bank, gate=SafetyGate(), environment=environment)


def test_an_accepted_edit_leaves_no_copy(book: Path, bank: ConceptBank, tmp_path: Path) -> None:
    edit(book, bank, editor(tmp_path, "Text 2.", "New text."))
    assert "New text." in (book / "story.json").read_text(encoding="utf-8")
    assert [path.name for path in book.parent.iterdir()] == ["fox"]


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("Text 2.", 'Text "2.', InvalidRequest, "is no story any more, so nothing is changed"),
        ("Text 2.", "<b>Text 2.", InvalidRequest, "page 2: the text contains markup"),
        ("in the snow 2", "in the snow " * 120, InvalidRequest, "page 2: .*shorten it"),
        ("Text 2.", "The fox was murdered.", UnsafeRequest, "violence"),
    ],
    ids=["a stray quote", "markup", "a long prompt", "violence"],
)
def test_a_refused_edit_is_kept_and_opened_again(
    book: Path, bank: ConceptBank, tmp_path: Path, old: str, new: str, error: type[Exception], message: str
) -> None:
    before = contents(book)
    with pytest.raises(error, match=rf"(?s){message}.*What you wrote is kept in '.*/out/{COPY}'"):
        edit(book, bank, editor(tmp_path, old, new))
    assert contents(book) == before
    edit(book, bank, editor(tmp_path, new, "Mended."))
    assert "Mended." in (book / "story.json").read_text(encoding="utf-8")
    assert not (book.parent / COPY).exists()


def test_a_refused_edit_does_not_undo_what_was_changed_since(book: Path, bank: ConceptBank, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        edit(book, bank, editor(tmp_path, "Text 2.", "<b>"))
    edit_book(book, PageChanges(page=3, text="Words."), bank=bank, gate=SafetyGate(), environment={})
    kept = (book.parent / COPY).read_bytes()
    with pytest.raises(UsageError, match=f"{COPY}' has an edit that was not accepted, and the story was changed since"):
        edit(book, bank, editor(tmp_path, "Text 3.", "New text."))
    assert (book.parent / COPY).read_bytes() == kept


@pytest.mark.parametrize(("new", "is_kept"), [("New text.", True), ("Text 2.", False)], ids=["written", "not written"])
def test_an_editor_that_fails_loses_nothing(
    book: Path, bank: ConceptBank, tmp_path: Path, new: str, is_kept: bool
) -> None:
    before = contents(book)
    with pytest.raises(UsageError, match="ended with an error, so nothing is changed") as caught:
        edit(book, bank, editor(tmp_path, "Text 2.", new, exit_code=1))
    assert contents(book) == before
    assert (book.parent / COPY).exists() == ("is kept in" in str(caught.value)) == is_kept


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"EDITOR": '"x'}, r"is no command: .*Correct EDITOR\."),
        ({"EDITOR": " "}, "No editor is set"),
        ({"EDITOR": "nosucheditor -w"}, r"'nosucheditor -w' cannot be started: No such file.*Correct EDITOR\."),
        ({"VISUAL": "nosucheditor", "EDITOR": "true"}, r"'nosucheditor' cannot be started.*Correct VISUAL\."),
        ({"EDITOR": "/"}, r"'/' cannot be started: Permission denied\. Correct EDITOR\."),
    ],
)
def test_an_editor_that_is_no_command_is_refused(
    book: Path, bank: ConceptBank, environment: dict[str, str], message: str
) -> None:
    before = contents(book.parent)
    with pytest.raises(UsageError, match=message):
        edit(book, bank, environment)
    assert contents(book.parent) == before


def test_a_book_is_edited_from_inside_its_folder(
    book: Path, bank: ConceptBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(book)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor(tmp_path, "Text 2.", "New text.")["EDITOR"])
    assert main(["book", "edit", ".", "--bank", str(bank.folder)]) == 0
    assert "New text." in (book / "story.json").read_text(encoding="utf-8")
    monkeypatch.setenv("EDITOR", "nosucheditor")
    assert main(["book", "edit", ".", "--bank", str(bank.folder)]) == USAGE
    assert "EDITOR" in capsys.readouterr().err
    assert [path.name for path in book.parent.iterdir()] == ["fox"]
