"""`fableverse book`: an idea, or the lock of an earlier book, becomes a book."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import JsonValue, ValidationError

from api.binding import read_record, rehearse_binding
from api.book_folder import BookAsFound, check_place, draft_place, slug_of
from api.book_lock import BookLock, locked_model, moved_lock, read_lock
from api.console import Advance, Reporter
from api.errors import UsageError
from api.outcome import Outcome
from api.settings import Settings
from api.storybook import DrawingProgress, OnDrawing, Storybook, Studio, make_storybook, redraw_storybook
from api.writers import check_language_model, check_languages, make_writer, open_gate
from concepts.bank import ConceptBank
from concepts.errors import WrongBaseModel
from concepts.schema import ConceptCard
from generator.errors import ModelNotFound
from story.design import Design, check_design
from story.draft import Draft, DraftFolder
from story.editions.layout import layout_of
from story.editions.rehearsal import rehearse
from story.errors import InvalidRequest
from story.safety import SafetyGate
from story.schema import StoryRequest, WrittenStory
from story.templates import Templates
from story.writer import LanguageModelWriter
from story.writing import OnStage

STEPS_FOR_THE_BAR = 1000


def make_book(
    idea: str,
    *,
    settings: Settings,
    bank: ConceptBank,
    cast: Sequence[str],
    pages: int,
    age: int,
    seed: int,
    language: str,
    second_language: str | None,
    strengths: Mapping[str, float],
    out_dir: Path | None,
    formats: Sequence[str],
    changes: Mapping[str, object],
    reporter: Reporter,
) -> Outcome:
    """A new book; model, language model and templates are the settings', `changes` are fields of `Design`."""
    design = Design().model_copy(update=dict(changes))
    templates = Templates(settings.templates_dir)
    check_design(design, templates)
    check_language_model(settings)
    place = out_dir or Path("out") / slug_of(idea)
    check_place(place.resolve())
    cards = tuple(bank.get(concept_id).card() for concept_id in cast)
    for concept_id in strengths:
        bank.get(concept_id)
    wanted = StoryWish(
        idea=idea,
        pages=pages,
        age=age,
        seed=seed,
        language=language,
        second_language=second_language,
        speech=layout_of(design, templates).has_balloons,
    )
    asked = request_of(wanted, cast=cards, catalog=cards)
    check_languages(asked, settings)
    SafetyGate().check_request(asked)
    rehearse(formats, design, templates, language=asked.language, second_language=asked.second_language)
    reporter.note(f"Loading {settings.model} …")
    from api.studio import fitting_cards, open_studio  # loads torch, so only now

    studio = open_studio(settings.wanted_model, bank, pictures=pages + 1, tell=reporter.note)
    catalog = fitting_cards(studio)
    check_cast(cards, catalog, model=studio.model.name)
    request = request_of(wanted, cast=cards, catalog=catalog)
    drafts = DraftFolder(draft_place(place))
    writer, writer_name = make_writer(
        settings,
        lexicon=studio.lexicon,
        max_tokens=studio.settings.max_sequence_length,
        drafts=drafts,
        on_stage=_writing(reporter),
    )
    estimate = f" It takes about {writer.estimate(request)}." if isinstance(writer, LanguageModelWriter) else ""
    reporter.note(f"Writing the story with {writer_name} …{estimate}")
    draft = Draft.of(request, writer=writer_name)
    if drafts.has_others(draft):
        reporter.note(f"Note: {str(drafts.path)!r} keeps the story that another command, or another bank, began.")
    with reporter.progress((pages + 1) * STEPS_FOR_THE_BAR) as advance:
        book = make_storybook(
            request,
            writer=writer,
            writer_name=writer_name,
            studio=studio,
            out_dir=place,
            templates_dir=settings.templates_dir,
            design=design,
            formats=formats,
            strengths=strengths,
            on_drawing=drawing_of(advance),
        )
    drafts.clear(draft)
    return outcome_of(book, reporter)


def redraw_book(
    lock_path: Path,
    *,
    model: str | None,
    revision: str | None,
    settings: Settings,
    bank: ConceptBank,
    out_dir: Path | None,
    formats: Sequence[str] | None,
    changes: Mapping[str, object],
    reporter: Reporter,
) -> Outcome:
    """The book of a lock, drawn again into its own folder or another.

    It looks and is made into editions as the record beside the lock says, but for what the command line says. `model`
    and `revision` are where its model is now; None is where the lock says.

    Raises:
        UnsafeRequest, LanguageModelError: The words, which may have been edited since, are not for children, or
            moderation cannot be asked or gives no verdict.
        BookChanged: They were edited meanwhile.
    """
    found = BookAsFound.of(lock_path.parent)
    lock, story = read_lock(lock_path)
    open_gate(settings).check_story(WrittenStory(story=story))
    lock = moved_lock(lock, source=model, revision=revision)
    earlier = read_record(lock_path.parent)
    design = earlier.design.model_copy(update=dict(changes))
    record = earlier.model_copy(update={"design": design, "formats": tuple(formats or earlier.formats)})
    rehearse_binding(story, record, templates_dir=settings.templates_dir)
    place = out_dir or lock_path.parent
    check_place(place.resolve())
    studio = open_locked(lock, bank, pictures=len(lock.pictures), settings=settings, reporter=reporter)
    with reporter.progress(len(lock.pictures) * STEPS_FOR_THE_BAR) as advance:
        book = redraw_storybook(
            lock,
            story,
            record,
            earlier=found,
            studio=studio,
            out_dir=place,
            templates_dir=settings.templates_dir,
            on_drawing=drawing_of(advance),
        )
    return outcome_of(book, reporter)


def open_locked(lock: BookLock, bank: ConceptBank, *, pictures: int, settings: Settings, reporter: Reporter) -> Studio:
    """What draws so many pictures with the model of a lock.

    Raises:
        ModelNotFound: It is not where the lock says.
    """
    reporter.note(f"Loading {lock.model.source} …")
    from api.studio import open_studio  # loads torch, so only now

    try:
        return open_studio(locked_model(lock, settings), bank, pictures=pictures, tell=reporter.note)
    except ModelNotFound as error:
        raise ModelNotFound(f"{error} If the book's model lies elsewhere now, say where with --model.") from error


@dataclass(frozen=True, kw_only=True)
class StoryWish:
    """What the command line says of a story."""

    idea: str
    pages: int
    age: int
    seed: int
    language: str = "en"
    second_language: str | None = None
    speech: bool = False


def request_of(wish: StoryWish, *, cast: tuple[ConceptCard, ...], catalog: tuple[ConceptCard, ...]) -> StoryRequest:
    """What the command line asks for, checked.

    Raises:
        UsageError: The idea is not text.
        InvalidRequest: A value is out of range or the cast names a concept twice.
    """
    if any(0xD800 <= ord(character) <= 0xDFFF for character in wish.idea):
        raise UsageError(f"The idea {wish.idea!r} is not valid UTF-8 text. Write it in a UTF-8 terminal.")
    try:
        return StoryRequest.model_validate({**asdict(wish), "cast": cast, "catalog": catalog})
    except ValidationError as error:
        faults = ("".join(f"--{part} " for part in fault["loc"]) + fault["msg"] for fault in error.errors())
        raise InvalidRequest(f"No story can be written: {'; '.join(faults)}. Change that and try again.") from error


def check_cast(cast: Sequence[ConceptCard], catalog: Sequence[ConceptCard], *, model: str) -> None:
    """Refuse a cast of another model before a story is written for it."""
    strangers = [card.id for card in cast if card not in catalog]
    if strangers:
        raise WrongBaseModel(
            f"The cast has {', '.join(map(repr, strangers))}, learnt on another model than {model!r}: a concept has a "
            "meaning only on its own model. Choose others, learn it again on this model, or give --model."
        )


def _writing(reporter: Reporter) -> OnStage:
    def report(stage: str, written: int, wanted: int) -> None:
        reporter.note(f"Wrote {stage}: {written} of {wanted}")

    return report


def drawing_of(advance: Advance) -> OnDrawing:
    """Turns the steps of drawing into those of a bar."""

    def report(progress: DrawingProgress) -> None:
        done = progress.picture * STEPS_FOR_THE_BAR + progress.step * STEPS_FOR_THE_BAR // progress.num_steps
        what = f"page {progress.picture} of {progress.num_pictures - 1}" if progress.picture else "the cover"
        advance(done, f"Drawing {what}")

    return report


def outcome_of(book: Storybook, reporter: Reporter) -> Outcome:
    """What there is to say of a new book; its warnings are told at once."""
    for warning in book.warnings:
        reporter.note(f"Note: {warning}")
    data: dict[str, JsonValue] = {
        "book": str(book.editions[0]),
        "editions": [str(path) for path in book.editions],
        "title": book.story.title,
        "pages": len(book.story.pages),
        "pictures": [str(path) for path in book.pictures],
        "cast": list(book.lock.cast),
        "idea": book.lock.idea,
        "seed": book.lock.seed,
        "writer": book.lock.writer,
        "model": book.lock.model.name,
        "warnings": list(book.warnings),
        "cost_usd": book.cost_usd,
        "seconds": {part: round(seconds, 2) for part, seconds in book.seconds.items()},
    }
    return Outcome(lines=tuple(str(path) for path in book.editions), data=data)
