"""The whole flow, from an idea to a book on disk: idea → story → bound prompts → pictures → book.

Everything it works with is passed in. Knows nothing of command lines, terminals or of how models are loaded.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

from PIL import Image

import api
from api.binding import BenchmarkStory, BookRecord, bind_book, lay_out
from api.book_folder import BookAsFound, keep_belongings, replaced_book
from api.book_lock import (
    LOCK_FILENAME,
    BookLock,
    LockedModel,
    LockedPicture,
    check_lock,
    current_versions,
    make_lock,
    moved_lock,
    picture_file,
)
from api.drawn_numbers import notes_of_numbers
from api.kept_pictures import KeptPictures, kept_pictures, save_locked
from api.strengths import unused_strengths
from concepts.bank import ConceptBank
from concepts.lexicon import Lexicon
from concepts.schema import ConceptCard
from generator.plan import Numbers
from generator.renderer import OnPictureStep, PictureOrder, Renderer
from generator.settings import RenderSettings
from story.design import Design
from story.draft import REPLIES_FILENAME, write_replies
from story.editions.formats import EDITIONS
from story.schema import Story, StoryRequest
from story.writer import StoryWriter

_NAMESPACE = UUID("6f3f6a52-6a5e-4b7e-9d38-4b0b1f1d0a5b")
"""Of identifiers that follow from a book's lock."""


@dataclass(frozen=True, kw_only=True)
class DrawingProgress:
    """How far drawing is; pictures that are drawn together count as if they were drawn one after the other."""

    picture: int
    """The picture under way, from 0 for the cover."""
    num_pictures: int
    step: int
    num_steps: int


OnDrawing = Callable[[DrawingProgress], None]


@dataclass(frozen=True, kw_only=True)
class Studio:
    """What draws: a renderer, the bank it takes its concepts from, and which model it draws with."""

    renderer: Renderer
    bank: ConceptBank
    model: LockedModel
    settings: RenderSettings
    numbers: Callable[[], Numbers | None]
    """What it computes in now: as `model` says at first, and others where memory ran out since."""
    lexicon: Lexicon | None = None
    """What the model can draw, where it says so."""


@dataclass(frozen=True, kw_only=True)
class Storybook:
    """A book that has been written to disk."""

    editions: tuple[Path, ...]
    """The files a reader opens, such as `book.html`."""
    story: Story
    lock: BookLock
    warnings: tuple[str, ...]
    """What a person should know of how the book came out."""
    seconds: Mapping[str, float]
    """Time spent in each part of the work: "writing", "drawing", "binding"."""
    cost_usd: float | None = None
    """What the language model cost; None where none was asked or its price is not known."""

    @property
    def folder(self) -> Path:
        """Where the book lies."""
        return self.editions[0].parent

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The cover's file, then each page's."""
        return tuple(self.folder / picture_file(index) for index in range(len(self.lock.pictures)))


def make_storybook(
    request: StoryRequest,
    *,
    writer: StoryWriter,
    writer_name: str,
    studio: Studio,
    out_dir: Path,
    templates_dir: Path,
    design: Design | None = None,
    formats: Sequence[str] = ("html",),
    strengths: Mapping[str, float] | None = None,
    benchmark: BenchmarkStory | None = None,
    on_drawing: OnDrawing | None = None,
) -> Storybook:
    """Turn an idea into a book in `out_dir`, which appears whole or not at all; a book that stands there is replaced.

    Pictures that are drawn outlive whatever stops it: the same call takes them over, and says so in a warning.
    `strengths` are factors on the directions of concepts, by id; one of a concept that no picture has gives a warning.
    `benchmark` says which story of ViStoryBench it is, if it is one.

    Raises:
        OutputError, OSError: The book cannot be kept in that place; known before anything is written or drawn.
        StoryError, ConceptError, GeneratorError: As the parts raise them.
    """
    with kept_pictures(out_dir, studio.model) as kept, replaced_book(out_dir) as folder:
        started = time.perf_counter()
        written = writer.write(request)
        lock = make_lock(
            written.story,
            request,
            writer=writer_name,
            bank=studio.bank,
            model=studio.model,
            settings=studio.settings,
            strengths=strengths or {},
        )
        writing = time.perf_counter() - started
        record = record_of(lock, cards_of(lock, studio.bank), design=design or Design(), formats=formats)
        record = record.model_copy(update={"benchmark": benchmark})
        drawing, notes = _draw_all(folder, lock, studio=studio, kept=kept, on_drawing=on_drawing)
        write_replies(folder / REPLIES_FILENAME, written.replies)
        portraits = portraits_of(lock, studio.bank)
        binding = bind_locked(folder, written.story, lock, record, portraits=portraits, templates_dir=templates_dir)
    costs = [reply.cost_usd for reply in written.replies if reply.cost_usd is not None]
    return Storybook(
        editions=editions_of(out_dir, record.formats),
        story=written.story,
        lock=lock,
        warnings=written.warnings + unused_strengths(strengths or {}, lock) + notes,
        cost_usd=sum(costs) if costs else None,
        seconds={"writing": writing, "drawing": drawing, "binding": binding},
    )


def redraw_storybook(
    lock: BookLock,
    story: Story,
    record: BookRecord,
    *,
    earlier: BookAsFound,
    studio: Studio,
    out_dir: Path,
    templates_dir: Path,
    on_drawing: OnDrawing | None = None,
) -> Storybook:
    """Draw the pictures of a lock again and bind them with the story's words, which may have been edited since.

    The new book's lock has the versions that drew it, and where the model was loaded from.

    Args:
        lock: What is drawn.
        story: The words.
        record: What the editions share, and which they are.
        earlier: The book that the lock is of, whose candidates, recordings and replies are kept.
        studio: Has to draw with the model of the lock.
        out_dir: Where the book goes, the earlier one's folder included.
        templates_dir: A person's own templates, or the shipped ones.
        on_drawing: Called after every denoising step.

    Raises:
        LockMismatch: Model or bank are not what the lock says; nothing has been drawn then.
        BookChanged: The earlier book was edited meanwhile.
        OutputError, OSError, ConceptError, GeneratorError: As for `make_storybook`.
    """
    warnings = check_lock(lock, bank=studio.bank, model=studio.model)
    lock = moved_lock(lock, source=studio.model.source, revision=studio.model.revision)
    lock = lock.model_copy(update={"versions": current_versions()})
    with kept_pictures(out_dir, studio.model) as kept, replaced_book(out_dir, found=earlier) as folder:
        drawing, notes = _draw_all(folder, lock, studio=studio, kept=kept, on_drawing=on_drawing)
        keep_belongings(earlier.folder, folder)
        portraits = portraits_of(lock, studio.bank)
        binding = bind_locked(folder, story, lock, record, portraits=portraits, templates_dir=templates_dir)
    return Storybook(
        editions=editions_of(out_dir, record.formats),
        story=story,
        lock=lock,
        warnings=warnings + notes,
        seconds={"drawing": drawing, "binding": binding},
    )


def _draw_all(
    folder: Path, lock: BookLock, *, studio: Studio, kept: KeptPictures, on_drawing: OnDrawing | None
) -> tuple[float, tuple[str, ...]]:
    """Draw every picture of the lock into an empty folder; returns the seconds it took, and what there is to say."""
    started = time.perf_counter()

    def save(index: int, image: Image.Image) -> None:
        save_locked(image, lock.pictures[index], lock, folder / picture_file(index))

    drawn = draw_locked(
        lock.pictures,
        lock,
        studio,
        kept=kept,
        save=save,
        on_step=on_step_of(on_drawing, range(len(lock.pictures)), len(lock.pictures)),
    )
    seconds = time.perf_counter() - started
    return seconds, kept.notes + notes_of_numbers(dict(enumerate(drawn)), began=studio.model.numbers)


def bind_locked(
    folder: Path,
    story: Story,
    lock: BookLock,
    record: BookRecord,
    *,
    portraits: Mapping[str, Path],
    templates_dir: Path,
) -> float:
    """Add all other files to a folder that has its pictures; returns the seconds it took."""
    started = time.perf_counter()
    lay_out(folder, story, record, portraits=portraits)
    (folder / LOCK_FILENAME).write_text(lock.model_dump_json(indent=2) + "\n", encoding="utf-8")
    bind_book(folder, templates_dir=templates_dir)
    return time.perf_counter() - started


def cards_of(lock: BookLock, bank: ConceptBank) -> tuple[ConceptCard, ...]:
    """The cast of a lock as the bank has it."""
    return tuple(bank.get(concept_id).card() for concept_id in lock.cast)


def portraits_of(lock: BookLock, bank: ConceptBank) -> Mapping[str, Path]:
    """The bank's picture of each member of a lock's cast."""
    return {concept_id: bank.preview_path(concept_id) for concept_id in lock.cast}


def record_of(lock: BookLock, cast: Sequence[ConceptCard], *, design: Design, formats: Sequence[str]) -> BookRecord:
    """What the editions of a book share, of a lock and who is in it."""
    return BookRecord(
        cast=tuple(cast),
        colophon=_colophon(lock),
        design=design,
        identifier=uuid5(_NAMESPACE, lock.model_dump_json()),
        formats=tuple(formats),
    )


def editions_of(out_dir: Path, formats: Sequence[str]) -> tuple[Path, ...]:
    """The files of a book's editions."""
    return tuple(out_dir / EDITIONS[name].filename for name in formats)


def draw_locked(
    pictures: Sequence[LockedPicture],
    lock: BookLock,
    studio: Studio,
    *,
    kept: KeptPictures,
    save: Callable[[int, Image.Image], None],
    on_step: OnPictureStep | None = None,
) -> tuple[Numbers | None, ...]:
    """Draw some pictures of a lock; returns in which numbers each was drawn, None where that is not known.

    Args:
        pictures: The lock's own, or with other seeds.
        lock: Says with which settings and strengths.
        studio: Draws.
        kept: Those that are there already, which are not drawn again, and where the others are kept.
        save: Does with each picture, by its place among those, all else that is to be done: in a thread, while the next
            is drawn. What it raises ends the drawing, at most one picture later.
        on_step: As in `Renderer`.
    """
    numbers: dict[int, Numbers | None] = {}
    for index, picture in enumerate(pictures):
        if (found := kept.find(picture, lock)) is not None:
            numbers[index] = found.numbers
            save(index, found.image)
    wanted = [index for index in range(len(pictures)) if index not in numbers]
    orders = [
        PictureOrder(bound=picture.bound, seed=picture.seed, strengths=picture.strengths_of(lock.strengths))
        for picture in pictures
    ]
    images = studio.renderer.render_all(orders, settings=lock.settings, done=frozenset(numbers), on_step=on_step)

    def put_away(index: int, image: Image.Image, drawn_in: Numbers | None) -> None:
        kept.add(image, pictures[index], lock, numbers=drawn_in)
        save(index, image)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="keep") as keeper:
        last: Future[None] | None = None
        for index, image in zip(wanted, images, strict=True):
            numbers[index] = studio.numbers()  # before the next is begun, which memory may run out in
            if last is not None:
                last.result()
            last = keeper.submit(put_away, index, image, numbers[index])
        if last is not None:
            last.result()
    return tuple(numbers[index] for index in range(len(pictures)))


def on_step_of(on_drawing: OnDrawing | None, pages: Sequence[int], num_pictures: int) -> OnPictureStep | None:
    """What a renderer tells its steps to, where its pictures are those of such pages of a book."""
    if on_drawing is None:
        return None

    def report(picture: int, step: int, num_steps: int) -> None:
        on_drawing(DrawingProgress(picture=pages[picture], num_pictures=num_pictures, step=step, num_steps=num_steps))

    return report


def _colophon(lock: BookLock) -> dict[str, str]:
    return {
        "Idea": lock.idea,
        "Written by": lock.writer,
        "Drawn by": lock.model.name,
        "Seed": str(lock.seed),
        "Made with": f"Fableverse {api.__version__}",
    }
