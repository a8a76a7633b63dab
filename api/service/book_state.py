"""A book's words and what its pictures are drawn from, as a value; every edit makes another. Knows no database."""

import hashlib
from collections.abc import Container, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from api.book_lock import NUM_SEEDS, BookLock, LockedPicture, locked_picture, with_pictures
from api.commands.edit import PageChanges, changed, check_edited
from api.service.errors import InvalidInput, NotFound, WrongState
from api.service.payloads import CastMember, PageDrawing, Seed, Written
from concepts.bank import ConceptBank
from story.safety import SafetyGate
from story.schema import Page, Scene, Story

COVER = "cover"
MAX_PROMPT_LENGTH = 2000
_SEED_STEP = 1_000_003


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PageMark(_Frozen):
    """What a page keeps wherever it is moved to."""

    id: str
    """"cover" or "p1", "p2" as they were made."""
    is_locked: bool = False
    """Whether its picture shall stay as it is."""


class BookState(_Frozen):
    """A book as it is edited; scenes, locked pictures and marks stand in the same order, the cover's first."""

    story: Story
    lock: BookLock
    marks: tuple[PageMark, ...]
    cast: tuple[CastMember, ...] = ()
    """Those of the lock's cast that are kept with the book, whatever becomes of them in the bank."""

    def index(self, page_id: str) -> int:
        """Where a page stands, 0 for the cover.

        Raises:
            NotFound: There is no such page.
        """
        for index, mark in enumerate(self.marks):
            if mark.id == page_id:
                return index
        raise NotFound(f"The book has no page {page_id!r}: there are {', '.join(mark.id for mark in self.marks)}.")

    def digest(self) -> str:
        """A hash of all that editions are made from."""
        return hashlib.sha256(self.model_dump_json(exclude={"marks", "cast"}).encode()).hexdigest()


class PageEdit(_Frozen):
    """What is to be otherwise on one page; what is left out stays."""

    id: str = Field(max_length=16)
    text: str | None = Field(default=None, max_length=4000)
    second_text: str | None = Field(default=None, max_length=4000)
    """Of a bilingual book."""
    prompt: str | None = Field(default=None, max_length=MAX_PROMPT_LENGTH)
    """Its concepts are those whose words it has."""
    alt: str | None = Field(default=None, max_length=1000)
    is_locked: bool | None = Field(default=None, strict=True)
    seed: Seed | None = None
    """Takes the candidate of that seed."""


class BookEdit(_Frozen):
    """What is to be otherwise in a book; what is left out stays."""

    title: str | None = Field(default=None, min_length=1, max_length=200)
    second_title: str | None = Field(default=None, min_length=1, max_length=200)
    """Of a bilingual book."""
    pages: tuple[PageEdit, ...] = Field(default=(), max_length=17)
    order: tuple[str, ...] | None = Field(default=None, max_length=17)
    """The ids of all pages but the cover in their new order; after the edits."""


def first_state(written: Written) -> BookState:
    """A book as it was made."""
    ids = [COVER, *(f"p{number}" for number in range(1, len(written.story.pages) + 1))]
    marks = tuple(PageMark(id=page_id) for page_id in ids)
    return BookState(story=written.story, lock=written.lock, marks=marks, cast=written.cast)


def edited(
    state: BookState, edit: BookEdit, bank: ConceptBank, *, gate: SafetyGate, drawn: Mapping[str, str]
) -> BookState:
    """The state with the edit, checked like a written story.

    Args:
        gate: What may be read by children; asked where words change: a click on a picture sends no story anywhere.
        drawn: Hashes of the pictures there are, by `key_of` what they were drawn from.

    Raises:
        NotFound, WrongState, InvalidInput: A page is not there, is locked, or lacks what is asked for.
        UsageError, InvalidRequest, ConceptError: The words could not be drawn, read or shown to children.
    """
    before, known = state.story, state.lock.pictures
    titles = PageChanges(title=_stripped(edit.title), second_title=_stripped(edit.second_title))
    state = state.model_copy(update={"story": changed(state.story, titles, ())})
    for page in edit.pages:
        state = _with_page(state, page, bank, drawn)
    if edit.order is not None:
        state = _in_order(state, edit.order)
    check_edited(
        state.story,
        bank,
        gate=SafetyGate() if _words_of(state.story) == _words_of(before) else gate,
        model=state.lock.model,
        max_tokens=state.lock.settings.max_sequence_length,
        known=known,
    )
    return state


def _words_of(story: Story) -> tuple[str, str, Scene, frozenset[Page]]:
    """All that is written in a story, in whatever order its pages are."""
    return story.title, story.second_title, story.cover, frozenset(story.pages)


def key_of(picture: LockedPicture) -> str:
    """A hash of what a picture is drawn from, among the pictures of one book."""
    return hashlib.sha256(picture.model_dump_json().encode()).hexdigest()


def is_of_same_words(one: LockedPicture, other: LockedPicture) -> bool:
    """Whether two pictures show the same words and concepts, in whatever state the concepts were."""
    return (one.prompt, one.mentions) == (other.prompt, other.mentions)


def is_same_but_seed(one: LockedPicture, other: LockedPicture) -> bool:
    """Whether two pictures are drawn from the same, with one seed or two."""
    return one.model_copy(update={"seed": 0}) == other.model_copy(update={"seed": 0})


def with_picture(state: BookState, index: int, picture: LockedPicture) -> BookState:
    """The state with another picture in one place."""
    pictures = list(state.lock.pictures)
    pictures[index] = picture
    return state.model_copy(update={"lock": with_pictures(state.lock, pictures)})


def taken_drawings(
    state: BookState, drawings: Sequence[PageDrawing]
) -> Mapping[str, tuple[LockedPicture, LockedPicture]]:
    """By page what it has and what it takes: the first picture that was drawn for it while it is of the same words."""
    takes: dict[str, tuple[LockedPicture, LockedPicture]] = {}
    has = dict(zip((mark.id for mark in state.marks), state.lock.pictures, strict=True))
    for drawing in drawings:
        if drawing.page in has and is_of_same_words(has[drawing.page], drawing.picture):
            takes.setdefault(drawing.page, (has[drawing.page], drawing.picture))
    return takes


def with_taken(state: BookState, takes: Mapping[str, tuple[LockedPicture, LockedPicture]]) -> BookState:
    """The state with what pages take, where they have what they had and are not locked."""
    for index, mark in enumerate(state.marks):
        had, new = takes.get(mark.id, (None, None))
        if new is not None and not mark.is_locked and state.lock.pictures[index] == had:
            state = with_picture(state, index, new)
    return state


def new_seeds(picture: LockedPicture, count: int, *, drawn: Container[str]) -> list[LockedPicture]:
    """So many pictures drawn from the same, of seeds that have not been drawn yet; its own is the first to be tried."""
    found: list[LockedPicture] = []
    number = 0
    while len(found) < count:
        candidate = picture.model_copy(update={"seed": (picture.seed + _SEED_STEP * number) % NUM_SEEDS})
        if key_of(candidate) not in drawn:
            found.append(candidate)
        number += 1
    return found


def _with_page(state: BookState, page: PageEdit, bank: ConceptBank, drawn: Mapping[str, str]) -> BookState:
    index = state.index(page.id)
    mark = state.marks[index]
    is_locked = mark.is_locked if page.is_locked is None else page.is_locked
    is_new_prompt = page.prompt is not None and page.prompt.strip() != state.story.scenes[index].prompt
    if is_locked and mark.is_locked and (is_new_prompt or page.seed is not None):
        raise WrongState("The page is locked, so that its picture stays as it is. Unlock it first.")
    marks = list(state.marks)
    marks[index] = mark.model_copy(update={"is_locked": is_locked})
    changes = PageChanges(
        page=index,
        text=_stripped(page.text),
        second_text=_stripped(page.second_text),
        prompt=_stripped(page.prompt) if is_new_prompt else None,
        alt=_stripped(page.alt),
    )
    story = changed(state.story, changes, bank.catalog(base_model=state.lock.model.fingerprint))
    state = state.model_copy(update={"story": story, "marks": tuple(marks)})
    if is_new_prompt:  # the other pictures stay, whatever became of their concepts in the bank since
        seed = state.lock.pictures[index].seed
        new = locked_picture(story.scenes[index], bank=bank, model=state.lock.model, seed=seed)
        state = with_picture(state, index, new)
    if page.seed is None:
        return state
    picture = state.lock.pictures[index].model_copy(update={"seed": page.seed})
    if key_of(picture) not in drawn:
        raise InvalidInput(f"There is no candidate of seed {page.seed} for this page. Choose one that is there.")
    return with_picture(state, index, picture)


def _stripped(words: str | None) -> str | None:
    """Words as a form sends them, without what a browser puts around and between lines."""
    return None if words is None else words.replace("\r\n", "\n").strip()


def _in_order(state: BookState, order: Sequence[str]) -> BookState:
    there = [mark.id for mark in state.marks[1:]]
    if sorted(order) != sorted(there):
        raise InvalidInput(f"The order has to have each page once: {', '.join(there)}.")
    places = [state.index(page_id) for page_id in order]
    pages = tuple(state.story.pages[place - 1] for place in places)
    everything = [0, *places]
    lock = state.lock.model_copy(update={"pictures": tuple(state.lock.pictures[place] for place in everything)})
    story = state.story.model_copy(update={"pages": pages})
    marks = tuple(state.marks[place] for place in everything)
    return state.model_copy(update={"story": story, "lock": lock, "marks": marks})
