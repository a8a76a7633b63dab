"""Who is let in: hosts that name this machine on loopback, pages of the service's own, and nobody too often."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.service.authentication import Authentication
from api.service.hosts import HostGuard
from api.service.metrics import Metrics
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
