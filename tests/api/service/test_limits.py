"""What is too large is refused before it is read, who is too slow is dropped, and both are told why."""

import json
import socket
import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from api.service.limits import MAX_HEAD_BYTES, HttpConnection, Limits, RequestLimits
from api.service.problems import install_problems
from tests.api.service.serving import serving

LIMITS = Limits(
    target_bytes=200, headers=20, body_bytes=1000, upload_bytes=5000, silence_s=0.4, body_s=1.2, write_s=0.6
)


class QuickConnection(HttpConnection):
    """Loses patience within a test's time."""

    head_s = 0.4


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    @app.post("/form")
    async def form(wish: dict[str, str]) -> int:
        return len(wish)

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts():
            while True:
                yield b"x" * 65536

        return StreamingResponse(parts())

    install_problems(app)
    app.add_middleware(RequestLimits, limits=LIMITS)
    with serving(app, http=QuickConnection) as found:
        yield found


def read(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    received = b""
    connection.settimeout(20)
    while part := connection.recv(65536):
        received += part
    return received


def answer(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Status and body of whatever the server says until it closes."""
    received = read(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, received
    return int(head.split()[1]), json.loads(body)


def say(port: int, *parts: bytes, pause_s: float = 0.0) -> tuple[int, dict[str, object]]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)
        return answer(connection)


def post(path: str, *headers: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        "Content-Type: application/json",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("path", ["/echo", "/form"])
def test_a_body_that_is_said_to_be_too_large_is_not_read(port: int, path: str) -> None:
    assert say(port, post(path, "Content-Length: 1001"))[0] == 413


@pytest.mark.parametrize("path", ["/echo", "/form"])
def test_a_body_that_turns_out_too_large_is_not_read_on(port: int, path: str) -> None:
    chunk = b"200\r\n" + b"x" * 512 + b"\r\n"
    assert say(port, post(path, "Transfer-Encoding: chunked"), chunk * 3)[0] == 413


def test_an_upload_may_be_larger(port: int) -> None:
    boundary = "Content-Type: multipart/form-data; boundary=x"
    head = f"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{boundary}\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"{head}Content-Length: 4000\r\n\r\n".encode() + b"x" * 4000)
        assert read(connection).endswith(b"\r\n\r\n4000")
    assert say(port, f"{head}Content-Length: 5001\r\n\r\n".encode())[0] == 413


def test_long_addresses_and_many_headers_are_refused(port: int) -> None:
    assert say(port, post("/echo?" + "x" * 200))[0] == 414
    assert say(port, post("/echo", *[f"X-{number}: 1" for number in range(20)]))[0] == 431


def test_a_huge_head_is_refused_while_it_comes(port: int) -> None:
    status, body = say(port, b"GET / HTTP/1.1\r\nX-Big: " + b"x" * (MAX_HEAD_BYTES + 1))
    assert (status, body["status"]) == (400, 400)


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"]
)
def test_what_is_no_http_is_refused(port: int, garbage: bytes) -> None:
    assert say(port, garbage)[0] == 400


def test_two_lengths_are_refused(port: int) -> None:
    # Where two servers in a row read different ones, a request can be hidden in another's body.
    assert say(port, post("/echo", "Content-Length: 3", "Content-Length: 30"))[0] == 400


def test_a_head_that_trickles_in_is_given_up(port: int) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert answer(connection)[0] == 408
    assert time.monotonic() - started < 2


def test_a_silent_connection_is_closed(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        assert answer(connection)[0] == 408


@pytest.mark.parametrize("path", ["/echo", "/form"])
def test_a_body_that_stops_coming_is_given_up(port: int, path: str) -> None:
    assert say(port, post(path, "Content-Length: 100"), b"xx")[0] == 408


def test_a_body_that_trickles_in_is_given_up(port: int) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(post("/echo", "Content-Length: 100"))
        connection.settimeout(0.1)
        received = b""
        while not received and time.monotonic() < started + 5:
            connection.sendall(b"x")
            try:
                received = connection.recv(65536)
            except TimeoutError:
                continue
    assert b" 408 " in received
    assert time.monotonic() - started < 3


def test_a_reader_that_does_not_read_is_dropped(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1.5)  # longer than the server waits for a reader
        connection.settimeout(5)
        size = 0
        while part := connection.recv(1 << 20):
            size += len(part)
    assert 0 < size < 64 * 1024 * 1024, "the answer came to an end"


def test_the_server_answers_on_after_all_that(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(post("/echo", "Content-Length: 5") + b"hello")
        assert read(connection).endswith(b"\r\n\r\n5")
