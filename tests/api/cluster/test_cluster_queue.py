"""What workers of a cluster may take: nothing once they are gone, and learning only while others can draw."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cluster.queue import ClusterQueue
from api.service.database import Database
from api.service.errors import WorkerLost
from api.service.ids import new_id
from api.service.jobs import Jobs
from api.service.tasks import NewTask, TaskKind


class Process:
    """Stands for a worker's process on a cluster."""

    def __init__(self) -> None:
        self.is_there = True

    def check_alive(self) -> None:
        if not self.is_there:
            raise WorkerLost("gone")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'test.sqlite'}")
    yield database
    database.close()


def queue_of(database: Database, *workers: str) -> tuple[ClusterQueue, dict[str, Process]]:
    processes = {worker: Process() for worker in workers}
    queue = ClusterQueue(database, processes)
    for worker in workers:
        queue.enlist(worker, "draw", host="here", pid=1)
    return queue, processes


def add(queue: ClusterQueue, database: Database, *kinds: TaskKind) -> None:
    for kind in kinds:
        with database.write() as connection:
            job_id = Jobs(database).add(connection, owner="ann", kind="book", subject=new_id("book"), request={})
        queue.add(job_id, "ann", [NewTask(key=kind, kind=kind, payload={}, position=int(kind == "draw"))])


def kind_of_next(queue: ClusterQueue, worker: str) -> str | None:
    task = queue.claim(worker, "draw")
    return None if task is None else task.kind


def test_half_of_the_workers_learn_and_the_others_draw(database: Database) -> None:
    queue, _ = queue_of(database, "a", "b", "c", "d")
    add(queue, database, "draw", "learn", "learn", "learn", "draw")
    assert [kind_of_next(queue, worker) for worker in "abcd"] == ["learn", "learn", "draw", "draw"]
    assert kind_of_next(queue, "c") is None, "two learn still"
    queue.give_up("a", died=True)
    assert kind_of_next(queue, "c") == "learn", "one of the two is gone"


def test_whoever_is_alone_learns_too(database: Database) -> None:
    queue, _ = queue_of(database, "a")
    add(queue, database, "learn", "learn")
    assert [kind_of_next(queue, "a"), kind_of_next(queue, "a")] == ["learn", "learn"]


def test_whoever_is_gone_takes_nothing(database: Database) -> None:
    queue, processes = queue_of(database, "a", "b")
    add(queue, database, "draw")
    processes["a"].is_there = False
    with pytest.raises(WorkerLost):
        queue.claim("a", "draw")
    assert kind_of_next(queue, "b") == "draw"
