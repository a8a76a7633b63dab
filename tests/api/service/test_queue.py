"""Jobs and tasks as rows, in SQLite and in PostgreSQL: turns, leases, ends, events, owners."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import DBAPIError

from api.service.database import Database
from api.service.deletion import delete_job
from api.service.errors import NotFound, TaskCanceled, UnusableDatabase, WrongState
from api.service.ids import new_id, seeded_ids
from api.service.jobs import Jobs
from api.service.tables import jobs as job_rows
from api.service.tables import metadata, tasks
from api.service.tasks import MAX_STARTS, NewTask, Task, TaskQueue, task_id

pytest_plugins = ["tests.api.service.databases"]


@pytest.fixture
def database(either_database: Database) -> Database:
    return either_database


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)


@pytest.fixture
def queue(database: Database) -> TaskQueue:
    return TaskQueue(database)


def add_job(
    database: Database, owner: str, *, pictures: int = 1, first: int = 1, kind: Literal["draw", "learn"] = "draw"
) -> str:
    """A job with tasks; `first` 0 is a single picture or a concept to learn, 1 a book."""
    with database.write() as connection:
        job_id = Jobs(database).add(connection, owner=owner, kind="book", subject=new_id("book"), request={})
    tasks = [
        NewTask(key=f"{kind}-{number}", kind=kind, payload={"n": number}, position=number)
        for number in range(first, first + pictures)
    ]
    TaskQueue(database).add(job_id, owner, tasks)
    return job_id


def a_worker(queue: TaskQueue) -> str:
    worker_id = new_id("worker")
    queue.enlist(worker_id, "draw", host="here", pid=1)
    return worker_id


def claim(queue: TaskQueue, worker: str) -> Task:
    task = queue.claim(worker, "draw")
    assert task is not None
    return task


def test_owners_take_turns_and_single_pictures_go_first(database: Database, queue: TaskQueue) -> None:
    add_job(database, "ann", pictures=3)
    add_job(database, "bob", pictures=2)
    add_job(database, "ann", first=0)
    worker = a_worker(queue)
    claimed = [claim(queue, worker) for _ in range(6)]
    order = [(task.owner, task.payload["n"]) for task in claimed]
    assert order == [("ann", 0), ("bob", 1), ("ann", 1), ("bob", 2), ("ann", 2), ("ann", 3)]
    assert queue.claim(worker, "draw") is None
    assert queue.claim(worker, "text") is None


def test_owners_take_turns_whatever_is_left_of_their_history(database: Database, jobs: Jobs, queue: TaskQueue) -> None:
    worker, had = a_worker(queue), add_job(database, "ann")
    task = claim(queue, worker)
    queue.finish(task, {})
    jobs.succeed(had, {}, also=lambda _: None)
    with database.write() as connection:
        delete_job(connection, had)
    add_job(database, "ann")
    add_job(database, "bob")
    assert [claim(queue, worker).owner for _ in range(2)] == ["bob", "ann"]


def work_of_a_claim(folder: Path, *, history: int) -> int:
    """Thousands of SQLite's instructions that a claim takes beside so many tasks that were done."""
    database, counted = Database.open(f"sqlite:///{folder / f'{history}.sqlite'}"), 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    queue, worker, done = TaskQueue(database), new_id("worker"), add_job(database, "ann", pictures=history)
    with database.write() as connection:
        connection.execute(update(tasks).where(tasks.c.job_id == done).values(state="done", started_at=1.0))
    queue.enlist(worker, "draw", host="here", pid=1)
    add_job(database, "ann")
    database.close()  # connections are made anew
    event.listen(database.engine, "connect", lambda connection, _: connection.set_progress_handler(count, 1000))
    claim(queue, worker)
    database.close()
    return counted


def test_a_claim_takes_no_longer_for_all_that_was_done_before(tmp_path: Path) -> None:
    assert work_of_a_claim(tmp_path, history=3000) <= work_of_a_claim(tmp_path, history=1) + 2


def test_learning_goes_behind_single_pictures_and_before_books(database: Database, queue: TaskQueue) -> None:
    add_job(database, "ann")
    add_job(database, "ann", first=0, kind="learn")
    add_job(database, "ann", first=0)
    worker = a_worker(queue)
    assert queue.claim(worker, "draw", without=["draw", "learn"]) is None
    order = [(task.kind, task.payload["n"]) for task in (claim(queue, worker) for _ in range(3))]
    assert order == [("draw", 0), ("learn", 0), ("draw", 1)]


def test_a_task_is_given_to_one_worker_only(database: Database, queue: TaskQueue) -> None:
    add_job(database, "ann", pictures=16)
    workers = [a_worker(queue) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        claimed = list(threads.map(lambda number: queue.claim(workers[number % 4], "draw"), range(20)))
    ids = [task.id for task in claimed if task is not None]
    assert len(ids) == len(set(ids))
    assert len(ids) == 16 or queue.claim(workers[0], "draw") is not None, "nothing is skipped for good"


def test_whoever_lost_a_task_is_refused(database: Database, jobs: Jobs, queue: TaskQueue) -> None:
    job_id = add_job(database, "ann")
    first, second = a_worker(queue), a_worker(queue)
    lost = claim(queue, first)
    assert queue.give_up(first, died=True) == [lost.id]
    held = claim(queue, second)
    assert (held.id, held.starts) == (lost.id, 2)
    for late in (
        lambda: queue.report(lost, "step", {}),
        lambda: queue.finish(lost, {"sha": "late"}),
        lambda: queue.fail(lost, {"message": "late"}),
    ):
        with pytest.raises(TaskCanceled):
            late()
    queue.finish(held, {"sha": "x"}, picture="x", told={"picture": 0})
    assert queue.ends([held.id])[held.id].result == {"sha": "x"}
    assert [event.type for event in jobs.events("ann", job_id, after=0)] == ["queued", "taken_over", "picture"]
    assert queue.beat(first) is False and queue.beat(second) is True


def test_the_latest_preview_of_a_picture_is_its_owners(database: Database, jobs: Jobs, queue: TaskQueue) -> None:
    job_id = add_job(database, "ann", pictures=2)
    tasks = [claim(queue, a_worker(queue)) for _ in range(2)]
    for content in (b"early", b"late"):
        for picture, task in enumerate(tasks):
            queue.report(task, "step", {"picture": picture}, preview=content + bytes([picture]))
    queue.report(tasks[0], "step", {"picture": 0})
    assert [jobs.preview("ann", job_id, picture) for picture in (0, 1)] == [b"late\0", b"late\1"]
    for owner, picture in (("bob", 0), ("ann", 2)):
        with pytest.raises(NotFound):
            jobs.preview(owner, job_id, picture)


def test_whoever_hangs_in_a_transaction_does_not_hold_up_the_rest(postgres_url: str) -> None:
    # Whoever has patience makes the tables, which takes long where the machine is busy.
    with closing(Database.open(postgres_url)) as other, closing(Database.open(postgres_url, patience_s=0.5)) as hanging:
        queue = TaskQueue(other)
        add_job(other, "ann")
        worker = a_worker(queue)
        task = claim(queue, worker)
        with pytest.raises(DBAPIError), hanging.write() as connection:  # its connection is gone when it wakes up
            connection.execute(select(tasks).where(tasks.c.id == task.id).with_for_update())
            assert queue.give_up(worker, died=True) == [task.id]
            connection.execute(select(tasks))
        with other.write() as connection:
            metadata.drop_all(connection)


def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_patience_lasts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UnusableDatabase, match="timeout"):
        Database.open(f"postgresql://user@127.0.0.1:{silent.getsockname()[1]}/name", patience_s=2)


def test_a_database_is_opened_though_somebody_hangs_in_a_transaction(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'test.sqlite'}"
    with closing(Database.open(url)) as hanging, hanging.write():
        with closing(Database.open(url, patience_s=0.1)) as other:
            assert TaskQueue(other).workers() == []
            with pytest.raises(DBAPIError, match="locked"):
                TaskQueue(other).set_idle("worker_0")


def test_a_task_that_kills_its_workers_is_given_up(database: Database, queue: TaskQueue) -> None:
    job_id = add_job(database, "ann")
    for _ in range(MAX_STARTS):
        worker = a_worker(queue)
        claim(queue, worker)
        queue.give_up(worker, died=True)
    assert queue.claim(a_worker(queue), "draw") is None
    id_ = task_id(job_id, "draw-1")
    end = queue.ends([id_])[id_]
    assert end.state == "failed" and end.error is not None and end.error["type"] == "WorkerDied"


def test_a_task_whose_result_a_dead_worker_was_putting_away_is_not_what_it_died_of(
    database: Database, queue: TaskQueue
) -> None:
    add_job(database, "ann", pictures=2)
    worker = a_worker(queue)
    first, second = claim(queue, worker), claim(queue, worker)
    queue.give_up(worker, died=True)
    again = [claim(queue, a_worker(queue)) for _ in range(2)]
    assert {task.id: task.starts for task in again} == {first.id: 1, second.id: 2}


def test_a_worker_that_puts_a_result_away_keeps_the_task_that_it_works_on(database: Database, queue: TaskQueue) -> None:
    add_job(database, "ann", pictures=3)
    worker = a_worker(queue)
    first, second = claim(queue, worker), claim(queue, worker)
    queue.finish(first, {"sha": "x"})
    assert [row.task_id for row in queue.workers()] == [second.id]
    third = claim(queue, worker)
    queue.let_go(second)
    assert [row.task_id for row in queue.workers()] == [third.id]
    queue.fail(third, {"message": "no"})
    assert [row.task_id for row in queue.workers()] == [None]


def test_a_stop_of_the_service_does_not_count_as_a_death(database: Database, queue: TaskQueue) -> None:
    add_job(database, "ann")
    for _ in range(MAX_STARTS + 2):
        worker = a_worker(queue)
        assert claim(queue, worker).starts == 1
        queue.give_up(worker, died=False)


def test_a_job_runs_once_a_worker_has_taken_a_task_of_it(database: Database, jobs: Jobs, queue: TaskQueue) -> None:
    first, second = add_job(database, "ann"), add_job(database, "ann")
    jobs.enter(first, "drawing")
    assert (jobs.get("ann", first).state, jobs.get("ann", first).started_at) == ("queued", None)
    worker = a_worker(queue)
    assert claim(queue, worker).job_id == first
    began = jobs.get("ann", first)
    assert began.state == "running" and began.started_at is not None
    assert jobs.get("ann", second).state == "queued"
    queue.give_up(worker, died=True)
    assert claim(queue, a_worker(queue)).job_id == first
    assert jobs.get("ann", first).started_at == began.started_at
    jobs.cancel("ann", first)
    assert jobs.retry("ann", first).state == "queued"


def test_a_cancellation_takes_the_task_away_and_holds(database: Database, jobs: Jobs, queue: TaskQueue) -> None:
    job_id = add_job(database, "ann", pictures=2)
    task = claim(queue, a_worker(queue))
    jobs.enter(job_id, "drawing")
    assert jobs.cancel("ann", job_id).state == "canceled"
    with pytest.raises(TaskCanceled):
        queue.report(task, "step", {})
    jobs.succeed(job_id, {}, also=lambda _: None)
    jobs.fail(job_id, {"message": "late"})
    queue.add(job_id, "ann", [NewTask(key="late", kind="draw", payload={})])
    assert queue.claim(a_worker(queue), "draw") is None
    job = jobs.get("ann", job_id)
    assert (job.state, job.error, job.result) == ("canceled", None, None)


def test_a_retry_keeps_what_is_done_and_whole(database: Database, jobs: Jobs, queue: TaskQueue) -> None:
    job_id = add_job(database, "ann", pictures=3)
    worker = a_worker(queue)
    for sha in ("good", "bad"):
        queue.finish(claim(queue, worker), {"sha": sha}, picture=sha)
    queue.fail(claim(queue, worker), {"message": "no"})
    with pytest.raises(WrongState, match="running"):
        jobs.retry("ann", job_id)
    jobs.fail(job_id, {"message": "no"})
    job = jobs.retry("ann", job_id, damaged={"bad"})
    assert (job.state, job.attempt, job.error) == ("queued", 2, None)
    ids = [task_id(job_id, f"draw-{number}") for number in (1, 2, 3)]
    assert [queue.ends(ids)[id_].state for id_ in ids] == ["done", "canceled", "canceled"]


def test_a_retry_that_is_repeated_with_its_key_after_a_crash_is_the_first_one(database: Database, jobs: Jobs) -> None:
    job_id = add_job(database, "ann", pictures=1)
    jobs.fail(job_id, {"message": "no"})
    for _ in range(2):
        with seeded_ids("0" * 32):
            job = jobs.retry("ann", job_id)
        assert (job.state, job.attempt) == ("queued", 2)
    with seeded_ids("1" * 32), pytest.raises(WrongState, match="queued"):
        jobs.retry("ann", job_id)


def test_the_same_drawing_is_taken_over_within_an_owner_only(database: Database, queue: TaskQueue) -> None:
    worker = a_worker(queue)
    made: list[str] = []
    for owner in ("ann", "ann", "bob"):
        job_id = add_job(database, owner, pictures=0)
        queue.add(job_id, owner, [NewTask(key="draw", kind="draw", payload={}, inputs="same")])
        task = queue.claim(worker, "draw")
        if task is not None:
            made.append(task.owner)
            queue.finish(task, {"sha": owner}, picture=owner)
        assert queue.ends([task_id(job_id, "draw")])[task_id(job_id, "draw")].result == {"sha": owner}
    assert made == ["ann", "bob"]


def test_what_is_not_as_it_was_asked_for_is_not_taken_over(database: Database, queue: TaskQueue) -> None:
    worker = a_worker(queue)
    for is_as_asked in (False, True):
        job_id = add_job(database, "ann", pictures=0)
        queue.add(job_id, "ann", [NewTask(key="draw", kind="draw", payload={}, inputs="same")])
        queue.finish(claim(queue, worker), {"sha": str(is_as_asked)}, picture="sha", is_as_asked=is_as_asked)
    job_id = add_job(database, "ann", pictures=0)
    queue.add(job_id, "ann", [NewTask(key="draw", kind="draw", payload={}, inputs="same")])
    assert queue.ends([task_id(job_id, "draw")])[task_id(job_id, "draw")].result == {"sha": "True"}


def test_nobody_sees_what_is_somebody_elses(database: Database, jobs: Jobs) -> None:
    job_id = add_job(database, "ann")
    assert jobs.list("bob", limit=10) == []
    assert jobs.events("bob", job_id, after=0) == []
    for ask in (jobs.get, jobs.cancel, jobs.retry):
        with pytest.raises(NotFound):
            ask("bob", job_id)
    assert jobs.get("ann", job_id).state == "queued"


def test_events_are_numbered_without_gaps_by_many_writers(database: Database, jobs: Jobs, queue: TaskQueue) -> None:
    job_id = add_job(database, "ann", pictures=4)
    tasks = [claim(queue, a_worker(queue)) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: queue.report(tasks[n % 4], "step", {"step": n}), range(40)))
    assert [event.number for event in jobs.events("ann", job_id, after=0)] == list(range(1, 42))
    assert [event.number for event in jobs.events("ann", job_id, after=39)] == [40, 41]


@pytest.mark.parametrize("change", ["report", "finish", "fail", "give up"])
def test_a_cancellation_and_a_worker_do_not_wait_for_each_other(
    database: Database, queue: TaskQueue, change: Literal["report", "finish", "fail", "give up"]
) -> None:
    job_id, worker = add_job(database, "ann"), a_worker(queue)
    task = claim(queue, worker)
    changes: dict[str, Callable[[], object]] = {
        "report": lambda: queue.report(task, "step", {}),
        "finish": lambda: queue.finish(task, {}, told={}),
        "fail": lambda: queue.fail(task, {}),
        "give up": lambda: queue.give_up(worker, died=True),
    }
    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            connection.execute(select(job_rows.c.id).where(job_rows.c.id == job_id).with_for_update())
            changing = pool.submit(changes[change])
            with pytest.raises(TimeoutError):
                changing.result(timeout=0.3)
            connection.execute(select(tasks.c.id).where(tasks.c.job_id == job_id).with_for_update())
        changing.result()
