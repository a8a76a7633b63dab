"""Deleting on a real database and store: nothing of what was deleted is left, and nothing of anything else is lost."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from api.service.book_tables import book_edits, book_pictures, book_revisions
from api.service.database import Database
from api.service.deletion import delete_book, delete_scene, delete_story
from api.service.errors import NotFound, WrongState
from api.service.ids import new_id
from api.service.jobs import JobKind, Jobs
from api.service.store import ContentStore
from api.service.sweep import DAY_S, named_hashes, sweep
from api.service.tables import books, metadata, scenes, stories
from api.service.tasks import NewTask, TaskQueue

OWNER = "mum"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path}/service.sqlite")
    yield database
    database.close()


def add_job(database: Database, kind: JobKind, subject: str, *, has_ended: bool = True) -> str:
    """A job with a task and events."""
    jobs = Jobs(database)
    with database.write() as connection:
        job_id = jobs.add(connection, owner=OWNER, kind=kind, subject=subject, request={"draw": {}})
    TaskQueue(database).add(job_id, OWNER, [NewTask(key="draw", kind="draw", payload={})])
    if has_ended:
        jobs.succeed(job_id, {}, also=lambda _: None)
    return job_id


def add_story(database: Database, job_id: str) -> str:
    story_id = new_id("story")
    row = {"id": story_id, "owner": OWNER, "job_id": job_id, "version": 1, "request": {}, "warnings": []}
    with database.write() as connection:
        connection.execute(insert(stories).values(**row, created_at=0.0, updated_at=0.0))
    return story_id


def add_book(database: Database, *, has_ended: bool = True, story_id: str | None = None, sha256: str = "") -> list[str]:
    """Ids of a book that was edited, of its jobs, and of the story that was written with it, unless one is given."""
    book_id = new_id("book")
    jobs = [add_job(database, "book", book_id), add_job(database, "pages", book_id, has_ended=has_ended)]
    written = add_story(database, jobs[0]) if story_id is None else story_id
    of_book: dict[str, Any] = {"book_id": book_id, "owner": OWNER}
    with database.write() as connection:
        row = {"id": book_id, "owner": OWNER, "job_id": jobs[0], "story_id": written, "artifacts": {}}
        connection.execute(insert(books).values(**row, created_at=0.0))
        connection.execute(insert(book_edits).values(**of_book, head=0, version=1))
        connection.execute(insert(book_revisions).values(**of_book, number=0, what="Edit", state={}, created_at=0.0))
        picture = {"drawn": "a" * 64, "picture": {}, "sha256": sha256 or "b" * 64, "created_at": 0.0}
        connection.execute(insert(book_pictures).values(**of_book, **picture))
    return [book_id, *jobs, *([written] if story_id is None else [])]


def add_scene(database: Database, *, has_ended: bool = True) -> list[str]:
    scene_id = new_id("scene")
    job_id = add_job(database, "scene", scene_id, has_ended=has_ended)
    with database.write() as connection:
        row = {"id": scene_id, "owner": OWNER, "job_id": job_id, "prompt": "a fox", "created_at": 0.0}
        connection.execute(insert(scenes).values(**row))
    return [scene_id, job_id]


def everything(database: Database) -> str:
    """All rows of all tables."""
    with database.read() as connection:
        return repr([connection.execute(select(table)).all() for table in metadata.sorted_tables])


def test_no_row_speaks_of_a_deleted_book(database: Database) -> None:
    other = add_book(database)
    ids = add_book(database)
    assert all(id_ in everything(database) for id_ in ids)
    delete_book(database, OWNER, ids[0])
    left = everything(database)
    assert [id_ for id_ in ids if id_ in left] == []
    assert all(id_ in left for id_ in other)


def test_a_story_outlives_one_of_its_books_and_goes_after_the_last(database: Database) -> None:
    story_id = add_story(database, add_job(database, "story", "x"))
    book_id, *_ = add_book(database, story_id=story_id)
    with pytest.raises(WrongState, match=book_id):
        delete_story(database, OWNER, story_id)
    delete_book(database, OWNER, book_id)
    assert story_id in everything(database)
    delete_story(database, OWNER, story_id)
    assert story_id not in everything(database)


def test_a_book_that_gave_its_story_to_another_leaves_it(database: Database) -> None:
    first, _, _, story_id = add_book(database)
    second, *_ = add_book(database, story_id=story_id)
    delete_book(database, OWNER, first)
    assert story_id in everything(database)
    delete_book(database, OWNER, second)
    assert first not in everything(database)


def test_a_scene_goes_with_its_job(database: Database) -> None:
    scene_id, job_id = add_scene(database)
    delete_scene(database, OWNER, scene_id)
    assert scene_id not in everything(database) and job_id not in everything(database)


@pytest.mark.parametrize(("add", "remove"), [(add_book, delete_book), (add_scene, delete_scene)])
def test_what_is_worked_on_or_anothers_stays(
    database: Database, add: Callable[..., list[str]], remove: Callable[[Database, str, str], None]
) -> None:
    id_, *_ = add(database, has_ended=False)
    before = everything(database)
    with pytest.raises(WrongState, match="cancel"):
        remove(database, OWNER, id_)
    with pytest.raises(NotFound):
        remove(database, "dad", id_)
    assert everything(database) == before


def test_a_job_that_was_deleted_while_it_ends_is_let_be(database: Database) -> None:
    scene_id, job_id = add_scene(database, has_ended=False)
    jobs = Jobs(database)
    jobs.cancel(OWNER, job_id)
    delete_scene(database, OWNER, scene_id)
    assert jobs.read(job_id) is None
    jobs.enter(job_id, "drawing")
    assert TaskQueue(database).ends([f"{job_id}.draw"])[f"{job_id}.draw"].state == "canceled"


def test_previews_go_once_their_job_has_ended(database: Database, tmp_path: Path) -> None:
    jobs, queue, store = Jobs(database), TaskQueue(database), ContentStore.open(f"file://{tmp_path / 'store'}")
    job_ids = [add_scene(database, has_ended=False)[1] for _ in range(2)]
    queue.enlist("worker", "draw", host="here", pid=1)
    for _ in job_ids:
        assert (task := queue.claim("worker", "draw")) is not None
        queue.report(task, "step", {"picture": 0}, preview=b"a picture")
    sweep(database, store)
    assert [jobs.preview(OWNER, job_id, 0) for job_id in job_ids] == [b"a picture"] * 2
    jobs.cancel(OWNER, job_ids[0])
    sweep(database, store)
    assert jobs.preview(OWNER, job_ids[1], 0) == b"a picture"
    with pytest.raises(NotFound):
        jobs.preview(OWNER, job_ids[0], 0)


def test_a_sweep_deletes_what_is_old_and_named_nowhere(database: Database, tmp_path: Path) -> None:
    store = ContentStore.open(f"file://{tmp_path / 'store'}")
    named, unnamed, new, put_again = (store.put(content) for content in (b"named", b"unnamed", b"new", b"put again"))
    half_written = tmp_path / "store" / "new" / "half"
    half_written.write_bytes(b"half of")
    yesterday = time.time() - DAY_S - 1
    for path in (half_written, *(tmp_path / "store" / digest[:2] / digest for digest in (named, unnamed, put_again))):
        os.utime(path, (yesterday, yesterday))
    store.put(b"put again")
    book_id, *_ = add_book(database, sha256=named)
    assert named in named_hashes(database)
    assert sweep(database, store) == 1
    assert [store.get(digest) for digest in (named, new, put_again)] == [b"named", b"new", b"put again"]
    with pytest.raises(NotFound):
        store.get(unnamed)
    assert not half_written.exists()
    delete_book(database, OWNER, book_id)
    assert sweep(database, store) == 1
    with pytest.raises(NotFound):
        store.get(named)
