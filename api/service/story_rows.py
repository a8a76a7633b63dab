"""Stories as rows: read, and edited by one person at a time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, update

from api.commands.edit import PageChanges, changed, check_edited
from api.service.banks import bank_of
from api.service.database import Database
from api.service.errors import EditConflict, InvalidInput, NotReady, WrongState
from api.service.model_info import ask_model
from api.service.owned import owned_row
from api.service.schema import StoryEdit
from api.service.settings import ServiceSettings
from api.service.tables import stories
from api.writers import open_gate
from concepts.schema import ConceptCard
from story.schema import Story


@dataclass(frozen=True, kw_only=True)
class StoryRow:
    """A story as it stands."""

    id: str
    owner: str
    job_id: str
    version: int
    request: dict[str, Any]
    story: Story | None
    writer: str | None
    warnings: tuple[str, ...]
    created_at: float
    updated_at: float


def story_row(row: Row[Any]) -> StoryRow:
    """A story of a row."""
    values: dict[str, Any] = dict(row._mapping)
    story = Story.model_validate(values.pop("story")) if values["story"] is not None else values.pop("story")
    return StoryRow(story=story, warnings=tuple(values.pop("warnings")), **values)


def read_story(database: Database, owner: str, story_id: str) -> StoryRow:
    """An owner's story.

    Raises:
        NotFound: The owner has no story of that id.
    """
    with database.read() as connection:
        return story_row(owned_row(connection, stories, owner, story_id, kind="story"))


def edit_story(
    database: Database, settings: ServiceSettings, owner: str, story_id: str, edit: StoryEdit, *, version: int | None
) -> StoryRow:
    """The story with other words, if it still has the version that was edited; None is whichever it has now.

    Raises:
        NotFound: The owner has no story of that id.
        WrongState: It is not written yet.
        EditConflict: It has another version by now.
        InvalidInput, UsageError, InvalidRequest: The words could not be drawn, read or shown to children.
    """
    row = read_story(database, owner, story_id)
    if row.story is None:
        raise WrongState(f"The story {story_id!r} is not written yet. Wait for its job {row.job_id!r}.")
    if version is not None and row.version != version:
        raise _conflict(row.version)
    info = ask_model(database, wanted=settings.base.wanted_model)
    if info is None:
        raise NotReady("The picture model is not loaded yet. Try again once /readyz says so.")
    bank = bank_of(settings, owner)
    edited = _edited(row.story, edit, bank.catalog(base_model=info.model.fingerprint))
    check_edited(
        edited,
        bank,
        gate=open_gate(settings.base),
        model=info.model,
        max_tokens=info.settings.max_sequence_length,
        known=row.story.scenes,
    )
    with database.write() as connection:
        done = connection.execute(
            update(stories)
            .where(stories.c.id == story_id, stories.c.owner == owner, stories.c.version == row.version)
            .values(story=edited.model_dump(mode="json"), version=row.version + 1, updated_at=time.time())
        )
        if done.rowcount != 1:
            raise _conflict(None)
    return read_story(database, owner, story_id)


def _edited(story: Story, edit: StoryEdit, catalog: Sequence[ConceptCard]) -> Story:
    story = changed(story, PageChanges(title=edit.title, second_title=edit.second_title), catalog)
    for page in edit.pages:
        if page.page > len(story.pages):
            raise InvalidInput(f"There is no page {page.page}: pages are 1 to {len(story.pages)}, and 0 is the cover.")
        if page.page == 0 and not (page.text is None and page.second_text is None):
            raise InvalidInput("The cover has no text of its own; its words are the title.")
        changes = PageChanges(
            page=page.page, text=page.text, second_text=page.second_text, prompt=page.prompt, alt=page.alt
        )
        story = changed(story, changes, catalog)
    if edit.order is not None:
        if sorted(edit.order) != list(range(1, len(story.pages) + 1)):
            raise InvalidInput(f"The order has to have each page from 1 to {len(story.pages)} once.")
        story = story.model_copy(update={"pages": tuple(story.pages[number - 1] for number in edit.order)})
    return story


def _conflict(version: int | None) -> EditConflict:
    now = "" if version is None else f" and has version {version} now"
    return EditConflict(f"The story was edited meanwhile{now}. Read it again and edit that.")
