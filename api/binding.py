"""The book in a folder: what its editions are made from, and the making of them, at once or later.

A folder holds `story.json` (the words), `book.json` (who is in it, how it was made, how it looks, which editions it
has), `pages/` and `cast/` (the pictures). Knows nothing of drawing.
"""

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from api.book_lock import picture_file
from api.errors import NoBook
from concepts.files import write_whole
from concepts.schema import ConceptCard
from story.book import STORY_FILENAME, Book, book_of
from story.design import Design
from story.editions.formats import EDITIONS, check_formats, write_editions
from story.editions.rehearsal import rehearse
from story.narration import Narration, with_narration
from story.schema import Face, Story
from story.templates import Templates

RECORD_FILENAME = "book.json"
CAST_DIRNAME = "cast"
AUDIO_DIRNAME = "audio"
NARRATION_FILENAME = "narration.json"
Model = TypeVar("Model", bound=BaseModel)


class BenchmarkStory(BaseModel):
    """Which story of ViStoryBench a book was imported from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    story: Annotated[str, Field(pattern=r"^\d{1,4}$")]
    """Its folder's name, "01"."""
    shots: tuple[int, ...]
    """The number of each page's shot."""


class BookRecord(BaseModel):
    """What all editions share beside words and pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["fableverse-editions-1"] = "fableverse-editions-1"
    cast: tuple[ConceptCard, ...]
    """Who is named on the last page, in this order."""
    colophon: dict[str, str]
    """How the book was made: label and value of each line."""
    design: Design = Design()
    faces: dict[str, tuple[Face, ...]] = {}
    """Where faces are, by the name of the picture ("page-01"), for pictures of which somebody said so."""
    benchmark: BenchmarkStory | None = None
    """For a book that was imported from there."""
    identifier: UUID
    """Which book it is, for libraries and reading systems."""
    formats: Annotated[tuple[str, ...], AfterValidator(check_formats)] = ("html",)
    """The editions that are made whenever the book is."""


def lay_out(folder: Path, story: Story, record: BookRecord, *, portraits: Mapping[str, Path]) -> None:
    """Put everything but the pages' pictures into a book's new folder.

    Args:
        folder: Where the book is being made.
        story: The words.
        record: What editions share.
        portraits: Pictures of the cast by id; members without one are only named.

    Raises:
        OSError: A file cannot be written.
    """
    write_whole(folder / STORY_FILENAME, (story.model_dump_json(indent=2) + "\n").encode())
    write_whole(folder / RECORD_FILENAME, (record.model_dump_json(indent=2) + "\n").encode())
    for card in record.cast:
        if card.id in portraits:
            (folder / CAST_DIRNAME).mkdir(exist_ok=True)
            shutil.copyfile(portraits[card.id], _portrait(folder, card))


def bind_book(
    folder: Path, *, templates_dir: Path, exported: Sequence[str] = (), out_dir: Path | None = None
) -> tuple[Path, ...]:
    """Make the editions that the folder's record names, and others with the same looks; returns their paths.

    Args:
        folder: A book's.
        templates_dir: A person's own templates, or the shipped ones.
        exported: The others.
        out_dir: Where they go instead of into the folder.

    Raises:
        NoBook, BookError, UnreadablePicture, OSError: As for `read_book` and `write_editions`.
    """
    book, record = read_book(folder)
    formats = (*record.formats, *exported)
    return write_editions(book, formats, out_dir or folder, templates=Templates(templates_dir))


def rehearse_binding(story: Story, record: BookRecord, *, templates_dir: Path, exported: Sequence[str] = ()) -> None:
    """Look whether `bind_book` could make the editions, before anything is drawn or read aloud for them.

    Raises:
        BookError: A template cannot be used, or a PDF's libraries are missing.
    """
    rehearse(
        (*record.formats, *exported),
        record.design,
        Templates(templates_dir),
        language=story.language,
        second_language=story.second_language,
    )


def exported_beside(folder: Path, record: BookRecord) -> tuple[str, ...]:
    """Formats of the editions that lie in a book's folder though its record does not name them."""
    return tuple(
        name
        for name, edition in EDITIONS.items()
        if name not in record.formats and (folder / edition.filename).is_file()
    )


def note_of_exported(exported: Sequence[str]) -> str:
    """What a person is told where exported editions are bound again, since they may have had looks of their own."""
    files = ", ".join(EDITIONS[name].filename for name in exported)
    return f"{files}, exported before, is bound again with the looks that {RECORD_FILENAME} has."


def export_book(
    folder: Path, *, formats: Sequence[str], changes: Mapping[str, object], templates_dir: Path, out_dir: Path | None
) -> tuple[Path, ...]:
    """Make editions of a finished book; its record stays as it is.

    Args:
        folder: A book's.
        formats: Which editions.
        changes: Fields of `Design` that differ from the record's.
        templates_dir: A person's own templates, or the shipped ones.
        out_dir: Where they go instead of into the folder.

    Raises:
        NoBook, BookError, UnreadablePicture, OSError: As for `read_book` and `write_editions`.
    """
    book, _ = read_book(folder, changes=changes)
    return write_editions(book, formats, out_dir or folder, templates=Templates(templates_dir))


def read_record(folder: Path) -> BookRecord:
    """The record of the book in a folder.

    Raises:
        NoBook: There is none, or it is damaged.
    """
    return _read(folder / RECORD_FILENAME, BookRecord)


def read_story(folder: Path) -> Story:
    """The words of the book in a folder.

    Raises:
        NoBook: There are none, or they are damaged.
    """
    return _read(folder / STORY_FILENAME, Story)


def read_book(folder: Path, *, changes: Mapping[str, object] | None = None) -> tuple[Book, BookRecord]:
    """The book in a folder, with its record.

    Raises:
        NoBook: The folder holds no book, or one of its files is damaged.
        BookError, UnreadablePicture: Its words and pictures do not fit.
    """
    story, record = read_story(folder), read_record(folder)
    portraits = {card.id: _portrait(folder, card) for card in record.cast}
    book = book_of(
        story,
        [folder / picture_file(index) for index in range(len(story.scenes))],
        cast=record.cast,
        colophon=record.colophon,
        identifier=record.identifier,
        modified=datetime.fromtimestamp((folder / STORY_FILENAME).stat().st_mtime, tz=UTC),
        portraits={concept_id: path for concept_id, path in portraits.items() if path.is_file()},
        faces=record.faces,
        design=record.design.model_copy(update=dict(changes or {})),
    )
    narration = read_narration(folder)
    return (with_narration(book, narration, folder / AUDIO_DIRNAME) if narration else book), record


def read_narration(folder: Path) -> Narration | None:
    """What a book's folder says of its recordings; None where it has none.

    Raises:
        NoBook: It is damaged.
    """
    path = folder / NARRATION_FILENAME
    return _read(path, Narration) if path.is_file() else None


def _portrait(folder: Path, card: ConceptCard) -> Path:
    return folder / CAST_DIRNAME / f"{card.id}.png"


def _read(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoBook(f"There is no {str(path)!r}: a book's folder has one. Name the folder of a book.") from error
    except ValidationError as error:
        raise NoBook(f"{str(path)!r} is damaged: {error} Correct or restore it.") from error
