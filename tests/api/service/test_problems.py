"""Every failure is a problem of RFC 9457, with nothing of the request and nothing of the inside in it."""

import io
import json
import logging
import re
import sqlite3
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import structlog
from fastapi import FastAPI, Form, Header, UploadFile
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError, TimeoutError

from api.errors import OutputError
from api.service.bodies import StrictBodies
from api.service.description import describe
from api.service.errors import TaskFailed
from api.service.headers import SecurityHeaders
from api.service.logs import RequestLog, configure_logs
from api.service.metrics import Metrics
from api.service.problems import MEDIA_TYPE, Problem, install_problems
from concepts.errors import ConceptExists, DamagedConcept, UnknownConcept
from generator.errors import DamagedModel

ERRORS: dict[str, tuple[Exception, int]] = {
    "problem": (Problem(428, "Say which version.", kind="no-version"), 428),
    "unknown": (UnknownConcept("There is no 'rusti'."), 404),
    "exists": (ConceptExists("'rusty' exists."), 409),
    "damaged": (DamagedConcept("/secret/folder lacks a file."), 500),
    "model": (DamagedModel("/secret/folder lacks a file."), 500),
    "their part": (TaskFailed("The prompt is too long.", kind="PromptTooLong"), 422),
    "our part": (TaskFailed("secret words", kind="DamagedConcept"), 500),
    "unforeseen part": (TaskFailed("secret words", kind="Unexpected"), 500),
    "output": (OutputError("the disk is full."), 507),
    "disk": (OSError(28, "No space left", "/secret/folder"), 507),
    "database": (OperationalError("SELECT secret", None, sqlite3.OperationalError("locked")), 503),
    "no connection": (TimeoutError("secret"), 503),
    "fault": (ZeroDivisionError("secret"), 500),
}


class Wish(BaseModel):
    """A body for one of the routes."""

    text: str
    pages: int


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the service would write on standard error."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    configure_logs(stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def client(log: io.StringIO) -> TestClient:
    del log  # has to be there before anything is logged
    app = FastAPI()

    @app.get("/fail/{name}")
    def fail(name: str) -> None:
        raise ERRORS[name][0]

    @app.post("/wish")
    def wish(body: Wish) -> Wish:
        return body

    @app.patch("/wish")
    def other_wish(if_match: Annotated[str | None, Header()] = None) -> str | None:
        return if_match

    @app.post("/form")
    def form(word: Annotated[str, Form()], picture: UploadFile | None = None) -> int:
        return len(word) if picture is None else len(picture.file.read())

    install_problems(app)
    describe(app, with_keys=False)
    app.add_middleware(StrictBodies)
    app.add_middleware(RequestLog, metrics=Metrics())
    app.add_middleware(SecurityHeaders)
    return TestClient(app)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_a_problem_with_its_status(client: TestClient, log: io.StringIO, name: str) -> None:
    response = client.get(f"/fail/{name}")
    body = response.json()
    assert (response.status_code, response.headers["content-type"]) == (ERRORS[name][1], MEDIA_TYPE)
    assert body.keys() >= {"type", "title", "status", "detail", "request_id"}
    assert body["status"] == response.status_code and body["request_id"] == response.headers["x-request-id"]
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert (response.status_code == 503) == ("retry-after" in response.headers)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert lines[-1]["event"] == "request" and lines[-1]["route"] == "/fail/{name}"
    assert "secret words" not in log.getvalue()
    assert {line.get("request_id", body["request_id"]) for line in lines} == {body["request_id"]}


def test_the_log_says_where_a_fault_is_and_nothing_of_what_was_sent(client: TestClient, log: io.StringIO) -> None:
    client.get("/fail/fault", params={"q": "PRIVATE"}, headers={"Authorization": "Bearer PRIVATE"})
    (failed,) = [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "request_failed"]
    assert failed["exception"][0]["exc_type"] == "ZeroDivisionError"
    assert failed["exception"][0]["frames"][-1]["name"] == "fail"
    assert "secret" not in log.getvalue() and "PRIVATE" not in log.getvalue()


def test_kinds_are_named(client: TestClient) -> None:
    assert client.get("/fail/their part").json()["type"] == "urn:fableverse:problem:prompt-too-long"
    assert client.get("/fail/unknown").json()["type"] == "urn:fableverse:problem:unknown-concept"
    assert client.get("/nowhere").json()["type"] == "about:blank"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/wish", 405)])
def test_what_the_framework_refuses_is_a_problem(client: TestClient, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.headers["content-type"]) == (status, MEDIA_TYPE)
    assert (status == 405) == (response.headers.get("allow") == "POST, PATCH")


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "PRIVATE WORDS", "pages": "PRIVATE WORDS"}',
        b'{"PRIVATE WORDS": 1, "pages": 3}',
        b'{"text": "\\ud800", "pages": 1}',
        b"[" * 100_000,
        b'{"text": "\\u0000", "pages": 1}',
        b'{"text": "x", "pages": NaN}',
        b"\xff\xfe",
        b"PRIVATE WORDS",
    ],
)
def test_a_bad_body_is_a_problem_that_does_not_repeat_it(client: TestClient, body: bytes) -> None:
    response = client.post("/wish", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == MEDIA_TYPE
    assert "PRIVATE" not in response.text


@pytest.mark.parametrize(
    "parts",
    [
        {"data": {"word": "a\0b"}},
        {"data": {"word": "a", "other\0": "b"}},
        {"data": {"word": "a\0b"}, "files": {"picture": b"x"}},
        {"content": b"word=a\0b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    ],
)
def test_a_form_with_nul_in_its_text_is_refused(client: TestClient, parts: dict[str, Any]) -> None:
    response = client.post("/form", **parts)
    assert (response.status_code, response.json()["type"]) == (422, "urn:fableverse:problem:nul-character")


def test_forms_without_it_come_through_and_files_have_what_they_have(client: TestClient) -> None:
    assert client.post("/form", data={"word": "a%00"}).json() == 4
    assert client.post("/form", data={"word": "a"}, files={"picture": b"\0\0\0"}).json() == 3
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/form", content=b"nonsense", headers=broken).status_code == 400


def test_an_invalid_request_says_where(client: TestClient) -> None:
    errors = client.post("/wish", json={"text": "x", "pages": "many"}).json()["errors"]
    assert [error["pointer"] for error in errors] == ["/body/pages"]


def test_the_description_has_problems_for_every_operation(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    assert operations and all(MEDIA_TYPE in operation["responses"]["default"]["content"] for operation in operations)
    assert not any("422" in operation["responses"] for operation in operations)
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_the_description_asks_for_the_precondition_that_an_edit_needs(client: TestClient) -> None:
    (header,) = client.get("/openapi.json").json()["paths"]["/wish"]["patch"]["parameters"]
    assert header["required"] and re.search(header["schema"]["pattern"], '"7"')
