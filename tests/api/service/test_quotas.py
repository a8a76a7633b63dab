"""How much one owner may have made and ask: waiting jobs, seconds of drawing by the hour, requests."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update

from api.service.authentication import Authentication
from api.service.database import Database
from api.service.ids import new_id
from api.service.jobs import Jobs
from api.service.keys import KeyStore
from api.service.metrics import Metrics
from api.service.problems import Problem
from api.service.quotas import check_quota
from api.service.rates import Rate, RequestRates
from api.service.settings import LOCAL_OWNER, ServiceSettings
from api.service.tables import tasks
from api.service.tasks import NewTask, TaskQueue, task_id


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
    job_id, now = add_job(database, "mum"), time.time()
    keys = ("old", "first", "second")
    TaskQueue(database).add(job_id, "mum", [NewTask(key=key, kind="draw", payload={}) for key in keys])
    for key, ended_ago, seconds in (("old", 3700, 500), ("first", 3000, 40), ("second", 10, 30)):
        with database.write() as connection:
            ended = now - ended_ago
            connection.execute(
                update(tasks)
                .where(tasks.c.id == task_id(job_id, key))
                .values(state="done", started_at=ended - seconds, finished_at=ended)
            )
    check(database, "mum", render_seconds_per_hour=71)
    with pytest.raises(Problem, match="last hour") as refusal:
        check(database, "mum", render_seconds_per_hour=70)
    assert refusal.value.status == 429
    assert 590 <= int(refusal.value.headers["Retry-After"]) <= 601, "until the first of them is an hour old"
    check(database, "dad", render_seconds_per_hour=70)


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
