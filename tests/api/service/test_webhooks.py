"""Webhooks are told what happened, signed, until they have it; nothing makes the service call into its own network."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from api.service.database import Database
from api.service.destinations import (
    DestinationRules,
    ForbiddenDestination,
    Resolve,
    check_url,
    is_public,
    post,
    resolve,
)
from api.service.edge_tables import webhook_outbox
from api.service.errors import InvalidInput, NotFound
from api.service.metrics import Metrics
from api.service.outbox import put_into_outbox
from api.service.webhooks import MOST_WEBHOOKS, Courier, WebhookStore

PRIVATE = DestinationRules(allow_private=True)
PUBLIC = DestinationRules(timeout_s=2.0)


class Receiver:
    """A server that answers deliveries as it is told and keeps them."""

    def __init__(self) -> None:
        self.status = 204
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.url = ""


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((dict(self.headers), body))
            self.send_response(receiver.status)
            if receiver.status == 302:
                self.send_header("Location", receiver.url + "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


class Clock:
    """Time that passes when told to; begins now, as signatures are judged by the real one."""

    def __init__(self) -> None:
        import time

        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(f"sqlite:///{tmp_path / 'hooks.sqlite'}")) as database:
        yield database


def happen(database: Database, clock: Clock, *, owner: str = "mum", event: str = "job.succeeded") -> None:
    with database.write() as connection:
        put_into_outbox(connection, owner=owner, event=event, data={"job": "job_1"}, now=clock.now)


def rows_of(database: Database) -> list[tuple[str, int, bool]]:
    with database.read() as connection:
        rows = connection.execute(select(webhook_outbox).order_by(webhook_outbox.c.id))
        return [(row.outcome, row.attempts, row.due_at is not None) for row in rows]


def courier_of(
    database: Database, clock: Clock, *, resolver: Resolve = resolve, metrics: Metrics | None = None
) -> Courier:
    return Courier(
        database,
        rules=PRIVATE,
        metrics=metrics or Metrics(),
        clock=clock,
        resolver=resolver,
        backoff_s=(5.0, 300.0),
    )


def test_an_event_is_delivered_once_signed_to_those_who_listen(database: Database) -> None:
    clock = Clock()
    store = WebhookStore(database, rules=PRIVATE)
    with receiving() as receiver:
        secret, _ = store.create("mum", url=receiver.url, events=["job.succeeded"])
        store.create("mum", url=receiver.url, events=["job.failed"])
        store.create("dad", url=receiver.url, events=["job.succeeded"])
        happen(database, clock)
        courier = courier_of(database, clock)
        assert [asyncio.run(courier.deliver_due()) for _ in range(2)] == [1, 0]
        ((headers, body),) = receiver.got
    told = Webhook(secret).verify(body, headers)
    assert told["type"] == "job.succeeded" and told["data"] == {"job": "job_1"}
    assert rows_of(database) == [("delivered", 1, False)]


def test_an_idle_courier_takes_no_turn_at_writing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'idle.sqlite'}"
    with closing(Database.open(url)) as busy, closing(Database.open(url, patience_s=0.1)) as database, busy.write():
        assert asyncio.run(courier_of(database, Clock()).deliver_due()) == 0


def test_a_receiver_that_is_down_is_tried_again_after_longer_and_longer_and_then_given_up(database: Database) -> None:
    clock = Clock()
    with receiving() as receiver:
        receiver.status = 500
        WebhookStore(database, rules=PRIVATE).create("mum", url=receiver.url, events=["job.succeeded"])
        happen(database, clock)
        tried = []
        for wait in (0, 4.9, 0.7, 299, 32, 10_000):
            clock.now += wait
            tried.append(asyncio.run(courier_of(database, clock).deliver_due()))
        ids = {headers["webhook-id"] for headers, _ in receiver.got}
    assert tried == [1, 0, 1, 0, 1, 0]
    assert len(ids) == 1, "every attempt has the same id"
    assert rows_of(database) == [("given-up", 3, False)]


def test_a_courier_that_died_in_between_loses_nothing(database: Database) -> None:
    clock = Clock()
    with receiving() as receiver:
        WebhookStore(database, rules=PRIVATE).create("mum", url=receiver.url, events=["job.succeeded"])
        happen(database, clock)
        courier_of(database, clock)._lease()  # taken by a process that is killed before it sends
        assert asyncio.run(courier_of(database, clock).deliver_due()) == 0
        clock.now += 61
        assert asyncio.run(courier_of(database, clock).deliver_due()) == 1
        assert len(receiver.got) == 1


def test_an_attempt_that_fails_as_nobody_foresaw_is_counted_and_keeps_no_other_from_its_receiver(
    database: Database,
) -> None:
    clock = Clock()

    async def resolver(host: str, port: int) -> list[str]:
        if host == "broken.invalid":
            raise ZeroDivisionError
        return await resolve(host, port)

    with receiving() as receiver:
        store = WebhookStore(database, rules=PRIVATE)
        for url in ("http://broken.invalid/", receiver.url):
            store.create("mum", url=url, events=["job.succeeded"])
        happen(database, clock)
        assert asyncio.run(courier_of(database, clock, resolver=resolver).deliver_due()) == 2
        assert len(receiver.got) == 1
    assert sorted(rows_of(database)) == [("delivered", 1, False), ("waiting", 1, True)]


def test_an_attempt_that_cannot_be_noted_ends_no_other_one(database: Database) -> None:
    clock = Clock()

    class FailedUncounted(Metrics):
        def count_delivery(self, outcome: str) -> None:
            if outcome == "failed":
                raise ZeroDivisionError

    async def resolver(host: str, port: int) -> list[str]:
        if host == "nowhere.invalid":
            return []
        await asyncio.sleep(0.3)  # so that the other attempt is over first
        return await resolve(host, port)

    with receiving() as receiver:
        store = WebhookStore(database, rules=PRIVATE)
        for url in ("http://nowhere.invalid/", receiver.url):
            store.create("mum", url=url, events=["job.succeeded"])
        happen(database, clock)
        courier = courier_of(database, clock, resolver=resolver, metrics=FailedUncounted())
        with pytest.raises(ExceptionGroup, match="could not be noted"):
            asyncio.run(courier.deliver_due())
        assert len(receiver.got) == 1
    assert sorted(rows_of(database)) == [("delivered", 1, False), ("waiting", 0, True)]


def test_a_redirect_is_no_delivery_and_is_not_followed(database: Database) -> None:
    clock = Clock()
    with receiving() as receiver:
        receiver.status = 302
        WebhookStore(database, rules=PRIVATE).create("mum", url=receiver.url, events=["job.succeeded"])
        happen(database, clock)
        asyncio.run(courier_of(database, clock).deliver_due())
        assert len(receiver.got) == 1
    assert rows_of(database) == [("waiting", 1, True)]


def test_webhooks_are_their_owners_alone(database: Database) -> None:
    store = WebhookStore(database, rules=PRIVATE)
    _, record = store.create("mum", url="http://127.0.0.1:9", events=["job.failed"])
    assert store.list("dad") == ()
    with pytest.raises(NotFound):
        store.delete("dad", record.id)
    store.delete("mum", record.id)
    assert store.list("mum") == ()


def test_there_is_a_most_of_webhooks(database: Database) -> None:
    store = WebhookStore(database, rules=PRIVATE)
    for _ in range(MOST_WEBHOOKS):
        store.create("mum", url="http://127.0.0.1:9", events=["job.failed"])
    with pytest.raises(InvalidInput, match="the most"):
        store.create("mum", url="http://127.0.0.1:9", events=["job.failed"])


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "ftp://example.org",
        "file:///etc/passwd",
        "https://user:pass@example.org",
        "https://example.org:22",
        "https://example.org:6379/",
        "https://",
        "https://exa mple.org",
        "https://example.org\r\nX: y",
        "https://[::1",
        "gopher://127.0.0.1",
        "https://example.org/" + "x" * 3000,
        "https://example..org/hook",
        "https://.example.org/",
        f"https://{'x' * 64}.org/",
    ],
)
def test_a_url_that_is_no_plain_https_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ForbiddenDestination):
        check_url(url, PUBLIC)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "100.100.100.200", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
        "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "nonsense",
    ],
)  # fmt: skip
def test_no_address_of_the_services_own_network_is_public(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are_public() -> None:
    assert all(is_public(each) for each in ("93.184.216.34", "2606:4700::6810:84e5", "::ffff:93.184.216.34"))


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["169.254.169.254"]])
def test_a_name_that_leads_inside_is_refused_when_it_is_resolved(addresses: list[str]) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        assert (host, port) == ("rebind.example.org", 443)
        return addresses

    async def attempt() -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await post("https://rebind.example.org/", b"{}", {}, rules=PUBLIC, resolver=resolver, client=client)

    with pytest.raises(ForbiddenDestination, match="no public one"):
        asyncio.run(attempt())


def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    async def attempt(port: int) -> int:
        async def resolver(host: str, port: int) -> list[str]:
            del host, port
            return ["127.0.0.1"]

        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://pinned.invalid:{port}/hook"
            return await post(url, b"{}", {}, rules=PRIVATE, resolver=resolver, client=client)

    with receiving() as receiver:
        port = int(receiver.url.rpartition(":")[2])
        assert asyncio.run(attempt(port)) == 204
        ((headers, body),) = receiver.got
    assert headers["Host"] == f"pinned.invalid:{port}" and json.loads(body) == {}


def test_hosts_that_are_slow_to_resolve_keep_nobody_else_waiting() -> None:
    async def look_up() -> list[str]:
        everybodys = ThreadPoolExecutor()
        asyncio.get_running_loop().set_default_executor(everybodys)
        everybodys.shutdown()  # none of its threads is to be had
        return await resolve("127.0.0.1", 443)

    assert asyncio.run(look_up()) == ["127.0.0.1"]
