"""Deleting on a real database and store: nothing of what was deleted is left, and nothing of anything else is lost."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from api.service.book_tables import book_edits, book_pictures, book_revisions
from api.service.database import Database
from api.service.deletion import delete_book, delete_concept, delete_scene, delete_story
from api.service.destinations import DestinationRules
from api.service.edge_tables import webhook_outbox
from api.service.errors import NotFound, WrongState
from api.service.ids import new_id
from api.service.jobs import JobKind, Jobs
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.sweep import DAY_S, OUTBOX_S, RETRY_S, named_hashes, sweep
from api.service.tables import books, metadata, scenes, stories
from api.service.tables import jobs as jobs_table
from api.service.tasks import NewTask, TaskQueue
from api.service.webhooks import WebhookStore
from concepts.bank import ConceptBank
from concepts.errors import UnknownConcept
from tests.concepts.builders import a_concept, add_concept

OWNER = "mum"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path}/service.sqlite")
    yield database
    database.close()


def add_job(
    database: Database, kind: JobKind, subject: str, *, has_ended: bool = True, request: Mapping[str, Any] | None = None
) -> str:
    """A job with a task and events."""
    jobs = Jobs(database)
    with database.write() as connection:
        job_id = jobs.add(connection, owner=OWNER, kind=kind, subject=subject, request=request or {"draw": {}})
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


def add_learning(database: Database, picture: str, *concepts: str, has_ended: bool = True) -> str:
    learn = {"picture": picture, "concepts": [{"id": each} for each in concepts]}
    return add_job(database, "concept", concepts[0], has_ended=has_ended, request={"learn": learn})


def settings_in(folder: Path) -> ServiceSettings:
    return ServiceSettings(data_dir=folder)


def bank_in(folder: Path, *concepts: str) -> ConceptBank:
    """The owner's bank."""
    bank = ConceptBank(settings_in(folder).bank_dir_of(OWNER))
    for each in concepts:
        add_concept(bank, a_concept(each), folder / "workshop")
    return bank


def put_long_ago(store: ContentStore, folder: Path, content: bytes) -> str:
    digest, yesterday = store.put(content), time.time() - DAY_S - 1
    os.utime(folder / "store" / digest[:2] / digest, (yesterday, yesterday))
    return digest


def end_long_ago(database: Database, job_id: str, seconds: float, *, state: str = "failed") -> None:
    with database.write() as connection:
        changes = {"state": state, "finished_at": time.time() - seconds}
        connection.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(**changes))


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
    sweep(database, store, settings_in(tmp_path))
    assert [jobs.preview(OWNER, job_id, 0) for job_id in job_ids] == [b"a picture"] * 2
    jobs.cancel(OWNER, job_ids[0])
    sweep(database, store, settings_in(tmp_path))
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
    assert sweep(database, store, settings_in(tmp_path)) == 1
    assert [store.get(digest) for digest in (named, new, put_again)] == [b"named", b"new", b"put again"]
    with pytest.raises(NotFound):
        store.get(unnamed)
    assert not half_written.exists()
    delete_book(database, OWNER, book_id)
    assert sweep(database, store, settings_in(tmp_path)) == 1
    with pytest.raises(NotFound):
        store.get(named)


def test_a_concept_goes_with_the_picture_that_was_sent_for_it(database: Database, tmp_path: Path) -> None:
    store, bank = ContentStore.open(f"file://{tmp_path / 'store'}"), bank_in(tmp_path, "tom", "rex", "other")
    photo, others = (put_long_ago(store, tmp_path, content) for content in (b"a photo", b"another"))
    job_id = add_learning(database, photo, "tom", "rex")
    add_learning(database, others, "other")
    delete_concept(database, bank, OWNER, "tom")
    assert job_id in everything(database), "the picture is still that of rex"
    delete_concept(database, bank, OWNER, "rex")
    assert job_id not in everything(database) and bank.ids() == ("other",)
    sweep(database, store, settings_in(tmp_path))
    assert store.get(others) == b"another"
    with pytest.raises(NotFound):
        store.get(photo)
    with pytest.raises(UnknownConcept):
        delete_concept(database, bank, OWNER, "rex")


def test_a_concept_that_is_learnt_anew_stays(database: Database, tmp_path: Path) -> None:
    bank = bank_in(tmp_path, "tom")
    add_learning(database, "c" * 64, "tom", has_ended=False)
    with pytest.raises(WrongState, match="cancel"):
        delete_concept(database, bank, OWNER, "tom")
    assert bank.ids() == ("tom",)


def test_pictures_that_were_sent_for_nothing_are_swept(database: Database, tmp_path: Path) -> None:
    """For a caption after a day, even if a webhook was told of it; for what was not learnt after a week."""
    store, settings = ContentStore.open(f"file://{tmp_path / 'store'}"), settings_in(tmp_path)
    webhooks = WebhookStore(database, rules=DestinationRules(allow_private=True))
    webhooks.create(OWNER, url="http://127.0.0.1:1/", events=["job.succeeded"])
    contents = (b"captioned", b"captioned now", b"failed", b"failed now", b"learnt")
    photos = [put_long_ago(store, tmp_path, content) for content in contents]
    captions = [add_job(database, "caption", photo, request={"describe": {"picture": photo}}) for photo in photos[:2]]
    learning = [add_learning(database, photo, f"concept-{number}") for number, photo in enumerate(photos[2:], start=2)]
    bank_in(tmp_path, "concept-4")
    end_long_ago(database, captions[0], DAY_S + 1, state="succeeded")
    for job_id, seconds in zip(learning, (RETRY_S + 1, RETRY_S - 60, RETRY_S + 1), strict=True):
        end_long_ago(database, job_id, seconds)
    sweep(database, store, settings)
    assert [photo in named_hashes(database) for photo in photos] == [False, True, False, True, True]
    assert [(tmp_path / "store" / photo[:2] / photo).exists() for photo in photos] == [False, True, False, True, True]


def test_events_are_forgotten_long_after_there_is_nothing_left_to_try(database: Database, tmp_path: Path) -> None:
    webhooks = WebhookStore(database, rules=DestinationRules(allow_private=True))
    _, webhook = webhooks.create(OWNER, url="http://127.0.0.1:1/", events=["job.succeeded"])
    long_ago, lately = time.time() - OUTBOX_S - 1, time.time() - OUTBOX_S + 60
    event = {"webhook_id": webhook.id, "event": "job.succeeded", "body": "{}"}
    with database.write() as connection:
        for id_, created_at, due_at in (
            ("told", long_ago, None),
            ("due", long_ago, 1.0),
            ("lately told", lately, None),
        ):
            row = {"id": id_, "created_at": created_at, "due_at": due_at}
            connection.execute(insert(webhook_outbox).values(**event, **row))
    sweep(database, ContentStore.open(f"file://{tmp_path / 'store'}"), settings_in(tmp_path))
    with database.read() as connection:
        assert set(connection.execute(select(webhook_outbox.c.id)).scalars()) == {"due", "lately told"}


def test_checkpoints_and_drafts_go_unless_a_job_may_go_on_from_them(database: Database, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    going = add_scene(database, has_ended=False)[1]
    done, old, failed = (add_scene(database)[1] for _ in range(3))
    end_long_ago(database, old, RETRY_S + 1)
    end_long_ago(database, failed, RETRY_S - 60)
    gone = new_id("job")
    for job_id in (going, done, old, failed, gone):
        (settings.drafts_dir / job_id).mkdir(parents=True)
        (settings.drafts_dir / job_id / "draft.json").write_text("{}")
        (settings.learning_dir / f"{job_id}-abc").mkdir(parents=True)
        (settings.learning_dir / f"{job_id}-abc.safetensors").write_bytes(b"")
    (settings.learning_dir / "isolation-abc.safetensors").write_bytes(b"")
    sweep(database, ContentStore.open(f"file://{tmp_path / 'store'}"), settings)
    assert {path.name for path in settings.drafts_dir.iterdir()} == {going, failed}
    learning = {f"{job_id}-abc{ending}" for job_id in (going, failed) for ending in ("", ".safetensors")}
    assert {path.name for path in settings.learning_dir.iterdir()} == learning | {"isolation-abc.safetensors"}
