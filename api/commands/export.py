"""`fableverse export`: a finished book becomes more editions, or pictures for ViStoryBench's scorer."""

import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from api.binding import export_book, read_record, read_story
from api.book_folder import slug_of
from api.book_lock import LOCK_FILENAME, picture_file, read_lock_only
from api.errors import UsageError
from api.outcome import Outcome
from api.settings import Settings
from api.writers import open_gate
from story.schema import WrittenStory

METHOD = "fableverse"
_RUN = re.compile(r"\d{8}[-_]\d{6}")


def export_editions(
    folder: Path, *, formats: Sequence[str], changes: Mapping[str, object], out_dir: Path | None, settings: Settings
) -> Outcome:
    """The editions of the book in `folder`, written into it or into `out_dir`; nothing is drawn.

    Args:
        folder: A book's.
        formats: Which editions.
        changes: Fields of `Design` that differ from the book's own.
        out_dir: Where they go instead of into the folder.
        settings: Whose templates are used, and which moderation.

    Raises:
        UnsafeRequest, LanguageModelError: Its words, which may have been edited since, are not for children, or the
            moderation that is asked for lacks a key or gives no verdict.
        NoBook, BookError, OSError: As for `export_book`.
    """
    open_gate(settings).check_story(WrittenStory(story=read_story(folder)))
    paths = export_book(folder, formats=formats, changes=changes, templates_dir=settings.templates_dir, out_dir=out_dir)
    editions = [str(path) for path in paths]
    return Outcome(lines=tuple(editions), data={"editions": list(editions)})


def export_shots(folder: Path, outputs: Path, *, run: str | None) -> Outcome:
    """The pictures of a book that was imported from ViStoryBench, as its scorer reads them.

    They go to `fableverse/MODEL/LANGUAGE/RUN/STORY/shots/shot_NN.png` in `outputs`; stories of one run share its name.

    Args:
        folder: The book's.
        outputs: The scorer's `outputs` folder.
        run: "YYYYMMDD-HHMMSS"; by default now.

    Raises:
        UsageError: The book is of no such story, or the run's name has another form.
        NoBook, LockMismatch: The folder holds no book.
    """
    lock, story = read_lock_only(folder / LOCK_FILENAME)
    record = read_record(folder)
    if record.benchmark is None or len(record.benchmark.shots) != len(story.pages):
        raise UsageError(
            f"{str(folder)!r} is not the book of a ViStoryBench story with a page for each shot. Make one with "
            "fableverse book import and the story's story.json."
        )
    run = run or datetime.now().strftime("%Y%m%d-%H%M%S")
    if not _RUN.fullmatch(run):
        raise UsageError(f"--run {run!r} is no name that the scorer knows: it is YYYYMMDD-HHMMSS.")
    language = "ch" if story.language == "zh" else story.language
    place = outputs / METHOD / slug_of(lock.model.name) / language / run / record.benchmark.story / "shots"
    place.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for number, shot in enumerate(record.benchmark.shots, start=1):
        paths.append(place / f"shot_{shot:02}.png")
        shutil.copyfile(folder / picture_file(number), paths[-1])
    return Outcome(lines=(str(place),), data={"shots": [str(path) for path in paths]})
