"""A book read aloud: a recording for each page, and when each sentence is said in it.

Knows the book's sentences and sound files, and neither who speaks nor what the recordings are bound into.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from story.book import Book, BookPage, PageRecording, Sentence
from story.errors import NarrationError

AUDIO_SUFFIXES = (".mp3", ".wav", ".flac", ".ogg")
_PAUSE_S = 0.35
_MAX_MINUTES = 20
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Samples a second that the format has."""

Samples = NDArray[np.float32]
"""(time,), from -1 to 1."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Clip(_Frozen):
    """When a sentence is said, in seconds from the start of its page's recording."""

    sentence: str
    """Its id in the book."""
    text: str
    """Its words when it was recorded."""
    start: Annotated[float, Field(ge=0)]
    stop: Annotated[float, Field(gt=0)]


class Recording(_Frozen):
    """What is heard on one page."""

    page: Annotated[int, Field(ge=1)]
    clips: tuple[Clip, ...]

    def fits(self, page: BookPage) -> bool:
        """Whether the page still has the words that were recorded."""
        return [(clip.sentence, clip.text) for clip in self.clips] == [
            (sentence.id, sentence.text) for sentence, _ in read_aloud(page)
        ]


class Narration(_Frozen):
    """All recordings of a book."""

    format: Literal["fableverse-narration-1"] = "fableverse-narration-1"
    narrator: str
    """Who reads, for people."""
    is_estimated: bool = False
    """Whether the times of sentences were estimated from their lengths."""
    pages: tuple[Recording, ...]


class Voice(Protocol):
    """Whoever reads aloud."""

    name: str

    def say(self, text: str, language: str) -> tuple[Samples, int]:
        """A sentence as sound, and how many samples a second has."""
        ...


def audio_file(page: int) -> str:
    """The name of a page's recording."""
    return f"page-{page:02}.mp3"


def read_aloud(page: BookPage) -> list[tuple[Sentence, str]]:
    """What is read on a page, in order, each with its language: the text, what is said, the text once more."""
    first, *others = page.texts
    return [
        *((sentence, first.language) for paragraph in first.paragraphs for sentence in paragraph),
        *((line.sentence, first.language) for line in page.speech),
        *((sentence, text.language) for text in others for paragraph in text.paragraphs for sentence in paragraph),
    ]


def speak(pages: Sequence[BookPage], voice: Voice, audio_dir: Path) -> Narration:
    """Have a voice read every page, sentence by sentence, into MP3 files.

    Raises:
        NarrationError: The voice cannot read.
        OSError: A file cannot be written.
    """
    audio_dir.mkdir(parents=True, exist_ok=True)
    recordings: list[Recording] = []
    for page in pages:
        pieces: list[Samples] = []
        clips: list[Clip] = []
        length = rate = 0
        for sentence, language in read_aloud(page):
            samples, rate = voice.say(sentence.text, language)
            clips.append(_clip(sentence, length / rate, (length + len(samples)) / rate))
            pieces += [samples, np.zeros(round(_PAUSE_S * rate), np.float32)]
            length += len(pieces[-2]) + len(pieces[-1])
        if pieces:
            _write_mp3(audio_dir / audio_file(page.number), np.concatenate(pieces), rate)
            recordings.append(Recording(page=page.number, clips=tuple(clips)))
    return Narration(narrator=voice.name, pages=tuple(recordings))


def take_over(pages: Sequence[BookPage], files: Mapping[int, Path], audio_dir: Path, *, narrator: str) -> Narration:
    """Take a person's own recordings, by page; when each sentence is said is estimated from the sentences' lengths.

    Raises:
        NarrationError: A file is no sound that can be read, or a page has no words.
        OSError: A file cannot be read or written.
    """
    audio_dir.mkdir(parents=True, exist_ok=True)
    recordings: list[Recording] = []
    for page in pages:
        if page.number not in files:
            continue
        sentences = [sentence for sentence, _ in read_aloud(page)]
        seconds = _adopt(files[page.number], audio_dir / audio_file(page.number))
        ends = np.cumsum([len(sentence.text) for sentence in sentences])
        times = [0.0, *(seconds * float(end) / float(ends[-1]) for end in ends)]
        clips = tuple(map(_clip, sentences, times[:-1], times[1:]))
        recordings.append(Recording(page=page.number, clips=clips))
    return Narration(narrator=narrator, is_estimated=True, pages=tuple(recordings))


def with_narration(book: Book, narration: Narration, audio_dir: Path) -> Book:
    """The book with the recordings of those pages whose words are still the recorded ones.

    Raises:
        NarrationError: A recording is missing.
    """
    recordings = {recording.page: recording for recording in narration.pages}
    pages = tuple(
        _recorded(page, recordings[page.number], audio_dir)
        if page.number in recordings and recordings[page.number].fits(page)
        else page
        for page in book.pages
    )
    return replace(book, pages=pages, narrator=narration.narrator)


def outdated(pages: Sequence[BookPage], narration: Narration) -> tuple[int, ...]:
    """Numbers of the pages whose words are others than those recorded."""
    by_number = {page.number: page for page in pages}
    return tuple(
        each.page for each in narration.pages if each.page not in by_number or not each.fits(by_number[each.page])
    )


def _recorded(page: BookPage, recording: Recording, audio_dir: Path) -> BookPage:
    path = audio_dir / audio_file(page.number)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NarrationError(
            f"There is no {str(path)!r}, which the book's narration names. Restore it, or narrate the book again."
        ) from error
    texts = tuple(
        replace(text, paragraphs=tuple(tuple(map(_marked, paragraph)) for paragraph in text.paragraphs))
        for text in page.texts
    )
    speech = tuple(replace(line, sentence=_marked(line.sentence)) for line in page.speech)
    clips = tuple((clip.sentence, clip.start, clip.stop) for clip in recording.clips)
    kept = PageRecording(name=path.name, data=data, clips=clips)
    return replace(page, texts=texts, speech=speech, recording=kept)


def _marked(sentence: Sentence) -> Sentence:
    return replace(sentence, is_recorded=True)


def _clip(sentence: Sentence, start: float, stop: float) -> Clip:
    return Clip(sentence=sentence.id, text=sentence.text, start=round(start, 3), stop=round(stop, 3))


def _adopt(source: Path, target: Path) -> float:
    """Copy an MP3, or make one of another sound; returns its seconds."""
    data = source.read_bytes()
    mixed: Samples | None = None
    try:
        info = soundfile.info(io.BytesIO(data))
        if not 0 < info.duration <= 60 * _MAX_MINUTES:
            raise NarrationError(
                f"{str(source)!r} lasts {info.duration:.0f} s: a page's recording has 1 s to {_MAX_MINUTES} minutes. "
                "Shorten it, or leave it out."
            )
        if info.format != "MP3":
            mixed = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].mean(axis=1)
    except soundfile.LibsndfileError as error:
        raise NarrationError(
            f"{str(source)!r} is no sound that can be read: {error} Save it as {', '.join(AUDIO_SUFFIXES)}."
        ) from error
    if mixed is None:
        target.write_bytes(data)
    else:
        _write_mp3(target, mixed, info.samplerate)
    return float(info.duration)


def _write_mp3(path: Path, samples: Samples, rate: int) -> None:
    """One channel; MP3 is a format that every reading system plays. A rate that it lacks becomes the next higher."""
    target = min((each for each in _MP3_RATES if each >= rate), default=_MP3_RATES[-1])
    mp3 = io.BytesIO()
    soundfile.write(mp3, samples if target == rate else _resampled(samples, rate, target), target, format="MP3")
    path.write_bytes(mp3.getvalue())


def _resampled(samples: Samples, rate: int, target: int) -> Samples:
    """The same sound with `target` samples a second: its spectrum, cut or continued with zeros."""
    seconds = -(-len(samples) // rate)  # whole ones, so that both lengths are whole too
    spectrum = np.fft.rfft(samples, seconds * rate)
    resampled = np.fft.irfft(spectrum, seconds * target) * (target / rate)
    return resampled[: round(len(samples) * target / rate)].astype(np.float32)
