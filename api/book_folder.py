"""Puts a finished book in its place in one step, so that a folder never holds parts of two books.

Knows which files a book consists of, and nothing of what is in them.
"""

import fcntl
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from api.binding import AUDIO_DIRNAME, CAST_DIRNAME, NARRATION_FILENAME, RECORD_FILENAME
from api.book_lock import LOCK_FILENAME
from api.errors import BookChanged, OutputError
from story.book import STORY_FILENAME
from story.draft import REPLIES_FILENAME
from story.editions.formats import EDITIONS

PAGES_DIRNAME = "pages"
CANDIDATES_DIRNAME = "candidates"
MAX_SLUG_LENGTH = 60
_PARTS = {
    STORY_FILENAME,
    RECORD_FILENAME,
    LOCK_FILENAME,
    REPLIES_FILENAME,
    PAGES_DIRNAME,
    CAST_DIRNAME,
    CANDIDATES_DIRNAME,
    AUDIO_DIRNAME,
    NARRATION_FILENAME,
} | {edition.filename for edition in EDITIONS.values()}
_WRITTEN = (STORY_FILENAME, RECORD_FILENAME, LOCK_FILENAME, NARRATION_FILENAME)
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}
"""What file browsers leave behind by themselves."""
_FILES = {
    PAGES_DIRNAME: re.compile(r"cover\.png|page-\d{2,}\.png"),
    CAST_DIRNAME: re.compile(r"[a-z0-9-]+\.png"),
    CANDIDATES_DIRNAME: re.compile(r"(?:cover|page-\d{2,})-seed-\d+\.png"),
    AUDIO_DIRNAME: re.compile(r"page-\d{2,}\.mp3"),
}


def slug_of(idea: str) -> str:
    """A folder's name for an idea: its words in plain lower-case letters, or a hash where it has none."""
    plain = unicodedata.normalize("NFKD", idea).encode("ascii", "ignore").decode("ascii").lower()
    words = re.findall(r"[a-z0-9]+", re.sub(r"['’]", "", plain))
    slug = ""
    for word in words:
        if len(slug) + 1 + len(word) > MAX_SLUG_LENGTH:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug or f"book-{sha256(idea.encode()).hexdigest()[:8]}"


def draft_place(out_dir: Path) -> Path:
    """Where a language model's story is kept until the book stands in `out_dir`: a hidden folder beside it."""
    place = out_dir.resolve()
    return place.with_name(f".{place.name}.draft")


def pictures_place(out_dir: Path) -> Path:
    """Where pictures are kept until the book stands in `out_dir`: another hidden folder beside it."""
    place = out_dir.resolve()
    return place.with_name(f".{place.name}.pictures")


@dataclass(frozen=True, kw_only=True)
class BookAsFound:
    """A book as it was when a command began to work on it, so that nothing is lost that is written there meanwhile."""

    folder: Path
    written: Mapping[str, bytes]
    """What people and other commands write, by filename."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The book in a folder as it is now; to be taken before the book is read."""
        return cls(folder=folder, written=_written_in(folder))

    def check_unchanged(self) -> None:
        """To be called right before the book is changed.

        Raises:
            BookChanged: It is not as it was found.
        """
        now = _written_in(self.folder)
        changed = [name for name in _WRITTEN if now.get(name) != self.written.get(name)]
        if changed:
            raise BookChanged(
                f"{str(self.folder / changed[0])!r} was changed while the book was worked on, so the book is left as "
                "it is now. Give the same command again: it goes by what is written there now."
            )


def _written_in(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in _WRITTEN if (folder / name).is_file()}


@contextmanager
def replaced_book(out_dir: Path, *, found: BookAsFound | None = None) -> Iterator[Path]:
    """A new empty folder that takes the place of `out_dir` when the body ends well, and vanishes when it raises.

    The place is checked first, before any time is spent on a book that could not be kept there. A book that stands
    there is replaced as a whole, and what killed runs left beside it is deleted. `found` is what the new one is made
    from.

    Raises:
        BookChanged: What it was made from was changed meanwhile; nothing is replaced.
        OutputError: In that place is something other than a book, a book with other files among its own included.
        OSError: The place cannot be written to.
    """
    place = out_dir.resolve()
    check_place(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    new = place.with_name(f".{place.name}-{token}.new")
    _clear_leftovers(place)
    new.mkdir()
    held = ExitStack()
    with suppress(OSError):
        held.enter_context(_locked(new))
    try:
        yield new
        check_place(place)
        if found is not None:
            found.check_unchanged()
        _swap(new, place, place.with_name(f".{place.name}-{token}.old"))
    finally:
        held.close()
        shutil.rmtree(new, ignore_errors=True)


def _clear_leftovers(place: Path) -> None:
    """Delete what runs that were killed left of unfinished books; whoever is still alive holds a lock on theirs."""
    unfinished = re.compile(rf"\.{re.escape(place.name)}-[0-9a-f]{{8}}\.new")
    for path in [path for path in place.parent.iterdir() if unfinished.fullmatch(path.name)]:
        with suppress(OSError), _locked(path):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds a folder while the context lasts; the lock goes with the process, however that ends.

    Raises:
        OSError: Another process holds it, or its file system knows no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def check_place(place: Path) -> None:
    """Raises `OutputError` unless nothing, an empty folder or a book of ours and nothing else is in that place."""
    if not place.exists():
        return
    if not place.is_dir():
        raise OutputError(f"{str(place)!r} is a file, but a book is a folder. Name another folder with --out.")
    entries = {entry.name for entry in place.iterdir()}
    foreign = sorted(entries - _PARTS - _LITTER)
    for dirname, file in _FILES.items():
        if (place / dirname).is_dir():
            names = {entry.name for entry in (place / dirname).iterdir()} - _LITTER
            foreign += sorted(f"{dirname}/{name}" for name in names if not file.fullmatch(name))
    if foreign:
        raise OutputError(
            f"{str(place)!r} holds {', '.join(map(repr, foreign[:3]))}, which is no part of a book, and a new book "
            "replaces its folder as a whole. Move that elsewhere, or name another folder with --out."
        )


def keep_belongings(folder: Path, new: Path) -> None:
    """Take over into a new folder what only time or a person can make again: candidates, recordings, replies."""
    for filename in (REPLIES_FILENAME, NARRATION_FILENAME):
        if (folder / filename).is_file():
            shutil.copyfile(folder / filename, new / filename)
    for dirname in (CANDIDATES_DIRNAME, AUDIO_DIRNAME):
        if (folder / dirname).is_dir():
            shutil.copytree(folder / dirname, new / dirname)


def _swap(new: Path, place: Path, old: Path) -> None:
    """Rename `new` to `place`; what stands there is back in its place if that fails, and deleted if it does not."""
    if not place.exists():
        new.rename(place)
        return
    place.rename(old)
    try:
        new.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old)
