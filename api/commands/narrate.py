"""`fableverse book narrate`: a finished book is read aloud, and its EPUB editions show which sentence is heard."""

import re
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from api.binding import (
    AUDIO_DIRNAME,
    NARRATION_FILENAME,
    bind_book,
    exported_beside,
    note_of_exported,
    read_book,
    read_narration,
    read_story,
    rehearse_binding,
)
from api.book_folder import BookAsFound, replaced_book
from api.errors import UsageError
from api.outcome import Outcome
from api.settings import Settings
from api.storybook import editions_of
from api.writers import OPENAI, open_gate
from concepts.files import write_whole
from story.book import BookPage
from story.espeak import DEFAULT_SPEED, EspeakVoice
from story.narration import AUDIO_SUFFIXES, Narration, Recording, Voice, audio_file, speak, take_over
from story.schema import WrittenStory
from story.speech_endpoint import EndpointVoice

_OWN_FILE = re.compile(r"page-(\d{1,3})")


def narrate_book(
    folder: Path,
    *,
    audio: Path | None,
    narrator: str | None,
    voice: str | None,
    speed: int | None,
    settings: Settings,
    search_path: str,
    tell: Callable[[str], None],
) -> Outcome:
    """Recordings in the book's folder, and its editions made again with them.

    Own recordings leave those of all other pages as they are, as long as these pages have the words that were recorded.

    Args:
        folder: A book's.
        audio: A folder of a person's own recordings, `page-01.mp3` and so on; None lets espeak-ng read all pages.
        narrator: Who reads the own recordings, for people.
        voice: Of espeak-ng, or "openai:MODEL/VOICE" of the settings' endpoint; None is espeak-ng's for the language.
        speed: Words a minute of espeak-ng.
        search_path: Where espeak-ng is looked for, as in PATH.

    Raises:
        UsageError: The folder of recordings has none, or options contradict each other.
        UnsafeRequest, LanguageModelError: Its words are not for children, or moderation cannot be asked or is silent.
        NarrationError: There is no voice, or a recording cannot be used.
        BookChanged: The book was edited meanwhile.
        NoBook, OutputError, OSError: As for every change of a book.
    """
    found = BookAsFound.of(folder)
    book, record = read_book(folder)
    if audio is None and narrator is not None:
        raise UsageError("--narrator says who reads your own recordings. Give their folder with --audio.")
    if audio is not None and (voice is not None or speed is not None):
        raise UsageError("--voice and --speed are of espeak-ng and not of your own recordings: leave them out.")
    exported = exported_beside(folder, record)
    formats = (*record.formats, *exported)
    story = read_story(folder)
    open_gate(settings).check_story(WrittenStory(story=story))
    rehearse_binding(story, record, templates_dir=settings.templates_dir, exported=exported)
    if audio is None:
        speaker = _voice(voice, speed, settings=settings, search_path=search_path)
        tell(f"Reading {len(book.pages)} pages aloud with {speaker.name} …")
        record_in = partial(speak, book.pages, speaker)
    else:
        record_in = partial(take_over, book.pages, _own_files(audio, book.pages), narrator=narrator or "a recording")
    old = None if audio is None else read_narration(folder)
    with replaced_book(folder, found=found) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True, ignore=shutil.ignore_patterns(AUDIO_DIRNAME))
        narration = record_in(audio_dir=new / AUDIO_DIRNAME)
        if old is not None and (kept := _fitting(old, book.pages, but=narration)):
            for recording in kept:
                name = audio_file(recording.page)
                shutil.copyfile(folder / AUDIO_DIRNAME / name, new / AUDIO_DIRNAME / name)
            tell(f"The recordings of page {', '.join(str(recording.page) for recording in kept)} stay as they are.")
            narration = _joined(narration, old, kept, narrator=narrator)
        write_whole(new / NARRATION_FILENAME, (narration.model_dump_json(indent=2) + "\n").encode())
        bind_book(new, templates_dir=settings.templates_dir, exported=exported)
    if exported:
        tell(f"Note: {note_of_exported(exported)}")
    read = [recording.page for recording in narration.pages]
    silent = [page.number for page in book.pages if page.number not in read]
    if silent:
        tell(f"Note: there is no recording of page {', '.join(map(str, silent))}.")
    if not {"epub", "epub-reflow"} & {*formats}:
        tell("Note: only EPUB is read aloud; make one with fableverse export --format epub,epub-reflow.")
    editions = [str(path) for path in editions_of(folder, formats)]
    pages: list[JsonValue] = list(read)
    return Outcome(
        lines=tuple(editions), data={"editions": [*editions], "narrator": narration.narrator, "pages": pages}
    )


def _fitting(old: Narration, pages: Sequence[BookPage], *, but: Narration) -> list[Recording]:
    """Old recordings of pages that have no new one and still have the words that were recorded."""
    replaced = {recording.page for recording in but.pages}
    by_number = {page.number: page for page in pages if page.number not in replaced}
    return [each for each in old.pages if each.page in by_number and each.fits(by_number[each.page])]


def _joined(new: Narration, old: Narration, kept: Sequence[Recording], *, narrator: str | None) -> Narration:
    """New recordings with kept ones; who reads is whoever read before, and whoever is new."""
    names = [*old.narrator.split(", "), *([] if narrator is None and old.is_estimated else [new.narrator])]
    pages = sorted((*new.pages, *kept), key=lambda recording: recording.page)
    return new.model_copy(update={"narrator": ", ".join(dict.fromkeys(names)), "pages": tuple(pages)})


def _voice(voice: str | None, speed: int | None, *, settings: Settings, search_path: str) -> Voice:
    if voice is None or not voice.startswith(OPENAI):
        return EspeakVoice(search_path=search_path, voice=voice, speed=speed or DEFAULT_SPEED)
    if speed is not None:
        raise UsageError("--speed is of espeak-ng. Leave it out, or name one of its voices.")
    return EndpointVoice(
        voice.removeprefix(OPENAI),
        base_url=settings.base_url,
        api_key=settings.openai_api_key,
        timeout_s=settings.timeout_s,
    )


def _own_files(audio: Path, pages: Sequence[BookPage]) -> dict[int, Path]:
    """A person's recordings by page."""
    numbers = {page.number for page in pages}
    files = {
        int(match[1]): path
        for path in sorted(audio.iterdir())
        if path.suffix.lower() in AUDIO_SUFFIXES and (match := _OWN_FILE.fullmatch(path.stem.lower()))
    }
    if not files.keys() & numbers:
        raise UsageError(
            f"{str(audio)!r} has no recording of a page: they are called page-01.mp3, page-02.mp3 and so on, and may "
            f"end in {', '.join(AUDIO_SUFFIXES)}. Name them so."
        )
    return files
