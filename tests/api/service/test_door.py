"""Who is let in: hosts that name this machine on loopback, pages of the service's own, and nobody too often."""

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Form, Request
from fastapi.testclient import TestClient

from api.service.authentication import Authentication, principal_of
from api.service.bodies import StrangersBodies, StrictBodies
from api.service.database import Database
from api.service.edge_tables import api_keys, remembered_answers
from api.service.hosts import HostGuard
from api.service.idempotency import AnswerMemory, Idempotency
from api.service.keys import KeyStore
from api.service.logs import RequestLog
from api.service.metrics import Metrics
from api.service.problems import install_problems
from api.service.rates import Buckets, Rate, RequestRates


class Clock:
    """Time that passes when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def client_of(*, loopback_only: bool) -> TestClient:
    app = FastAPI()

    @app.api_route("/thing", methods=["GET", "POST"])
    def thing() -> str:
        return "done"

    app.add_middleware(HostGuard, loopback_only=loopback_only)
    return TestClient(app)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000", "LOCALHOST"]
)
def test_this_machines_names_are_let_in(host: str) -> None:
    assert client_of(loopback_only=True).get("/thing", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", "10.0.0.1", "evil@127.0.0.1.x", "", "["],
)
def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    client = client_of(loopback_only=True)
    assert client.get("/thing", headers={"Host": host}).status_code == 421
    assert client.post("/thing", headers={"Host": host}).status_code == 421


def test_with_keys_any_host_may_be_named() -> None:
    assert client_of(loopback_only=False).get("/thing", headers={"Host": "books.example"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://localhost:8000"}, 200),
        ({"Origin": "http://localhost:9000"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_only_the_services_own_pages_and_programs_change_things(headers: dict[str, str], status: int) -> None:
    client = client_of(loopback_only=True)
    named = {"Host": "localhost:8000", **headers}
    assert client.post("/thing", headers=named).status_code == status
    assert client.get("/thing", headers=named).status_code == 200, "looking changes nothing"


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    buckets = Buckets(Rate(burst=3, per_second=2.0), clock=clock)
    assert [buckets.take("mum") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take("mum") == pytest.approx(0.5)
    assert buckets.take("dad") == 0.0, "everybody has a bucket of their own"
    clock.now += 0.5
    assert [buckets.take("mum") == 0.0 for _ in range(2)] == [True, False]
    clock.now += 100
    assert [buckets.take("mum") == 0.0 for _ in range(4)] == [True, True, True, False]


def test_a_stranger_who_asks_too_often_is_told_when_to_come_back() -> None:
    app = FastAPI()

    @app.get("/thing")
    def thing() -> str:
        return "done"

    app.add_middleware(RequestRates, metrics=Metrics(), stranger_rate=Rate(burst=2, per_second=0.1))
    app.add_middleware(Authentication, keys=lambda: pytest.fail("no key was sent"))
    client = TestClient(app)
    answers = [client.get("/thing") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert answers[-1].headers["retry-after"] == "10"
    assert client.get("/livez").status_code == 404, "probes are never refused"


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyStore]:
    with closing(Database.open(f"sqlite:///{tmp_path / 'keys.sqlite'}")) as database:
        yield KeyStore(database)


def guarded_by(keys: KeyStore) -> TestClient:
    """A service whose routes say how many fields they were sent."""
    app = FastAPI()

    @app.post("/thing")
    async def thing(request: Request, _: Annotated[object, Depends(principal_of)]) -> int:
        return len(await request.form())

    @app.post("/sign-in")
    def sign_in(key: Annotated[str, Form()] = "") -> int:
        return len(key)

    install_problems(app)
    app.add_middleware(StrictBodies)
    app.add_middleware(StrangersBodies)
    app.add_middleware(Authentication, keys=lambda: keys)
    return TestClient(app)


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data", "application/json"]
)
def test_what_a_stranger_sends_is_not_looked_at(keys: KeyStore, content_type: str) -> None:
    answer = guarded_by(keys).post("/thing", content=b"\0&" * 1000, headers={"Content-Type": content_type})
    assert answer.status_code == 401, "and not what is wrong with it"


def test_a_stranger_may_send_a_key_and_little_more(keys: KeyStore) -> None:
    client = guarded_by(keys)
    assert client.post("/sign-in", data={"key": "fv_123"}).json() == 6
    sent = io.BytesIO(b"key=fv_123" + b"&" * 8192)
    assert client.post("/sign-in", content=iter(lambda: sent.read(1000), b""), headers=FORM).status_code == 413


def test_a_form_of_more_fields_than_anybody_fills_in_is_refused(keys: KeyStore) -> None:
    client = guarded_by(keys)
    key, _ = keys.create("mum", scopes=["write"])
    client.headers["Authorization"] = f"Bearer {key}"
    assert client.post("/thing", data={f"field-{number}": "x" for number in range(100)}).json() == 100
    assert client.post("/thing", content=b"&" * 1000, headers=FORM).status_code == 413
    parts = {f"field-{number}": (None, "x") for number in range(300)}
    assert client.post("/thing", files=parts).status_code == 413


def test_a_database_that_fails_is_told_where_no_route_is_reached(tmp_path: Path) -> None:
    app = FastAPI()

    @app.get("/livez")
    @app.post("/thing")
    def thing() -> str:
        return "done"

    with closing(Database.open(f"sqlite:///{tmp_path / 'keys.sqlite'}")) as database:
        app.add_middleware(Idempotency, memory=lambda: AnswerMemory(database))
        app.add_middleware(Authentication, keys=lambda: KeyStore(database))
        app.add_middleware(RequestLog, metrics=Metrics())
        key, _ = KeyStore(database).create("mum", scopes=["write"])
        client = TestClient(app, headers={"Authorization": f"Bearer {key}"})
        assert client.post("/thing", headers={"Idempotency-Key": "1"}).status_code == 200
        for table in (remembered_answers, api_keys):
            with database.write() as connection:
                table.drop(connection)
            answer = client.post("/thing", headers={"Idempotency-Key": "2"})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["type"] == "urn:fableverse:problem:database"
        assert client.get("/livez").status_code == 200
