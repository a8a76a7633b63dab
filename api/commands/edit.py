"""`fableverse book edit`: other words in a finished book, checked before they are kept."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from api.binding import read_book, read_narration, read_record
from api.book_folder import BookAsFound
from api.book_lock import LOCK_FILENAME, LockedModel, LockedPicture, check_base_model, read_lock_only
from api.commands.editor import written_in_editor
from api.errors import UsageError
from api.outcome import Outcome
from api.rerender import edited_lock
from api.tokens import prompt_counter
from concepts.bank import ConceptBank
from concepts.files import write_whole
from concepts.schema import ConceptCard
from story.book import STORY_FILENAME
from story.checks import Problem, check_alt, check_prompt, check_words, free_mentions
from story.errors import InvalidRequest
from story.narration import outdated
from story.safety import SafetyGate
from story.schema import Scene, SpokenLine, Story, WrittenStory


@dataclass(frozen=True, kw_only=True)
class PageChanges:
    """What the command line says is to be otherwise; None leaves it."""

    page: int | None = None
    title: str | None = None
    second_title: str | None = None
    text: str | None = None
    second_text: str | None = None
    prompt: str | None = None
    alt: str | None = None
    speech: tuple[SpokenLine, ...] | None = None

    @property
    def is_empty(self) -> bool:
        return self.title is None and self.second_title is None and self.is_of_no_page

    @property
    def is_of_no_page(self) -> bool:
        return all(each is None for each in (self.text, self.second_text, self.prompt, self.alt, self.speech))


def parse_speech(texts: Sequence[str] | None) -> tuple[SpokenLine, ...] | None:
    """ "rusty: I cannot sleep." as concept and words; an empty text alone is no speech, and None leaves it.

    Raises:
        UsageError: One has not that form.
    """
    if texts is None or texts == [""]:
        return None if texts is None else ()
    lines: list[SpokenLine] = []
    for text in texts:
        speaker, _, words = (part.strip() for part in text.partition(":"))
        if not speaker or not words:
            raise UsageError(f'--say {text!r} is no speaker and words, such as "rusty: I hear it.", or "" for none.')
        lines.append(SpokenLine(speaker=speaker, text=words))
    return tuple(lines)


def edit_book(
    folder: Path, changes: PageChanges, *, bank: ConceptBank, gate: SafetyGate, environment: Mapping[str, str]
) -> Outcome:
    """The book's `story.json` with other words; pictures stay as they are until `book render`.

    Args:
        gate: What may be read by children.

    Raises:
        UsageError: The changes name no page or a page that is not there, or there is no editor.
        InvalidRequest: The words could not be drawn, read or shown to children.
        BookChanged: Somebody else edited it meanwhile.
        LockMismatch, NoBook: The folder holds no book.
        ConceptError: A page has a concept that is not in the bank or of another model than the book.
    """
    found = BookAsFound.of(folder)
    lock, story = read_lock_only(folder / LOCK_FILENAME)
    read_record(folder)
    catalog = bank.catalog(base_model=lock.model.fingerprint)
    if changes.is_empty:
        writing = written_in_editor(folder, environment)
    else:
        writing = nullcontext(changed(story, changes, catalog))
    with writing as edited:
        check_edited(
            edited,
            bank,
            gate=gate,
            model=lock.model,
            max_tokens=lock.settings.max_sequence_length,
            known=lock.pictures,
        )
        new = edited_lock(lock, edited, bank)
        found.check_unchanged()
        write_whole(folder / STORY_FILENAME, (edited.model_dump_json(indent=2) + "\n").encode())
    kept = {picture.model_dump_json() for picture in lock.pictures}
    pages = [index for index, picture in enumerate(new.pictures) if picture.model_dump_json() not in kept]
    line = f"Edited. fableverse book render {shlex.quote(str(folder))} draws {_named(pages)} and binds the book."
    scenes = enumerate(zip(story.scenes, edited.scenes, strict=False))
    stale = [index for index, (old, new) in scenes if old.prompt != new.prompt and old.alt == new.alt]
    if stale:
        line += f" The alternative text of {_named(stale)} was written for the old picture: say with --alt what is new."
    behind = _pages_behind(story, edited)
    if behind:
        names = ", ".join("the title" if page == 0 else f"page {page}" for page in behind)
        line += f" In the second language {names} has the old words: say new ones with --second-title or --second-text."
    narration = read_narration(folder)
    silent = outdated(read_book(folder)[0].pages, narration) if narration else ()
    if silent:
        line += f" The recording of page {', '.join(map(str, silent))} is left out until you narrate the book again."
    data: dict[str, JsonValue] = {"book": str(folder), "to_draw": [*pages]}
    data |= {"alt_of_old_picture": [*stale], "second_of_old_words": [*behind]}
    return Outcome(lines=(line,), data=data)


def changed(story: Story, changes: PageChanges, catalog: Sequence[ConceptCard]) -> Story:
    """The story with the changes; a new prompt's concepts are those whose words it has, the page's own first.

    Raises:
        UsageError: No page is named for words of a page, or it is not there, or the story has no second language.
    """
    if story.second_language is None and not (changes.second_title is None and changes.second_text is None):
        raise UsageError("The story is in one language, so it has no second title or text. Leave them out.")
    titles = {"title": changes.title, "second_title": changes.second_title}
    story = story.model_copy(update={name: words for name, words in titles.items() if words is not None})
    if changes.is_of_no_page:
        return story
    if changes.page is None or not 0 <= changes.page <= len(story.pages):
        raise UsageError(f"Say with --page whose words these are: 1 to {len(story.pages)}, or 0 for the cover.")
    if changes.page == 0:
        if not (changes.text is None and changes.second_text is None and changes.speech is None):
            raise UsageError("The cover has no text or speech of its own; its words are --title and --second-title.")
        return story.model_copy(update={"cover": _scene(story.cover, changes, catalog)})
    page = story.pages[changes.page - 1]
    text = page.text if changes.text is None else changes.text
    second_text = page.second_text if changes.second_text is None else changes.second_text
    speech = page.speech if changes.speech is None else changes.speech
    scene = _scene(page.scene, changes, catalog)
    new = page.model_copy(update={"text": text, "second_text": second_text, "speech": speech, "scene": scene})
    pages = [new if each is page else each for each in story.pages]
    return story.model_copy(update={"pages": tuple(pages)})


def check_edited(
    story: Story,
    bank: ConceptBank,
    *,
    gate: SafetyGate,
    model: LockedModel,
    max_tokens: int,
    known: Iterable[Scene | LockedPicture],
) -> None:
    """Refuse words that cannot be drawn or shown.

    Args:
        gate: What may be read by children.
        model: What draws; concepts of other models count as if they were not there.
        max_tokens: What that model reads of a prompt.
        known: Whose prompt and concepts were proven already: what the bank learnt since is held against others only.

    Raises:
        InvalidRequest: The first thing that is wrong, with its place.
        WrongBaseModel: A new prompt lists a concept of another model.
        UnsafeRequest, ModerationUnavailable: As the gate.
    """
    if not story.title.strip():
        raise InvalidRequest("The edited story has no title, and every book needs one. Write one.")
    second = (story.second_title, *(page.second_text for page in story.pages))
    blank = [number for number, words in enumerate(second) if not words.strip()]
    if story.second_language is not None and blank:
        where = f"on page {blank[0]}" if blank[0] else "in its title"
        raise InvalidRequest(f"The edited story lacks its second language {where}. Write the words in both languages.")
    proven = {(each.prompt, frozenset(each.concepts)) for each in known}
    concepts = bank.list()
    catalog = tuple(concept.card() for concept in concepts if concept.base_model == model.fingerprint)
    count_tokens = prompt_counter(model.source)
    for number, scene in enumerate(story.scenes):
        problems: tuple[Problem, ...] = ()
        if (scene.prompt, frozenset(scene.concepts)) not in proven:
            for concept in concepts:
                if concept.id in scene.concepts:
                    check_base_model(concept, model)
            problems += check_prompt(
                scene.prompt, scene.concepts, catalog=catalog, count_tokens=count_tokens, max_tokens=max_tokens
            )
        problems += check_alt(scene.alt)
        if number:
            problems += check_words(story.pages[number - 1])
        if problems:
            where = f"page {number}" if number else "the cover"
            raise InvalidRequest(f"The edited story cannot be drawn: {where}: {problems[0].message}.")
    gate.check_story(WrittenStory(story=story))


def _scene(scene: Scene, changes: PageChanges, catalog: Sequence[ConceptCard]) -> Scene:
    alt = scene.alt if changes.alt is None else changes.alt
    if changes.prompt is None:
        return scene.model_copy(update={"alt": alt})
    own = [card for card in catalog if card.id in scene.concepts]
    concepts: list[str] = []
    for word in free_mentions(changes.prompt, catalog):
        concepts.append(next(card.id for card in (*own, *catalog) if card.word.casefold() == word))
    return Scene(prompt=changes.prompt, concepts=tuple(concepts), alt=alt)


def _pages_behind(story: Story, edited: Story) -> list[int]:
    """Pages whose first language has new words and whose second has the old ones; 0 is the title."""
    if edited.second_language is None:
        return []
    old = [(story.title, story.second_title), *((page.text, page.second_text) for page in story.pages)]
    new = [(edited.title, edited.second_title), *((page.text, page.second_text) for page in edited.pages)]
    pairs = enumerate(zip(old, new, strict=False))
    return [number for number, (before, after) in pairs if before[0] != after[0] and before[1] == after[1]]


def _named(pages: Sequence[int]) -> str:
    return ", ".join("the cover" if page == 0 else f"page {page}" for page in pages) or "no picture"
