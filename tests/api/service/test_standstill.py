"""What keeps workers from beginning is told: to whoever asks whether the service is ready, and in the studio."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.service.database import Database
from api.service.problems import install_problems
from api.service.routes import health
from api.service.settings import ServiceSettings
from api.service.standstill import Standstill
from api.service.supervisor import Supervisor
from api.service.tasks import TaskQueue
from api.service.worker import Worker
from api.settings import SAMPLE_BANK_DIR
from concepts.bank import seed_bank
from generator.errors import ModelNotFound
from tests.api.service.idle import idle_services
from tests.api.service.running import running_server
from tests.api.service.test_processes import PlainWork, wait_until

pytest_plugins = ["tests.api.service.databases"]

NO_MODEL = Standstill(role="draw", worker_id="w1", type="ModelNotFound", message="There is no model '/srv/flux'.")


class HinderedWork(PlainWork):
    """Cannot begin."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def prepare(self) -> bool:
        raise self._error


@pytest.mark.parametrize(
    ("error", "type_", "message"),
    [
        (ModelNotFound("There is no model '/srv/flux'."), "ModelNotFound", "There is no model '/srv/flux'."),
        (ZeroDivisionError("somebody's words"), "Unexpected", "Something went wrong (ZeroDivisionError)"),
        (MemoryError(), "OutOfMemory", "Memory ran out"),
    ],
)
def test_what_keeps_a_worker_from_beginning_is_kept_until_one_is_ready(
    either_database: Database, error: Exception, type_: str, message: str
) -> None:
    queue = TaskQueue(either_database)
    for number in (1, 2):
        worker = Worker(f"worker_{number}", "draw", HinderedWork(error), queue, idle_unload_s=None)
        with pytest.raises(type(error)):
            worker.run()
    (told,) = queue.standstills()
    assert (told.role, told.worker_id, told.type) == ("draw", "worker_2", type_)
    assert told.message.startswith(message) and "somebody" not in told.message
    queue.enlist("text", "text", host="here", pid=1)
    queue.set_ready("text")
    assert queue.standstills(), "another role's worker draws nothing"
    queue.set_ready("worker_2")
    queue.give_up("worker_2", died=False)
    assert queue.standstills() == []


def test_a_worker_that_ends_without_a_word_is_told_of(either_database: Database, tmp_path: Path) -> None:
    queue = TaskQueue(either_database)
    queue.keep_standstill(NO_MODEL.model_copy(update={"role": "text"}))
    supervisor = Supervisor(ServiceSettings(data_dir=tmp_path, worker_module="no.such.module", text_workers=0), queue)
    supervisor.start()
    try:
        wait_until(lambda: bool(queue.standstills()))
    finally:
        supervisor.close()
    (told,) = queue.standstills()
    assert told.role == "draw", "what an earlier life of the service told is forgotten"
    assert "ended with 1 before it was ready" in told.message


def readiness(settings: ServiceSettings, database: Database) -> str:
    """What is said of readiness while nobody can draw for want of a model."""
    parts = idle_services(settings, database)
    parts.tasks.enlist("text", "text", host="here", pid=1)
    parts.tasks.set_ready("text")
    app = FastAPI()
    app.include_router(health.router)
    app.state.services = parts
    install_problems(app)
    running = (parts.watch, parts.supervisor, parts.dispatcher)
    for part in running:
        part.start()
    parts.tasks.keep_standstill(NO_MODEL)  # the supervisor begins with none
    try:
        answer = TestClient(app).get("/readyz")
    finally:
        for part in reversed(running):
            part.close()
    assert answer.status_code == 503
    return answer.json()["detail"]


def test_readiness_names_the_reason(either_database: Database, tmp_path: Path) -> None:
    settings = ServiceSettings(data_dir=tmp_path, drawing_workers=0, text_workers=0)
    told = readiness(settings, either_database)
    assert "ready to draw yet. The last worker could not begin: There is no model '/srv/flux'." in told


def test_strangers_hear_of_what_kind_the_reason_is(either_database: Database, tmp_path: Path) -> None:
    settings = ServiceSettings(data_dir=tmp_path, drawing_workers=0, text_workers=0, ask_keys=True)
    told = readiness(settings, either_database)
    assert "ModelNotFound" in told and "/srv/flux" not in told


def test_a_model_that_is_not_there_is_told_by_readiness_and_studio(tmp_path: Path) -> None:
    seed_bank(tmp_path / "bank", SAMPLE_BANK_DIR)
    options = ["--model", "/nonexistent/model"]
    with running_server(tmp_path / "data", bank_dir=tmp_path / "bank", options=options, path="/livez") as server:

        def told(place: str) -> Callable[[], bool]:
            return lambda: "There is no model" in httpx.get(server.url + place, timeout=20).text

        wait_until(told("/readyz"), within_s=120)
        shown = httpx.get(f"{server.url}/parts/standstill", timeout=20).text
        assert "Nothing is drawn at present" in shown and "There is no model" in shown
        wait_until(lambda: len(re.findall("a draw worker ended with 1", server.log())) >= 2, within_s=120)
        _, *lines = server.log().splitlines()
        assert not [line for line in lines if not line.startswith("{")], "an interpreter that aborts tells it in words"
        read = [json.loads(line) for line in lines]
        told = next(line for line in read if line["event"].startswith("the worker cannot begin: There is no model"))
        ended = next(line for line in read if line["event"] == "ended")
        assert told["role"] == "draw" and told["worker"] == ended["worker"]
        assert ended["exception"][0]["exc_type"] == "ModelNotFound"
