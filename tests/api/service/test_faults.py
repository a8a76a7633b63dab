"""Whatever goes wrong, what sees to jobs goes on with it; where it has ended, the service says that it is not ready."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Connection
from sqlalchemy.exc import TimeoutError

from api.service.database import Database
from api.service.dispatch import Dispatcher
from api.service.engine import Attempt
from api.service.ids import new_id
from api.service.jobs import Jobs
from api.service.problems import install_problems
from api.service.routes import health
from api.service.settings import ServiceSettings
from api.service.supervisor import Supervisor
from api.service.tasks import TaskQueue, task_id
from api.service.watch import EventHub, TaskWatch
from api.settings import Settings
from tests.api.service.idle import idle_services
from tests.api.service.test_processes import PlainEngine, add_job, wait_until


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'test.sqlite'}")
    yield database
    database.close()


class FaultyDatabase(Database):
    """The tables of another one; a fault that a test puts here is raised by whoever reads next."""

    fault: Exception | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        with super().read() as connection:
            yield connection


@pytest.fixture(params=[TimeoutError("no connection is free"), RuntimeError("unforeseen")], ids=["busy", "unforeseen"])
def fault(request: pytest.FixtureRequest) -> Exception:
    """What is no error of the database's own."""
    return request.param


@pytest.fixture
def faulty(database: Database) -> FaultyDatabase:
    return FaultyDatabase(database.engine)


def test_jobs_are_begun_after_any_fault(database: Database, faulty: FaultyDatabase, fault: Exception) -> None:
    job_id, engine = add_job(database), PlainEngine({})
    faulty.fault = fault
    dispatcher = Dispatcher(Jobs(faulty), engine)
    dispatcher.start()
    try:
        wait_until(lambda: engine.started == [Attempt(job_id, 1)])
    finally:
        dispatcher.close()


def test_a_job_that_cannot_be_begun_keeps_no_other_from_it(database: Database) -> None:
    class OneFails(PlainEngine):
        def start(self, attempt: Attempt) -> None:
            if attempt.job_id == bad:
                raise RuntimeError("unforeseen")
            super().start(attempt)

    first, bad, last = (add_job(database) for _ in range(3))
    engine = OneFails({})
    dispatcher = Dispatcher(Jobs(database), engine)
    dispatcher.start()
    try:
        wait_until(lambda: {attempt.job_id for attempt in engine.started} == {first, last})
    finally:
        dispatcher.close()


def test_who_waits_for_a_task_is_woken_after_any_fault(
    database: Database, faulty: FaultyDatabase, fault: Exception
) -> None:
    job_id, watch = add_job(database, {}), TaskWatch(TaskQueue(faulty))
    Jobs(database).cancel("ann", job_id)
    faulty.fault = fault
    watch.start()

    async def wait() -> str:
        async with asyncio.timeout(10):
            return (await watch.wait(task_id(job_id, "0"))).state

    try:
        assert asyncio.run(wait()) == "canceled"
    finally:
        watch.close()


def test_who_follows_events_sees_the_last_one_after_any_fault(
    database: Database, faulty: FaultyDatabase, fault: Exception
) -> None:
    job_id = add_job(database)

    async def follow() -> list[str]:
        hub, found = EventHub(Jobs(faulty)), list[str]()
        async with asyncio.timeout(10):
            async for event in hub.follow("ann", job_id):
                found.append(event.type)
                if event.type == "queued":
                    faulty.fault = fault
                    await asyncio.to_thread(Jobs(database).fail, job_id, {"message": "no"})
        await hub.close()
        return found

    assert asyncio.run(follow()) == ["queued", "failed"]


@contextmanager
def supervising(tasks: TaskQueue, settings: ServiceSettings) -> Iterator[Supervisor]:
    supervisor = Supervisor(settings, tasks)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.close()


def test_workers_are_started_after_any_fault(faulty: FaultyDatabase, fault: Exception, tmp_path: Path) -> None:
    settings = ServiceSettings(data_dir=tmp_path, worker_module="no.such.module", text_workers=0)
    with supervising(TaskQueue(faulty), settings) as supervisor:
        wait_until(lambda: bool(supervisor.pids("draw")))
        faulty.fault = fault
        wait_until(lambda: faulty.fault is None)
        before = set(supervisor.pids("draw"))
        wait_until(lambda: bool(set(supervisor.pids("draw")) - before))


def test_a_worker_that_ends_before_it_is_told_its_settings_is_replaced(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # More than a pipe holds, so that telling it lasts until the process has ended.
    base = Settings(model="m" * 1_000_000)
    settings = ServiceSettings(data_dir=tmp_path, worker_module="no.such.module", text_workers=0, base=base)
    with supervising(TaskQueue(database), settings):
        wait_until(lambda: caplog.text.count("a draw worker ended with 1") >= 2)


def test_a_worker_that_cannot_be_started_keeps_no_other_from_it_and_is_tried_again(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Longer than an argument of a program may be.
    settings = ServiceSettings(data_dir=tmp_path, worker_module="m" * 1_000_000)
    with supervising(TaskQueue(database), settings):
        for role in ("draw", "text"):
            wait_until(lambda role=role: caplog.text.count(f"a {role} worker could not be started") >= 2)


def test_a_service_is_ready_only_while_all_that_sees_to_jobs_runs(database: Database, tmp_path: Path) -> None:
    parts = idle_services(ServiceSettings(data_dir=tmp_path, drawing_workers=0, text_workers=0), database)
    for role in ("draw", "text"):
        worker = new_id("worker")
        parts.tasks.enlist(worker, role, host="elsewhere", pid=1)
        parts.tasks.set_ready(worker)
    app = FastAPI()
    app.include_router(health.router)
    app.state.services = parts
    install_problems(app)
    client = TestClient(app)
    for part in (parts.watch, parts.supervisor, parts.dispatcher):
        assert client.get("/readyz").status_code == 503
        part.start()
    assert client.get("/readyz").status_code == 200
    parts.dispatcher.close()
    assert "Start the service again" in client.get("/readyz").json()["detail"]
    parts.supervisor.close()
    parts.watch.close()
