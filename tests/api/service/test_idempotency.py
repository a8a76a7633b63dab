"""A POST that is sent again with its key has the first one's answer, even when a crash came in between."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from api.service.authentication import Authentication
from api.service.database import Database
from api.service.idempotency import AnswerMemory, Idempotency
from api.service.ids import new_id
from api.service.keys import KeyStore
from api.service.problems import Problem, install_problems
from tests.api.service.serving import serving


class Clock:
    """Time that passes when told to."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Making:
    """What the route of the test's application made, and how it is to behave: the first may have to wait."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.faults: list[Exception] = []
        self.may_end = threading.Event()
        self.may_end.set()


@pytest.fixture
def making() -> Making:
    return Making()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, making: Making, clock: Clock) -> Iterator[httpx.Client]:
    app = FastAPI()

    @app.post("/things", status_code=202)
    def make(request: Request) -> dict[str, str]:
        del request
        made = new_id("thing")
        making.ids.append(made)
        if len(making.ids) == 1:
            making.may_end.wait(60)
        if making.faults:
            raise making.faults.pop()
        return {"id": made}

    with closing(Database.open(f"sqlite:///{tmp_path / 'memory.sqlite'}")) as database:
        keys = KeyStore(database)
        install_problems(app)
        app.add_middleware(Idempotency, memory=lambda: AnswerMemory(database, clock=clock))
        app.add_middleware(Authentication, keys=lambda: keys)
        mine, _ = keys.create("mum", scopes=["write"])
        with serving(app) as port:
            headers = {"Authorization": f"Bearer {mine}"}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
                client.headers["x-other"] = keys.create("dad", scopes=["write"])[0]
                yield client


def post(client: httpx.Client, key: str | None = "k", body: str = "{}", **headers: str) -> httpx.Response:
    named = {} if key is None else {"Idempotency-Key": key}
    return client.post("/things", content=body, headers={**named, **headers})


def test_a_repeated_request_has_the_same_answer_and_makes_nothing(client: httpx.Client, making: Making) -> None:
    first, second = post(client), post(client)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert "idempotency-replayed" not in first.headers and second.headers["idempotency-replayed"] == "true"
    assert len(making.ids) == 1


def test_without_a_key_and_with_another_one_things_are_made_anew(client: httpx.Client, making: Making) -> None:
    for key in (None, None, "a", "b"):
        assert post(client, key).status_code == 202
    assert len(set(making.ids)) == 4


def test_the_same_key_of_another_owner_is_another_key(client: httpx.Client, making: Making) -> None:
    post(client)
    theirs = post(client, Authorization=f"Bearer {client.headers['x-other']}")
    assert "idempotency-replayed" not in theirs.headers and len(set(making.ids)) == 2


def test_another_body_under_the_same_key_is_refused(client: httpx.Client) -> None:
    post(client)
    assert post(client, body='{"other": 1}').status_code == 422


def form(boundary: str, content: str) -> str:
    part = f'Content-Disposition: form-data; name="picture"; filename="fox.png"\r\n\r\n{content}'
    return f"--{boundary}\r\n{part}\r\n--{boundary}--\r\n"


@pytest.mark.parametrize("quoted", ["{}", '"{}"; charset=utf-8'])
def test_a_form_that_is_sent_again_is_the_same_whatever_its_boundary(
    client: httpx.Client, making: Making, quoted: str
) -> None:
    def send(boundary: str, content: str) -> httpx.Response:
        named = {"Content-Type": f"multipart/form-data; boundary={quoted.format(boundary)}"}
        return post(client, body=form(boundary, content), **named)

    assert send("first", "a fox").status_code == 202
    assert send("second", "a fox").headers["idempotency-replayed"] == "true"
    assert send("third", "a bear").status_code == 422
    assert len(making.ids) == 1


def test_while_the_first_is_being_answered_the_second_is_told_to_wait(client: httpx.Client, making: Making) -> None:
    making.may_end.clear()
    first = threading.Thread(target=post, args=(client,))
    first.start()
    while not making.ids:
        time.sleep(0.01)
    waiting = post(client)
    assert waiting.status_code == 409 and waiting.headers["retry-after"] == "1"
    making.may_end.set()
    first.join()
    assert post(client).headers["idempotency-replayed"] == "true"
    assert len(making.ids) == 1


def test_a_request_that_failed_can_be_sent_again_and_makes_the_same_thing(client: httpx.Client, making: Making) -> None:
    making.faults.append(Problem(503, "Not now."))
    assert post(client).status_code == 503
    assert post(client).status_code == 202
    first, second = making.ids
    assert first == second


@pytest.mark.parametrize("how", ["the service starts again", "much time passes"])
def test_a_request_lost_with_its_process_is_answered_anew_with_the_same_ids(
    client: httpx.Client, making: Making, clock: Clock, tmp_path: Path, how: str
) -> None:
    making.may_end.clear()
    lost = threading.Thread(target=post, args=(client,))
    lost.start()
    while not making.ids:
        time.sleep(0.01)
    # As if the process that took it on were gone.
    if how == "much time passes":
        clock.now += 3600
    else:
        with closing(Database.open(f"sqlite:///{tmp_path / 'memory.sqlite'}")) as database:
            AnswerMemory(database, clock=clock).release_all()
    assert post(client).status_code == 202
    making.may_end.set()
    lost.join()
    assert len(making.ids) == 2 and len(set(making.ids)) == 1


def test_an_answer_is_forgotten_after_a_day(client: httpx.Client, making: Making, clock: Clock) -> None:
    post(client)
    clock.now += 24 * 3600 + 1
    assert "idempotency-replayed" not in post(client).headers
    assert len(set(making.ids)) == 2


@pytest.mark.parametrize("key", ["k" * 256, "a b", "é"])
def test_a_key_that_is_none_is_refused(client: httpx.Client, key: str) -> None:
    response = client.post("/things", headers=[(b"Idempotency-Key", key.encode())])
    assert response.status_code == 400
