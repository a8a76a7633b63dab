"""`fableverse book render`: the pages of an edited book that changed are drawn, and the book is bound again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from api.binding import exported_beside, read_record, rehearse_binding
from api.book_folder import BookAsFound, check_place
from api.book_lock import LOCK_FILENAME, moved_lock, read_lock_only
from api.commands.book import STEPS_FOR_THE_BAR, drawing_of, open_locked
from api.commands.edit import check_edited
from api.console import Reporter
from api.errors import UsageError
from api.outcome import Outcome
from api.rerender import check_pages, edited_lock, rerender_book
from api.settings import LEXICON_PATH, POCKET, Settings
from api.writers import open_gate
from concepts.bank import ConceptBank
from concepts.lexicon import Lexicon

MAX_CANDIDATES = 16


def parse_pages(text: str) -> tuple[int, ...]:
    """ "3,5" as numbers.

    Raises:
        UsageError: Something between the commas is none.
    """
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    if not all(number.isdecimal() for number in numbers):
        raise UsageError(f"--pages {text!r} is no list of page numbers, such as 3,5.")
    return tuple(dict.fromkeys(int(number) for number in numbers))


def parse_choices(texts: Sequence[str]) -> dict[int, int]:
    """ "3=1000010" as page and seed.

    Raises:
        UsageError: One has not that form.
    """
    choices: dict[int, int] = {}
    for text in texts:
        page, _, seed = text.partition("=")
        if not (page.isdecimal() and seed.isdecimal()):
            raise UsageError(f"--choose {text!r} is no page and seed, such as 3=1000010; the seeds are in candidates/.")
        choices[int(page)] = int(seed)
    return choices


def render_book(
    folder: Path,
    *,
    pages: Sequence[int],
    candidates: int,
    choices: Mapping[int, int],
    model: str | None,
    revision: str | None,
    settings: Settings,
    bank: ConceptBank,
    reporter: Reporter,
) -> Outcome:
    """The book in its place, with new pictures where their inputs changed and the others byte for byte.

    `model` and `revision` are where the book's model is now; None is where its lock says.

    Raises:
        UsageError: Pages and candidates do not go together, or are not there.
        BookChanged: The book was edited meanwhile.
    """
    if bool(pages) != (candidates > 1) or not 1 <= candidates <= MAX_CANDIDATES:
        raise UsageError(f"--pages and --candidates go together: which pages, and 2 to {MAX_CANDIDATES} pictures each.")
    found = BookAsFound.of(folder)
    lock, story = read_lock_only(folder / LOCK_FILENAME)
    lock = moved_lock(lock, source=model, revision=revision)
    record = read_record(folder)
    check_pages(folder, story, pages, choices)
    check_edited(
        story,
        bank,
        gate=open_gate(settings),
        model=lock.model,
        max_tokens=lock.settings.max_sequence_length,
        known=lock.pictures,
    )
    edited_lock(lock, story, bank)  # a concept that is gone or of another model is told before anything is loaded
    check_place(folder.resolve())
    exported = exported_beside(folder, record)
    rehearse_binding(story, record, templates_dir=settings.templates_dir, exported=exported)
    studio = open_locked(lock, bank, pictures=len(pages) * candidates, settings=settings, reporter=reporter)
    from api.page_score import ProbeScorer  # loads torch, so only now

    scorer = ProbeScorer(bank, Lexicon.load(LEXICON_PATH)) if lock.model.source == POCKET and pages else None
    found.check_unchanged()  # before anything is drawn of words that were not checked
    with reporter.progress(len(story.scenes) * STEPS_FOR_THE_BAR) as advance:
        done = rerender_book(
            folder,
            studio=studio,
            templates_dir=settings.templates_dir,
            several=pages,
            num_candidates=candidates,
            choices=choices,
            scorer=scorer,
            on_drawing=drawing_of(advance),
        )
    for warning in done.warnings:
        reporter.note(f"Note: {warning}")
    if pages and scorer is None:
        reporter.note("Note: only Pocket's pictures can be judged, so the first candidate was taken. Use --choose.")
    tried: list[JsonValue] = [{"page": each.page, "seed": each.seed, "score": each.score} for each in done.candidates]
    data: dict[str, JsonValue] = {
        "book": str(done.editions[0]),
        "editions": [str(path) for path in done.editions],
        "drawn": list(done.drawn),
        "candidates": tried,
    }
    return Outcome(lines=tuple(str(path) for path in done.editions), data=data)
