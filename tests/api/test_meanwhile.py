"""What somebody writes into a book while a command works on it is not lost, and neither is what the command made."""

from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from api.binding import RECORD_FILENAME, read_record
from api.book_folder import BookAsFound
from api.book_lock import LOCK_FILENAME, read_lock
from api.commands.edit import PageChanges, edit_book
from api.commands.narrate import narrate_book
from api.errors import BookChanged
from api.rerender import rerender_book
from api.settings import Settings
from api.storybook import redraw_storybook
from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.images import read_metadata
from story.book import STORY_FILENAME
from story.safety import SafetyGate
from tests.api.builders import TEMPLATES_DIR, PlainRenderer, edit, plain_studio
from tests.api.test_editor import COPY, editor
from tests.concepts.builders import contents
from tests.story.servers import serving

pytest_plugins = ["tests.api.finished"]

TYPED = "Typed meanwhile."


def type_into(book: Path, old: str = "Text 1.") -> None:
    """Another text in the story, as by a person's editor."""
    path = book / STORY_FILENAME
    path.write_text(path.read_text(encoding="utf-8").replace(old, TYPED), encoding="utf-8")


class WatchedRenderer(PlainRenderer):
    """Tells of each picture that it begins."""

    def __init__(self, on_picture: Callable[[], None]) -> None:
        super().__init__()
        self.on_picture = on_picture

    def render(self, bound: BoundPrompt, **options: Any) -> Image.Image:
        self.on_picture()
        return super().render(bound, **options)


def expected(before: dict[str, bytes]) -> dict[str, bytes]:
    """The book as it was but for what was typed into its story."""
    return before | {STORY_FILENAME: before[STORY_FILENAME].replace(b"Text 1.", TYPED.encode())}


def test_words_typed_while_pages_are_drawn_again_stay(book: Path, bank: ConceptBank) -> None:
    edit(book, bank, page=3, prompt="a fox in the forest 3")
    before = contents(book)
    studio = plain_studio(bank, renderer=WatchedRenderer(lambda: type_into(book)))
    with pytest.raises(
        BookChanged, match=r"story\.json' was changed while .* Give the same command again[^\n]*\n1 picture was .*kept"
    ):
        rerender_book(book, studio=studio, templates_dir=TEMPLATES_DIR)
    assert contents(book) == expected(before)
    renderer = PlainRenderer()
    done = rerender_book(book, studio=plain_studio(bank, renderer=renderer), templates_dir=TEMPLATES_DIR)
    assert (done.drawn, renderer.drawn) == ((3,), []), "the new picture was kept"
    assert "1 picture was drawn before" in done.warnings[0]
    assert read_metadata(book / "pages" / "page-03.png").prompt == "a fox in the forest 3"
    assert TYPED in (book / "book.html").read_text(encoding="utf-8")


def test_words_typed_while_a_lock_is_drawn_stay(book: Path, bank: ConceptBank) -> None:
    before, found = contents(book), BookAsFound.of(book)
    lock, story = read_lock(book / LOCK_FILENAME)
    studio = plain_studio(bank, renderer=WatchedRenderer(lambda: type_into(book)))
    with pytest.raises(BookChanged):
        redraw_storybook(
            lock, story, read_record(book), earlier=found, studio=studio, out_dir=book, templates_dir=TEMPLATES_DIR
        )
    assert contents(book) == expected(before)


def test_words_typed_while_a_book_is_read_aloud_stay(book: Path) -> None:
    before = contents(book)

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        del body
        type_into(book)
        wav = BytesIO()
        soundfile.write(wav, np.zeros((800, 1), np.float32), 8000, format="WAV")
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(wav.getvalue())))
        handler.end_headers()
        handler.wfile.write(wav.getvalue())

    speaker: dict[str, Any] = {"audio": None, "narrator": None, "voice": "openai:tts-1/coral", "speed": None}
    with serving(answer) as url, pytest.raises(BookChanged):
        narrate_book(book, **speaker, settings=Settings(base_url=url), search_path="", tell=lambda _: None)
    assert contents(book) == expected(before)


class SlowModerator:
    """Judges nothing, while something else goes on."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = meanwhile

    def reasons(self, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        self.meanwhile()
        return ((),) * len(texts)


def test_words_typed_while_an_edit_is_judged_stay(book: Path, bank: ConceptBank) -> None:
    before = contents(book)
    gate = SafetyGate(moderator=SlowModerator(lambda: type_into(book)))
    with pytest.raises(BookChanged):
        edit_book(book, PageChanges(page=2, text="Other words."), bank=bank, gate=gate, environment={})
    assert contents(book) == expected(before)


def test_words_typed_while_an_editor_is_open_stay_as_what_was_written_in_it_does(
    book: Path, bank: ConceptBank, tmp_path: Path
) -> None:
    before = contents(book)
    gate = SafetyGate(moderator=SlowModerator(lambda: type_into(book)))
    environment = editor(tmp_path, "Text 2.", "Written in the editor.")
    told = rf"(?s)was changed while .*kept in '.*{COPY}': put what you want of it into '.*story\.json', and delete it"
    with pytest.raises(BookChanged, match=told):
        edit_book(book, PageChanges(), bank=bank, gate=gate, environment=environment)
    assert contents(book) == expected(before)
    assert "Written in the editor." in (book.parent / COPY).read_text(encoding="utf-8")


@pytest.mark.parametrize("filename", [STORY_FILENAME, RECORD_FILENAME, LOCK_FILENAME, "narration.json"])
@pytest.mark.parametrize("change", ["written", "deleted"])
def test_a_change_of_what_people_and_commands_write_is_noticed(book: Path, filename: str, change: str) -> None:
    (book / "narration.json").write_text("{}")
    found = BookAsFound.of(book)
    (book / "book.html").unlink()
    found.check_unchanged()
    if change == "written":
        (book / filename).write_text("other")
    else:
        (book / filename).unlink()
    with pytest.raises(BookChanged, match=filename):
        found.check_unchanged()
