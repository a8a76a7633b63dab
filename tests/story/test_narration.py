"""Books read aloud: what is recorded, when each sentence is said, and EPUBs that EPUBCheck finds nothing wrong with."""

import os
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from story.book import Book
from story.design import Design
from story.editions.formats import write_editions
from story.errors import NarrationError
from story.espeak import EspeakVoice
from story.narration import Samples, outdated, read_aloud, speak, take_over, with_narration
from story.speech_endpoint import EndpointVoice
from story.templates import Templates
from tests.publications import complaints_of, require
from tests.story.book_samples import as_book, paint_all
from tests.story.comics import comic_book, comic_story
from tests.story.tales import LANGUAGES, tale

RATE = 8000
SMIL = "{http://www.w3.org/ns/SMIL}"
OPF = {"opf": "http://www.idpf.org/2007/opf"}


class Hum:
    """A voice that hums a tenth of a second for every five letters, and remembers what it read."""

    name = "a hum"

    def __init__(self) -> None:
        self.read: list[tuple[str, str]] = []

    def say(self, text: str, language: str) -> tuple[Samples, int]:
        self.read.append((text, language))
        seconds = 0.1 * (1 + len(text) // 5)
        return np.sin(np.arange(round(seconds * RATE)) / 6).astype(np.float32) / 2, RATE


def a_book(folder: Path, language: str = "en", second: str | None = None) -> Book:
    story = tale(language, second=second)
    return as_book(story, paint_all(story, folder / "pictures"))


def clips_of(path: Path) -> dict[str, list[tuple[str, str, float, float]]]:
    """For each document with an overlay, its clips: sentence, recording, start and stop."""
    found: dict[str, list[tuple[str, str, float, float]]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".smil"):
                for par in ElementTree.fromstring(archive.read(name)).iter(f"{SMIL}par"):
                    text, audio = par[0].attrib, par[1].attrib
                    document, _, sentence = text["src"].partition("#")
                    times = (float(audio["clipBegin"].rstrip("s")), float(audio["clipEnd"].rstrip("s")))
                    found.setdefault(document, []).append((sentence, audio["src"], *times))
    return found


@pytest.mark.parametrize(
    ("language", "edition"), [*zip(LANGUAGES, ("epub", "epub-reflow", "epub-reflow", "epub"), strict=True)]
)
def test_a_voice_reads_and_epubcheck_finds_nothing(tmp_path: Path, language: str, edition: str) -> None:
    require("espeak-ng", "espeak-ng")
    book = a_book(tmp_path, language)
    voice = EspeakVoice(search_path=os.environ["PATH"], speed=300)
    narration = speak(book.pages[:2], voice, tmp_path / "audio")
    read = with_narration(book, narration, tmp_path / "audio")
    for path in write_editions(read, (edition,), tmp_path, templates=Templates()):
        assert complaints_of(path) == []
        spoken = [clip for clips in clips_of(path).values() for clip in clips]
        assert [clip[0] for clip in spoken] == [s.id for page in book.pages[:2] for s, _ in read_aloud(page)]
        with zipfile.ZipFile(path) as archive:
            for _, audio, start, stop in spoken:
                with archive.open(f"EPUB/{audio}") as sound:
                    assert 0 <= start < stop <= soundfile.info(sound).duration


def test_two_languages_and_balloons_are_read_in_order(tmp_path: Path) -> None:
    hum = Hum()
    book = a_book(tmp_path, second="ar")
    speak(book.pages[:1], hum, tmp_path / "audio")
    assert [language for _, language in hum.read] == sorted((each for _, each in hum.read), key=["en", "ar"].index)
    comic = comic_book(tmp_path / "comic", comic_story(), design=Design(layout="comic"))
    narration = speak(comic.pages, hum, tmp_path / "spoken")
    (path,) = write_editions(
        with_narration(comic, narration, tmp_path / "spoken"), ("epub",), tmp_path, templates=Templates()
    )
    assert complaints_of(path) == []
    spoken = [sentence for clips in clips_of(path).values() for sentence, *_ in clips]
    assert "p1-l1" in spoken and len(spoken) == sum(len(read_aloud(page)) for page in comic.pages)


def test_the_package_says_how_long_it_lasts_and_who_reads(tmp_path: Path) -> None:
    book = a_book(tmp_path)
    read = with_narration(book, speak(book.pages, Hum(), tmp_path / "audio"), tmp_path / "audio")
    (path,) = write_editions(read, ("epub-reflow",), tmp_path, templates=Templates())
    with zipfile.ZipFile(path) as archive:
        package = ElementTree.fromstring(archive.read("EPUB/package.opf"))
    metas = package.findall("opf:metadata/opf:meta", OPF)
    durations = [meta for meta in metas if meta.get("property") == "media:duration"]
    *parts, (whole,) = (
        [meta for meta in durations if (meta.get("refines") is not None) is refines] for refines in (True, False)
    )
    lasts = sum(stop - start for clips in clips_of(path).values() for _, _, start, stop in clips)
    assert float((whole.text or "").rstrip("s")) == pytest.approx(lasts, abs=0.01)
    assert len(parts[0]) == len(book.pages)
    told = {meta.get("property"): meta.text for meta in metas}
    assert (told["media:narrator"], told["media:active-class"]) == ("a hum", "now-read")
    assert "synchronizedAudioText" in [meta.text for meta in metas]


def test_a_page_whose_words_changed_is_not_read(tmp_path: Path) -> None:
    book = a_book(tmp_path)
    narration = speak(book.pages, Hum(), tmp_path / "audio")
    clip = narration.pages[1].clips[0].model_copy(update={"text": "Other words."})
    stale = narration.pages[1].model_copy(update={"clips": (clip, *narration.pages[1].clips[1:])})
    old = narration.model_copy(update={"pages": (narration.pages[0], stale, *narration.pages[2:])})
    assert outdated(book.pages, old) == (2,)
    read = with_narration(book, old, tmp_path / "audio")
    assert [page.recording is None for page in read.pages[:3]] == [False, True, False]


def test_without_recordings_nothing_is_said_of_sound(tmp_path: Path) -> None:
    (path,) = write_editions(a_book(tmp_path), ("epub",), tmp_path, templates=Templates())
    with zipfile.ZipFile(path) as archive:
        assert "media:" not in archive.read("EPUB/package.opf").decode()
        assert "<span id=" not in archive.read("EPUB/page-01.xhtml").decode()


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_own_recordings_are_taken_with_estimated_times(tmp_path: Path, ending: str) -> None:
    book = a_book(tmp_path)
    own = tmp_path / f"page-01.{ending}"
    soundfile.write(own, np.zeros((3 * RATE, 2), np.float32), RATE)
    narration = take_over(book.pages, {1: own}, tmp_path / "audio", narrator="Grandma")
    (recording,) = narration.pages
    assert narration.is_estimated and recording.clips[0].start == 0
    assert recording.clips[-1].stop == pytest.approx(3, abs=0.2)
    assert all(one.stop == two.start for one, two in zip(recording.clips, recording.clips[1:], strict=False))
    read = with_narration(book, narration, tmp_path / "audio")
    assert read.pages[0].recording is not None and read.pages[1].recording is None
    assert soundfile.info(tmp_path / "audio" / "page-01.mp3").format == "MP3"


@pytest.mark.parametrize(("rate", "kept"), [(96000, 48000), (88200, 48000), (22254, 24000), (4000, 8000)])
def test_recordings_of_a_rate_that_mp3_lacks_sound_the_same(tmp_path: Path, rate: int, kept: int) -> None:
    own = tmp_path / "page-01.wav"
    tone = np.sin(2 * np.pi * 440 * np.arange(round(2.4 * rate)) / rate).astype(np.float32) / 2
    soundfile.write(own, tone, rate)
    take_over(a_book(tmp_path).pages, {1: own}, tmp_path / "audio", narrator="Grandma")
    samples, found = soundfile.read(tmp_path / "audio" / "page-01.mp3")
    assert found == kept and len(samples) == pytest.approx(2.4 * kept, rel=0.05)
    second = samples[kept // 2 : 3 * kept // 2]
    assert np.argmax(np.abs(np.fft.rfft(second))) == 440, "hertz"
    assert np.abs(second).max() == pytest.approx(0.5, abs=0.05)


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "page-01.mp3"
    own.write_bytes(b"no sound at all")
    with pytest.raises(NarrationError, match="no sound that can be read"):
        take_over(a_book(tmp_path).pages, {1: own}, tmp_path / "audio", narrator="")


def test_without_espeak_a_person_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(NarrationError, match="apt-get install espeak-ng"):
        EspeakVoice(search_path=str(tmp_path))


def test_a_language_without_a_voice_is_refused() -> None:
    require("espeak-ng", "espeak-ng")
    with pytest.raises(NarrationError, match="cannot read xx with the voice 'xx'"):
        EspeakVoice(search_path=os.environ["PATH"]).say("Hm.", "xx")


def test_a_voice_of_openai_without_a_key_is_refused_with_what_to_set() -> None:
    with pytest.raises(NarrationError, match="OPENAI_API_KEY"):
        EndpointVoice("tts-1/coral", base_url=None, api_key=None, timeout_s=1.0)
    EndpointVoice("tts-1/coral", base_url="http://localhost:1/v1", api_key=None, timeout_s=1.0)
