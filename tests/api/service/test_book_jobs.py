"""What jobs make of a book, in whatever order they end, on a real database and with nobody to draw."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from api.service.banks import bank_of
from api.service.book_edits import keep_binding, keep_drawings
from api.service.errors import InvalidInput
from api.service.keys import Principal
from api.service.payloads import Artifact, BookLook, Bound, PagesPayload
from api.service.services import Services
from api.service.story_rows import read_story
from api.service.studio.shelf import shelf
from api.service.submit_pages import submit_pages
from api.service.tables import books, tasks
from api.service.tasks import TaskEnd
from api.service.workflows import JobWorkflows
from tests.api.service.desk import OWNER, Desk
from tests.api.service.idle import idle_services
from tests.api.service.test_processes import PlainSteps
from tests.concepts.builders import a_concept, add_concept

MUM = Principal(owner=OWNER, scopes=frozenset({"write"}))


class Watch:
    """Sees to tasks itself: where there are editions a book is bound, and at anything else its job is called off."""

    def __init__(self, services: Services, editions: Mapping[str, Artifact] | None) -> None:
        self._jobs, self._tasks, self._editions = services.jobs, services.tasks, editions

    async def wait(self, id_: str) -> TaskEnd:
        job_id, _, key = id_.partition(".")
        if id_ not in self._tasks.ends([id_]):
            if key == "bind" and self._editions is not None:
                self._bind(self._editions)
            else:
                self._jobs.cancel(OWNER, job_id)
        return self._tasks.ends([id_])[id_]

    def _bind(self, editions: Mapping[str, Artifact]) -> None:
        self._tasks.enlist("binder", "text", host="here", pid=3)
        task = self._tasks.claim("binder", "text")
        assert task is not None
        self._tasks.finish(task, Bound(artifacts={**editions}).model_dump(mode="json"))


@pytest.fixture
def services(desk: Desk) -> Services:
    return idle_services(desk.settings, desk.database)


def do(services: Services, job_id: str, editions: Mapping[str, Artifact] | None = None) -> str:
    """How a job ends for which nothing is done any more but binding."""
    workflows = JobWorkflows(services.jobs, services.tasks, Watch(services, editions), interruptions=())
    asyncio.run(workflows(job_id, PlainSteps()))
    return services.jobs.get(OWNER, job_id).state


def edition(name: str) -> dict[str, Artifact]:
    return {"html": Artifact(sha256=name * 64, bytes=1, media_type="text/html", filename="book.html")}


def title_of(desk: Desk) -> str | None:
    with desk.database.read() as connection:
        return connection.execute(select(books.c.title).where(books.c.id == desk.book_id)).scalar_one()


def on_the_shelf(services: Services) -> str:
    found = re.search(r'class="sub">([^<]*)<', bytes(shelf(services, MUM).body).decode())
    assert found is not None
    return found[1]


def test_a_story_is_there_once_it_is_written_whatever_becomes_of_its_book(desk: Desk, services: Services) -> None:
    book = desk.book()
    assert read_story(desk.database, OWNER, book.story_id).story is None
    assert do(services, book.job_id) == "canceled"
    row = read_story(desk.database, OWNER, book.story_id)
    assert (row.story, row.version) == (book.written().story, 1)


def test_the_first_job_tried_again_leaves_later_editions(desk: Desk, services: Services) -> None:
    job_id = desk.book().job_id
    assert do(services, job_id) == "canceled"
    state = desk.edit(title="Another").written()
    with desk.database.write() as connection:
        keep_binding(connection, OWNER, desk.book_id, edition("b"), state=state, look=BookLook())
    services.jobs.retry(OWNER, job_id)
    assert do(services, job_id, edition("a")) == "succeeded"
    assert (desk.book().artifacts, title_of(desk), desk.book().is_bound) == (edition("b"), "Another", True)


def test_the_first_job_tried_again_after_edits_alone_makes_the_editions(desk: Desk, services: Services) -> None:
    job_id, title = desk.book().job_id, desk.book().written().story.title
    assert do(services, job_id) == "canceled"
    desk.edit(title="Another")
    services.jobs.retry(OWNER, job_id)
    assert do(services, job_id, edition("a")) == "succeeded"
    assert (desk.book().artifacts, title_of(desk), desk.book().is_bound) == (edition("a"), title, False)


def seeds_asked_for(services: Services, desk: Desk, page: str, count: int) -> list[int]:
    """Those of another job for pictures of a page."""
    job = submit_pages(services, OWNER, desk.book_id, [page], candidates=count)
    return [drawing["picture"]["seed"] for drawing in job.request["pages"]["draw"]]


def test_no_picture_is_asked_for_twice(desk: Desk, services: Services) -> None:
    seeds = [*seeds_asked_for(services, desk, "p1", 3), *seeds_asked_for(services, desk, "p1", 3)]
    assert len({*seeds, desk.book().written().lock.pictures[1].seed}) == 7
    for job in services.jobs.list(OWNER, limit=5, kind="pages"):
        services.jobs.cancel(OWNER, job.id)
    assert seeds_asked_for(services, desk, "p1", 3) == seeds[:3]


def test_what_the_books_own_job_is_going_to_draw_is_not_asked_for(desk: Desk, services: Services) -> None:
    own = desk.book().written().lock.pictures[2].seed
    with desk.database.write() as connection:
        connection.execute(delete(tasks).where(tasks.c.kind == "draw"))
    assert desk.book().picture(2) is None and seeds_asked_for(services, desk, "p2", 1) != [own]
    services.jobs.cancel(OWNER, desk.book().job_id)
    assert seeds_asked_for(services, desk, "p2", 1) == [own]


def test_a_page_is_drawn_again_with_its_concepts_as_they_are_now(
    desk: Desk, services: Services, tmp_path: Path
) -> None:
    bank, state = bank_of(desk.settings, OWNER), desk.book().written()
    again = a_concept("pip", "robot", direction=b"another")
    again = again.model_copy(update={"base_model": state.lock.model.fingerprint})
    add_concept(bank, again, tmp_path / "workshop", direction=b"another", replace=True)
    job = submit_pages(services, OWNER, desk.book_id, ["p1"], candidates=1)
    (drawing,) = PagesPayload.model_validate(job.request["pages"]).draw
    with desk.database.write() as connection:
        keep_drawings(connection, OWNER, desk.book_id, [(drawing, "9" * 64)])
    book = desk.book()
    assert book.picture(1) == "9" * 64 and book.written().lock.pictures[1].concepts["pip"] == again.direction_sha256
    assert book.written().lock.pictures[2:] == state.lock.pictures[2:]
    bank.remove("pip")
    with pytest.raises(InvalidInput, match="pip"):
        submit_pages(services, OWNER, desk.book_id, ["p1"], candidates=1)


def test_the_shelf_says_how_a_book_stands(desk: Desk, services: Services) -> None:
    services.jobs.cancel(OWNER, desk.book().job_id)
    assert on_the_shelf(services) == "Called off"
    job = submit_pages(services, OWNER, desk.book_id, ["p1"], candidates=1)
    assert on_the_shelf(services) == "Waiting"
    services.jobs.cancel(OWNER, job.id)
    with desk.database.write() as connection:
        state = desk.book().written()
        keep_binding(connection, OWNER, desk.book_id, edition("b"), state=state, look=BookLook())
    assert on_the_shelf(services) == "8 pages"
