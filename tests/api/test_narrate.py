"""A finished book is read aloud on the command line, and stays whole through edits and new pictures."""

import io
import json
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from api import exit_codes
from api.binding import read_narration
from api.cli import main
from api.commands.narrate import narrate_book
from api.rerender import rerender_book
from api.settings import Settings
from api.storybook import make_storybook
from concepts.bank import ConceptBank
from story.errors import NarrationError
from tests.api.builders import PlainWriter, a_request, plain_bank, plain_studio
from tests.concepts.builders import contents
from tests.publications import require
from tests.story.servers import serving

RATE = 8000


@pytest.fixture
def bank(tmp_path: Path) -> ConceptBank:
    return plain_bank(tmp_path)


@pytest.fixture
def book(tmp_path: Path, bank: ConceptBank) -> Path:
    """A finished book of four pages with an EPUB."""
    make_storybook(
        a_request(bank),
        writer=PlainWriter(),
        writer_name="a plain writer",
        studio=plain_studio(bank),
        out_dir=tmp_path / "book",
        templates_dir=Settings().templates_dir,
        formats=("epub-reflow",),
    )
    return tmp_path / "book"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A person's recordings of two pages."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("page-01.wav", "Page-3.flac", "notes.wav"):
        soundfile.write(folder / name, np.zeros(2 * RATE, np.float32), RATE)
    return folder


def test_espeak_reads_a_book(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    require("espeak-ng", "espeak-ng")
    before = contents(book)
    assert main(["book", "narrate", str(book), "--speed", "200", "--json"]) == exit_codes.OK
    assert json.loads(capsys.readouterr().out)["pages"] == [1, 2, 3, 4]
    after = contents(book)
    assert {name for name, data in before.items() if after[name] != data} == {"book-reflow.epub"}
    assert {f"audio/page-0{number}.mp3" for number in range(1, 5)} <= after.keys()


def test_own_recordings_stay_through_edits_and_new_pictures(
    book: Path, own: Path, bank: ConceptBank, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["book", "narrate", str(book), "--audio", str(own), "--narrator", "Grandma"]) == exit_codes.OK
    assert "no recording of page 2, 4" in capsys.readouterr().err
    sounds = {name: data for name, data in contents(book).items() if name.startswith("audio/page")}
    assert sorted(sounds) == ["audio/page-01.mp3", "audio/page-03.mp3"]

    edit = ["book", "edit", str(book), "--page", "3", "--bank", str(bank.folder)]
    assert main([*edit, "--prompt", "a fox in the forest 3"]) == exit_codes.OK
    assert "The recording" not in capsys.readouterr().out
    assert main([*edit, "--text", "Other words."]) == exit_codes.OK
    assert "The recording of page 3 is left out" in capsys.readouterr().out
    done = rerender_book(book, studio=plain_studio(bank), templates_dir=Settings().templates_dir)
    assert done.drawn == (3,)
    narration = read_narration(book)
    assert narration is not None and narration.narrator == "Grandma"
    assert {name: data for name, data in contents(book).items() if name.startswith("audio/page")} == sounds


def test_one_page_recorded_again_leaves_the_others_that_still_fit(
    book: Path, own: Path, bank: ConceptBank, capsys: pytest.CaptureFixture[str]
) -> None:
    narrate = ["book", "narrate", str(book), "--audio"]
    soundfile.write(own / "page-02.wav", np.zeros(RATE, np.float32), RATE)
    assert main([*narrate, str(own), "--narrator", "Grandma"]) == exit_codes.OK
    before = contents(book)
    assert main(["book", "edit", str(book), "--page", "2", "--text", "New.", "--bank", str(bank.folder)]) == 0
    again = own.parent / "again"
    again.mkdir()
    soundfile.write(again / "page-03.wav", np.ones(3 * RATE, np.float32), RATE)
    capsys.readouterr()

    assert main([*narrate, str(again)]) == exit_codes.OK
    told = capsys.readouterr().err
    assert "The recordings of page 1 stay as they are" in told and "no recording of page 2, 4" in told
    after = contents(book)
    assert sorted(name for name in after if name.startswith("audio/page")) == ["audio/page-01.mp3", "audio/page-03.mp3"]
    assert after["audio/page-01.mp3"] == before["audio/page-01.mp3"]
    assert after["audio/page-03.mp3"] != before["audio/page-03.mp3"]
    narration = read_narration(book)
    assert narration is not None and narration.narrator == "Grandma"
    assert [recording.page for recording in narration.pages] == [1, 3]
    for name, everybody in (("Grandpa", "Grandma, Grandpa"), ("Grandma", "Grandma, Grandpa")):
        assert main([*narrate, str(again), "--narrator", name]) == exit_codes.OK
        narration = read_narration(book)
        assert narration is not None and narration.narrator == everybody


def test_exported_editions_are_read_aloud_too(book: Path, own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(book), "--format", "epub"]) == exit_codes.OK
    assert main(["book", "narrate", str(book), "--audio", str(own)]) == exit_codes.OK
    told = capsys.readouterr()
    assert "book.epub, exported before, is bound again" in told.err and str(book / "book.epub") in told.out
    with zipfile.ZipFile(book / "book.epub") as archive:
        assert "EPUB/audio/page-01.mp3" in archive.namelist()


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--narrator", "Grandma"], exit_codes.USAGE, "Give their folder with --audio"),
        (["--audio", "own", "--voice", "en"], exit_codes.USAGE, "leave them out"),
        (["--audio", "empty"], exit_codes.USAGE, "has no recording of a page"),
        (["--audio", "nowhere"], exit_codes.DISK, "nowhere"),
    ],
)
def test_what_cannot_be_read_aloud_changes_nothing(
    book: Path, own: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: int, message: str
) -> None:
    (own.parent / "empty").mkdir()
    before = contents(book)
    words = [str(own.parent / word) if word in ("own", "empty", "nowhere") else word for word in more]
    assert main(["book", "narrate", str(book), *words]) == code
    assert message in capsys.readouterr().err
    assert contents(book) == before


def test_an_endpoint_reads_a_book(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[dict[str, Any]] = []

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        asked.append(body)
        wav = io.BytesIO()
        soundfile.write(wav, np.zeros((RATE, 1), np.float32), RATE, format="WAV")
        is_voice = handler.path.endswith("/audio/speech") and body["voice"] == "coral"
        handler.send_response(200 if is_voice else 404)
        handler.send_header("Content-Length", str(len(wav.getvalue())))
        handler.end_headers()
        handler.wfile.write(wav.getvalue())

    with serving(answer) as url:
        words = ["book", "narrate", str(book), "--base-url", url, "--voice"]
        assert main([*words, "openai:tts-1/coral"]) == exit_codes.OK
        assert [body["input"] for body in asked] == [f"Text {number}." for number in range(1, 5)]
        narration = read_narration(book)
        assert narration is not None and narration.narrator == "tts-1/coral"
        assert [clip.stop for page in narration.pages for clip in page.clips] == [1.0] * 4
        before = contents(book)
        assert main([*words, "openai:tts-1/nobody"]) == exit_codes.BAD_INPUT
        assert "did not read 'Text 1.'" in capsys.readouterr().err
    assert main(["book", "narrate", str(book), "--voice", "openai:tts-1"]) == exit_codes.BAD_INPUT
    assert contents(book) == before


def test_without_espeak_nothing_is_changed(book: Path, tmp_path: Path) -> None:
    before = contents(book)
    with pytest.raises(NarrationError, match="There is no 'espeak-ng' on the PATH"):
        narrate_book(
            book,
            audio=None,
            narrator=None,
            voice=None,
            speed=None,
            settings=Settings(),
            search_path=str(tmp_path),
            tell=str.strip,
        )
    assert contents(book) == before
