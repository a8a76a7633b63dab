"""What a book's page says of its story: notes of whoever wrote it, and that none was written where that is so."""

import re
import time
from typing import Any

import pytest
from sqlalchemy import delete, update

from api.service.errors import InvalidInput
from api.service.keys import Principal
from api.service.model_info import tell_model
from api.service.payloads import ModelInfo, Written
from api.service.schema import BookRequest
from api.service.services import Services
from api.service.store import ContentStore
from api.service.studio.book import book_page
from api.service.submit import submit_book
from api.service.sweep import RETRY_S
from api.service.tables import jobs, stories, tasks
from tests.api.service.desk import OWNER, Desk
from tests.api.service.idle import idle_services
from tests.api.service.test_cast import work

MUM = Principal(owner=OWNER, scopes=frozenset({"write"}))
NOTE = "Moss is in no picture: two figures are the most."


@pytest.fixture
def services(desk: Desk) -> Services:
    return idle_services(desk.settings, desk.database)


@pytest.fixture
def story_id(desk: Desk) -> str:
    """Of a story that is written, with a note."""
    book = desk.book()
    values: dict[str, Any] = {"story": book.written().story.model_dump(mode="json"), "warnings": [NOTE], "version": 1}
    values["request"] = {"idea": "a wish", "pages": 8}
    with desk.database.write() as connection:
        connection.execute(update(stories).where(stories.c.id == book.story_id).values(**values))
    return book.story_id


def test_a_book_of_a_written_story_has_that_storys_notes_and_its_own(
    desk: Desk, services: Services, story_id: str
) -> None:
    lock = desk.book().written().lock
    tell_model(
        desk.database,
        ModelInfo(model=lock.model, settings=lock.settings),
        wanted=desk.settings.base.wanted_model,
    )
    job = submit_book(services, OWNER, BookRequest(story=story_id, strengths={"rusty": 0.5, "clover": 0.5}))
    written = work(desk, ContentStore.open(desk.settings.store), "write", job.request["write"])
    note, unused = Written.model_validate(written).warnings
    assert note == NOTE and "'clover' was not used" in unused


@pytest.mark.parametrize(
    "asked", [{"cast": ["rusty"]}, {"pages": 6}, {"age": 8}, {"language": "de"}, {"idea": "another"}, {"seed": 1}]
)
def test_a_book_of_a_written_story_is_not_asked_for_with_another_wish(
    services: Services, story_id: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput, match=f"another {next(iter(asked))} than"):
        submit_book(services, OWNER, BookRequest.model_validate({"story": story_id, **asked}))
    same = BookRequest(story=story_id, idea="a wish", pages=8, age=5)
    assert submit_book(services, OWNER, same).kind == "book"


def shown(desk: Desk, services: Services) -> str:
    """The words of the book's page."""
    page = bytes(book_page(desk.book_id, services, MUM).body).decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))


def test_a_page_says_that_a_story_is_written_only_while_it_is(desk: Desk, services: Services) -> None:
    job_id = desk.book().job_id
    with desk.database.write() as connection:
        connection.execute(delete(tasks).where(tasks.c.job_id == job_id))
    assert "The story is being written." in shown(desk, services) and "The story comes first." in shown(desk, services)
    services.jobs.cancel(OWNER, job_id)
    stopped = shown(desk, services)
    assert "being written" not in stopped and "comes first" not in stopped
    assert "No story was written. “Go on” above tries again." in stopped and "Go on" in stopped
    services.jobs.retry(OWNER, job_id)
    assert "The story is being written." in shown(desk, services)
    services.jobs.fail(job_id, {"type": "StoryNotWritten", "message": "The model gave up."})
    assert "No story was written. “Go on”" in shown(desk, services)
    with desk.database.write() as connection:
        long_ago = time.time() - RETRY_S - 1
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(finished_at=long_ago))
    assert "No story was written. That is too long ago" in shown(desk, services)
