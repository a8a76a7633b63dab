"""How much one owner may have made and ask: waiting jobs, seconds of drawing by the hour, requests."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import insert, update

from api.service.authentication import Authentication
from api.service.database import Database
from api.service.deletion import delete_scene
from api.service.ids import new_id
from api.service.jobs import Jobs
from api.service.keys import KeyStore
from api.service.metrics import Metrics
from api.service.problems import Problem
from api.service.quotas import check_quota
from api.service.rates import Rate, RequestRates
from api.service.settings import LOCAL_OWNER, ServiceSettings
from api.service.tables import drawing_times, scenes, tasks
from api.service.tasks import NewTask, Task, TaskQueue

pytest_plugins = ["tests.api.service.databases"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(f"sqlite:///{tmp_path / 'quotas.sqlite'}")) as database:
        yield database


def add_job(database: Database, owner: str) -> str:
    with database.write() as connection:
        return Jobs(database).add(connection, owner=owner, kind="scene", subject=new_id("scene"), request={})


def check(database: Database, owner: str, *, most_open_jobs: int = 100, render_seconds_per_hour: float = 60) -> None:
    settings = ServiceSettings(
        data_dir=Path("d"), most_open_jobs=most_open_jobs, render_seconds_per_hour=render_seconds_per_hour
    )
    with database.read() as connection:
        check_quota(connection, owner, settings)


def test_an_owner_has_a_most_of_jobs_that_wait(database: Database) -> None:
    first = add_job(database, "mum")
    add_job(database, "mum")
    check(database, "mum", most_open_jobs=3)
    with pytest.raises(Problem, match="2 jobs waiting") as refusal:
        check(database, "mum", most_open_jobs=2)
    assert refusal.value.status == 429 and refusal.value.headers["Retry-After"] == "30"
    check(database, "dad", most_open_jobs=2)
    Jobs(database).cancel("mum", first)
    check(database, "mum", most_open_jobs=2)


def test_an_owner_has_so_many_seconds_of_drawing_an_hour(database: Database) -> None:
    now = time.time()
    with database.write() as connection:
        for ended_ago, seconds in ((3700, 500), (3000, 40), (10, 30)):
            values = {"owner": "mum", "seconds": seconds, "finished_at": now - ended_ago}
            connection.execute(insert(drawing_times).values(**values))
    check(database, "mum", render_seconds_per_hour=71)
    with pytest.raises(Problem, match="last hour") as refusal:
        check(database, "mum", render_seconds_per_hour=70)
    assert refusal.value.status == 429
    assert 590 <= int(refusal.value.headers["Retry-After"]) <= 601, "until the first of them is an hour old"
    check(database, "dad", render_seconds_per_hour=70)


def draw(database: Database, owner: str, *, seconds: float) -> tuple[str, str, Task]:
    """A scene, its job and its task, which a worker has had in hand for so long."""
    scene_id = new_id("scene")
    with database.write() as connection:
        job_id = Jobs(database).add(connection, owner=owner, kind="scene", subject=scene_id, request={})
        row = {"id": scene_id, "owner": owner, "job_id": job_id, "prompt": "a fox", "created_at": 0.0}
        connection.execute(insert(scenes).values(**row))
    queue, worker = TaskQueue(database), new_id("worker")
    queue.add(job_id, owner, [NewTask(key=key, kind="draw", payload={}) for key in ("draw", "waits")])
    queue.enlist(worker, "draw", host="here", pid=1)
    task = queue.claim(worker, "draw")
    assert task is not None
    with database.write() as connection:
        connection.execute(update(tasks).where(tasks.c.id == task.id).values(started_at=time.time() - seconds))
    return scene_id, job_id, task


@pytest.mark.parametrize("end", ["finish", "fail", "cancel", "job fails"])
def test_nothing_that_is_done_with_a_job_gives_its_drawing_time_back(either_database: Database, end: str) -> None:
    database, jobs = either_database, Jobs(either_database)
    scene_id, job_id, task = draw(database, "mum", seconds=50)
    if end == "finish":
        TaskQueue(database).finish(task, {})
    elif end == "fail":
        TaskQueue(database).fail(task, {})
    elif end == "job fails":
        jobs.fail(job_id, {})
    jobs.cancel("mum", job_id)
    jobs.retry("mum", job_id)
    jobs.cancel("mum", job_id)
    delete_scene(database, "mum", scene_id)
    check(database, "mum", render_seconds_per_hour=60)
    with pytest.raises(Problem, match="last hour"):
        check(database, "mum", render_seconds_per_hour=50)


def test_a_task_that_waits_again_when_it_is_canceled_has_no_drawing_time(either_database: Database) -> None:
    _, job_id, task = draw(either_database, "mum", seconds=50)
    TaskQueue(either_database).give_up(task.worker, died=True)
    Jobs(either_database).cancel("mum", job_id)
    check(either_database, "mum", render_seconds_per_hour=1)


def test_on_loopback_nothing_is_limited(database: Database) -> None:
    add_job(database, LOCAL_OWNER)
    check(database, LOCAL_OWNER, most_open_jobs=1)


def test_an_owner_asks_so_often_whatever_the_key(database: Database) -> None:
    app = FastAPI()

    @app.get("/thing")
    def thing() -> str:
        return "done"

    store = KeyStore(database)
    one, other, dads = (store.create(owner, scopes=["read"])[0] for owner in ("mum", "mum", "dad"))
    app.add_middleware(RequestRates, metrics=Metrics(), principal_rate=Rate(burst=2, per_second=0.01))
    app.add_middleware(Authentication, keys=lambda: store)
    client = TestClient(app)
    answers = [client.get("/thing", headers={"Authorization": f"Bearer {key}"}) for key in (one, other, one, dads)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
