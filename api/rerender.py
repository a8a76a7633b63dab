"""Draws those pictures of a finished book again whose inputs changed, and leaves the others byte for byte.

A picture's inputs are its prompt, its concepts' directions, its seed, and the model and settings of the lock. Knows
nothing of command lines or of how models are loaded.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from api.binding import RECORD_FILENAME, BookRecord, bind_book, exported_beside, lay_out, note_of_exported, read_record
from api.book_folder import CANDIDATES_DIRNAME, BookAsFound, keep_belongings, replaced_book
from api.book_lock import (
    LOCK_FILENAME,
    BookLock,
    LockedPicture,
    check_model,
    current_versions,
    locked_picture,
    moved_lock,
    picture_file,
    read_lock_only,
    version_warnings,
    with_pictures,
)
from api.drawn_numbers import notes_of_numbers
from api.errors import UsageError
from api.kept_pictures import KeptPictures, kept_pictures, save_locked
from api.storybook import (
    OnDrawing,
    Studio,
    cards_of,
    draw_locked,
    editions_of,
    on_step_of,
    portraits_of,
)
from concepts.bank import ConceptBank
from generator.images import read_metadata
from generator.plan import Numbers
from story.schema import Face, Story

_SEED_STEP = 1_000_003
_SEEDS = 2**32


class PageScorer(Protocol):
    """Whoever says how good a picture of a page is."""

    def score(self, image: Image.Image, picture: LockedPicture) -> float:
        """From 0 to 1: concepts there and like their sources, prompt followed, people counted."""
        ...


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of several pictures drawn for a page."""

    page: int
    seed: int
    score: float | None
    """None where nobody could judge it."""


@dataclass(frozen=True, kw_only=True)
class Rerendered:
    """What was done to a book."""

    editions: tuple[Path, ...]
    drawn: tuple[int, ...]
    """Pages whose pictures are new; 0 is the cover."""
    candidates: tuple[Candidate, ...]
    warnings: tuple[str, ...]
    """Why new pictures may not go with the others, and what else a person should know."""


def edited_lock(lock: BookLock, story: Story, bank: ConceptBank) -> BookLock:
    """The lock of the story as it is now: pictures whose inputs are the same keep theirs, also at another place.

    A page that still wants its own picture has it before another page of the same prompt may take it.

    Raises:
        ConceptError: A concept is not in the bank or of another model, or a prompt does not name it once.
    """
    wanted = [
        locked_picture(scene, bank=bank, model=lock.model, seed=_seed_of(lock, index))
        for index, scene in enumerate(story.scenes)
    ]
    pictures, free = _taken_over(lock.pictures, wanted)
    is_any_kept = len(free) < len(lock.pictures)
    versions = lock.versions if is_any_kept else current_versions()
    return with_pictures(lock, pictures).model_copy(update={"versions": versions})


def _seed_of(lock: BookLock, index: int) -> int:
    return lock.pictures[index].seed if index < len(lock.pictures) else (lock.seed + index) % _SEEDS


def _taken_over(
    old: Sequence[LockedPicture], wanted: Sequence[LockedPicture]
) -> tuple[list[LockedPicture], list[LockedPicture]]:
    """The pictures of the pages as they are wanted, old ones where inputs are the same, and the old ones left over."""
    stays = [picture in old[place : place + 1] for place, picture in enumerate(wanted)]
    free = [picture for place, picture in enumerate(old) if not any(stays[place : place + 1])]
    pictures = [picture if stay else _taken_from(free, picture) for picture, stay in zip(wanted, stays, strict=True)]
    return pictures, free


def _taken_from(free: list[LockedPicture], wanted: LockedPicture) -> LockedPicture:
    """The first free picture that differs from the wanted one by its seed at most, which is free no more, or it."""
    for picture in free:
        if picture.model_copy(update={"seed": wanted.seed}) == wanted:
            free.remove(picture)
            return picture
    return wanted


def rerender_book(
    folder: Path,
    *,
    studio: Studio,
    templates_dir: Path,
    several: Sequence[int] = (),
    num_candidates: int = 1,
    choices: Mapping[int, int] | None = None,
    scorer: PageScorer | None = None,
    on_drawing: OnDrawing | None = None,
) -> Rerendered:
    """Draw what changed in a book's `story.json` or in its concepts, and bind the book again in its place.

    Editions that were exported into its folder are bound again too. Where faces are is known of pictures that stay.

    Args:
        folder: A book's.
        studio: Has to draw with the model of the book's lock, which says afterwards where that was loaded from.
        several: Pages to draw `num_candidates` pictures for, of which the best by `scorer` is taken, or the first
            without one; all are kept in `candidates/`.
        choices: By page, the seed of a candidate to take.

    Raises:
        LockMismatch: The studio's model is another.
        UsageError: A page or candidate is not there.
        BookChanged: The book was edited meanwhile.
        NoBook, ConceptError, GeneratorError, OutputError, OSError: As the parts raise them.
    """
    found = BookAsFound.of(folder)
    old, story = read_lock_only(folder / LOCK_FILENAME)
    warnings = check_model(old, studio.model)
    record = read_record(folder)
    exported = exported_beside(folder, record)
    check_pages(folder, story, several, choices or {})
    lock = _chosen(edited_lock(old, story, studio.bank), choices or {})
    with kept_pictures(folder, studio.model) as kept, replaced_book(folder, found=found) as new:
        keep_belongings(folder, new)
        drawing = _Drawing(folder, new, old, studio, kept, on_drawing)
        lock, candidates = drawing.with_candidates(lock, several, num_candidates, scorer)
        stayed = drawing.rest(lock)
        drawn = tuple(index for index in range(len(lock.pictures)) if index not in stayed)
        lock = moved_lock(lock, source=studio.model.source, revision=studio.model.revision)
        lock = lock.model_copy(update={"versions": old.versions if drawing.took_over else current_versions()})
        faceless = record.faces.keys() - {_name(place) for place in stayed.values()}
        record = record.model_copy(update={"faces": _moved_faces(record, stayed)})
        _lay_out(new, story, lock, record, studio.bank)
        bind_book(new, templates_dir=templates_dir, exported=exported)
    warnings += kept.notes + notes_of_numbers(drawing.numbers_of(lock, drawn), began=studio.model.numbers)
    if drawing.took_over and (drawn or candidates):
        warnings += version_warnings(old)
    if faceless:
        forgotten = f"{RECORD_FILENAME} forgets the faces of the old {', '.join(sorted(faceless))}"
        warnings = (*warnings, f"{forgotten}: say where new pictures have them.")
    if exported:
        warnings = (*warnings, note_of_exported(exported))
    editions = editions_of(folder, (*record.formats, *exported))
    return Rerendered(editions=editions, drawn=drawn, candidates=candidates, warnings=warnings)


class _Drawing:
    """Fills a new folder with pictures, taking over from the old one what has not changed."""

    def __init__(
        self,
        folder: Path,
        new: Path,
        old: BookLock,
        studio: Studio,
        kept: KeptPictures,
        on_drawing: OnDrawing | None,
    ) -> None:
        self.folder = folder
        self.new = new
        self.studio = studio
        self.kept = kept
        self.on_drawing = on_drawing
        self.drawn_now: dict[str, Numbers | None] = {}
        """By picture, in which numbers it was drawn."""
        self.took_over = False
        """Whether one of the pictures is of earlier, drawn with the versions of then."""
        self.places = {picture.model_dump_json(): index for index, picture in enumerate(old.pictures)}

    def with_candidates(
        self, lock: BookLock, several: Sequence[int], count: int, scorer: PageScorer | None
    ) -> tuple[BookLock, tuple[Candidate, ...]]:
        """Several pictures for each of these pages; returns the lock with the best of each, and all of them."""
        pages = [page for page in several for _ in range(count)]
        pictures = [
            lock.pictures[page].model_copy(update={"seed": (lock.pictures[page].seed + _SEED_STEP * number) % _SEEDS})
            for page in several
            for number in range(count)
        ]
        scores: list[float | None] = [None] * len(pictures)

        def save(index: int, image: Image.Image) -> None:
            page, picture = pages[index], pictures[index]
            save_locked(image, picture, lock, self.new / CANDIDATES_DIRNAME / candidate_file(page, picture.seed))
            scores[index] = None if scorer is None else scorer.score(image, picture)

        self._draw(pages, pictures, lock, save)
        best = list(lock.pictures)
        for page in several:
            found = [
                (score or 0.0, each) for at, score, each in zip(pages, scores, pictures, strict=True) if at == page
            ]
            best[page] = max(found, key=lambda pair: pair[0])[1]
        candidates = tuple(
            Candidate(page=page, seed=picture.seed, score=score)
            for page, picture, score in zip(pages, pictures, scores, strict=True)
        )
        return lock.model_copy(update={"pictures": tuple(best)}), candidates

    def rest(self, lock: BookLock) -> dict[int, int]:
        """All pictures of the lock, drawn only where neither the old book nor a candidate has them.

        Returns:
            For each picture that was taken over from the old book, its place there.
        """
        taken_over: dict[int, int] = {}
        wanted: list[int] = []
        for index, picture in enumerate(lock.pictures):
            path = self.new / picture_file(index)
            path.parent.mkdir(exist_ok=True)
            place = self.places.get(picture.model_dump_json())
            candidate = self.new / CANDIDATES_DIRNAME / candidate_file(index, picture.seed)
            if place is not None and (self.folder / picture_file(place)).is_file():
                shutil.copyfile(self.folder / picture_file(place), path)
                taken_over[index] = place
                self.took_over = True
            elif candidate.is_file() and _is_drawing_of(candidate, picture):
                shutil.copyfile(candidate, path)
                self.took_over |= picture.model_dump_json() not in self.drawn_now
            else:
                wanted.append(index)
        pictures = [lock.pictures[index] for index in wanted]

        def save(index: int, image: Image.Image) -> None:
            save_locked(image, pictures[index], lock, self.new / picture_file(wanted[index]))

        self._draw(wanted, pictures, lock, save)
        return taken_over

    def _draw(
        self,
        pages: Sequence[int],
        pictures: Sequence[LockedPicture],
        lock: BookLock,
        save: Callable[[int, Image.Image], None],
    ) -> None:
        on_step = on_step_of(self.on_drawing, pages, len(lock.pictures))
        numbers = draw_locked(pictures, lock, self.studio, kept=self.kept, save=save, on_step=on_step)
        names = (picture.model_dump_json() for picture in pictures)
        self.drawn_now.update(zip(names, numbers, strict=True))

    def numbers_of(self, lock: BookLock, pages: Sequence[int]) -> dict[int, Numbers | None]:
        """In which numbers pages were drawn; None is not known, as of candidates of earlier."""
        return {page: self.drawn_now.get(lock.pictures[page].model_dump_json()) for page in pages}


def candidate_file(page: int, seed: int) -> str:
    """The name of a page's candidate in `candidates/`."""
    return f"{_name(page)}-seed-{seed}.png"


def _name(page: int) -> str:
    return Path(picture_file(page)).stem


def _moved_faces(record: BookRecord, kept: Mapping[int, int]) -> dict[str, tuple[Face, ...]]:
    """Faces of the pictures that were taken over, whose places in the old book are given by those in the new one."""
    return {_name(new): record.faces[_name(old)] for new, old in kept.items() if _name(old) in record.faces}


def check_pages(folder: Path, story: Story, several: Sequence[int], choices: Mapping[int, int]) -> None:
    """Look whether the book has the pages that `rerender_book` is asked for, and the candidates.

    Raises:
        UsageError: A page or candidate is not there.
    """
    strange = [page for page in (*several, *choices) if not 0 <= page < len(story.scenes)]
    if strange:
        raise UsageError(
            f"The book has no page {strange[0]}: its pages are 1 to {len(story.scenes) - 1}, and 0 is the cover."
        )
    candidates = folder / CANDIDATES_DIRNAME
    for page, seed in choices.items():
        if not (candidates / candidate_file(page, seed)).is_file():
            there = sorted(each.name for each in candidates.glob("*.png"))
            raise UsageError(
                f"There is no candidate {seed} for page {page}: there are {', '.join(there) or 'none'}. Choose one of "
                "them, or draw some with --pages and --candidates."
            )


def _chosen(lock: BookLock, choices: Mapping[int, int]) -> BookLock:
    pictures = list(lock.pictures)
    for page, seed in choices.items():
        pictures[page] = pictures[page].model_copy(update={"seed": seed})
    return lock.model_copy(update={"pictures": tuple(pictures)})


def _is_drawing_of(path: Path, picture: LockedPicture) -> bool:
    """Whether a candidate was drawn from what the picture is drawn from now."""
    metadata = read_metadata(path)
    return (metadata.prompt, metadata.seed, dict(metadata.concepts)) == (picture.prompt, picture.seed, picture.concepts)


def _lay_out(new: Path, story: Story, lock: BookLock, record: BookRecord, bank: ConceptBank) -> None:
    """All other files of the book but its editions; it stays the same book, with the same looks."""
    record = record.model_copy(update={"cast": cards_of(lock, bank)})
    lay_out(new, story, record, portraits=portraits_of(lock, bank))
    (new / LOCK_FILENAME).write_text(lock.model_dump_json(indent=2) + "\n", encoding="utf-8")
