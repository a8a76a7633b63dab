"""`fableverse book import`: a ready script becomes a book."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from api.binding import BenchmarkStory
from api.book_folder import check_place, slug_of
from api.commands.book import STEPS_FOR_THE_BAR, check_cast, drawing_of, outcome_of
from api.console import Reporter
from api.errors import UsageError
from api.outcome import Outcome
from api.settings import Settings
from api.storybook import make_storybook
from api.tokens import prompt_counter
from api.writers import open_gate
from concepts.bank import ConceptBank
from concepts.schema import ConceptCard
from story.design import Design
from story.editions.rehearsal import rehearse
from story.errors import InvalidRequest
from story.languages import check_language
from story.schema import StoryRequest
from story.script import Script, read_script
from story.script_binding import ScriptWriter
from story.templates import Templates


def parse_cast(texts: Sequence[str]) -> dict[str, str]:
    """ "Fox=rusty" as name and concept id.

    Raises:
        UsageError: One has not that form, or a name stands there twice.
    """
    cast: dict[str, str] = {}
    for text in texts:
        name, _, concept_id = (part.strip() for part in text.rpartition("="))
        if not name or not concept_id or name in cast:
            raise UsageError(
                f'--cast {text!r} is no name and concept, such as "Big Brown Rabbit=clover", each name once.'
            )
        cast[name] = concept_id
    return cast


def import_script(
    path: Path,
    *,
    settings: Settings,
    bank: ConceptBank,
    cast: Mapping[str, str],
    title: str | None,
    language: str,
    seed: int,
    strengths: Mapping[str, float],
    out_dir: Path | None,
    formats: Sequence[str],
    changes: Mapping[str, object],
    reporter: Reporter,
) -> Outcome:
    """The book of a script, drawn and bound; `cast` has the concept's id by the name in the script.

    Raises:
        InvalidScript: The script cannot be read, or a page's picture not be drawn as it is written.
        LanguageModelError: Moderation is demanded, and it lacks a key or gives no verdict.
    """
    try:
        check_language(language)
    except ValueError as error:
        raise InvalidRequest(f"--language: {error}.") from error
    script = read_script(path, language=language, title=title)
    design = Design().model_copy(update=dict(changes))
    rehearse(formats, design, Templates(settings.templates_dir), language=language)
    place = out_dir or Path("out") / slug_of(script.title)
    check_place(place.resolve())
    gate = open_gate(settings)
    cards = {name: bank.get(concept_id).card() for name, concept_id in cast.items()}
    for concept_id in strengths:
        bank.get(concept_id)
    reporter.note(f"Loading {settings.model} …")
    from api.studio import fitting_cards, open_studio  # loads torch, so only now

    studio = open_studio(settings.wanted_model, bank, pictures=len(script.pages) + 1, tell=reporter.note)
    catalog = fitting_cards(studio)
    chosen = tuple({card.id: card for card in cards.values()}.values())
    check_cast(chosen, catalog, model=studio.model.name)
    writer = ScriptWriter(
        script,
        cards,
        gate=gate,
        count_tokens=prompt_counter(settings.model),
        max_tokens=studio.settings.max_sequence_length,
        lexicon=studio.lexicon,
    )
    with reporter.progress((len(script.pages) + 1) * STEPS_FOR_THE_BAR) as advance:
        book = make_storybook(
            _request(script, chosen, catalog, language=language, seed=seed),
            writer=writer,
            writer_name=path.name,
            studio=studio,
            out_dir=place,
            templates_dir=settings.templates_dir,
            design=design,
            formats=formats,
            strengths=strengths,
            benchmark=_benchmark(script, path),
            on_drawing=drawing_of(advance),
        )
    return outcome_of(book, reporter)


def _request(
    script: Script, cast: tuple[ConceptCard, ...], catalog: tuple[ConceptCard, ...], *, language: str, seed: int
) -> StoryRequest:
    """What the lock is to know of how the book came about."""
    return StoryRequest(idea=script.title, cast=cast, catalog=catalog, language=language, seed=seed)


def _benchmark(script: Script, path: Path) -> BenchmarkStory | None:
    """Which story of ViStoryBench it is; None for a script that is none or lies in no folder with a story's number."""
    shots = [page.shot for page in script.pages if page.shot is not None]
    name = path.resolve().parent.name
    if not shots or not (name.isascii() and name.isdecimal()):
        return None
    return BenchmarkStory(story=name, shots=tuple(shots))
