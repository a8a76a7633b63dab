"""How much and how slowly one request may send or read: addresses, headers and bodies, and the time each may take.

`HttpConnection` guards what comes before a request is whole, `RequestLimits` the rest.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import h11
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.service.problems import Problem, respond

MAX_HEAD_BYTES = 32 * 1024
"""Of request line and headers together; for `uvicorn.Config(h11_max_incomplete_event_size=…)`."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may cost before anybody looks at what it says."""

    target_bytes: int = 4096
    """Of path and query."""
    headers: int = 64
    body_bytes: int = 1024 * 1024
    upload_bytes: int = 16 * 1024 * 1024
    """Of a multipart body, which has a picture."""
    discarded_bytes: int = 64 * 1024 * 1024
    """Of a refused body, read and thrown away before the answer."""
    silence_s: float = 10.0
    """Longest wait for the next part of a body."""
    body_s: float = 60.0
    """Longest wait for a whole body."""
    write_s: float = 60.0
    """Longest wait for a reader to take what was sent."""


class _TooSlow(Exception):
    """A body did not come in time."""


class _TooLarge(Exception):
    """A body without a length, or with a false one, turned out too large."""


class RequestLimits:
    """ASGI middleware that refuses what is too large and drops who is too slow."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = self._fault(scope)
        if problem is not None:
            await self._discard(scope, receive)
            await respond(problem)(scope, receive, send)
            return
        exchange = _Exchange(self._limits, receive, send, max_bytes=self._max_bytes(scope))
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except (_TooSlow, _TooLarge) as error:
            if exchange.answered:
                raise
            if isinstance(error, _TooLarge):
                await self._discard(scope, receive)
        if exchange.fault is not None and not exchange.answered:
            await respond(exchange.fault)(scope, receive, send)

    def _fault(self, scope: Scope) -> Problem | None:
        limits = self._limits
        if len(scope["raw_path"]) + len(scope["query_string"]) > limits.target_bytes:
            return Problem(414, f"The address is too long: at most {limits.target_bytes} bytes are read.")
        if len(scope["headers"]) > limits.headers:
            return Problem(431, f"There are too many headers: at most {limits.headers} are read.")
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_bytes(scope):
            return _too_large(self._max_bytes(scope))
        return None

    async def _discard(self, scope: Scope, receive: Receive) -> None:
        """Take what is still coming of a refused body, unless its sender waits to be told to go on.

        A connection that is closed on unread bytes is reset, and the answer is lost with it.
        """
        if "expect" in Headers(scope=scope):
            return
        discarded = 0
        try:
            async with _within(self._limits.body_s):
                while discarded < self._limits.discarded_bytes:
                    message = await receive()
                    discarded += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except _TooSlow:
            return

    def _max_bytes(self, scope: Scope) -> int:
        is_upload = Headers(scope=scope).get("content-type", "").lower().startswith("multipart/form-data")
        return self._limits.upload_bytes if is_upload else self._limits.body_bytes


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        413, f"The body is too large: at most {max_bytes} bytes are read here.", headers={"Connection": "close"}
    )


def _too_slow() -> Problem:
    return Problem(408, "The body came too slowly. Send it again, faster.", headers={"Connection": "close"})


class _Exchange:
    """One request's `receive` and `send`, counted and timed."""

    def __init__(self, limits: Limits, receive: Receive, send: Send, *, max_bytes: int) -> None:
        self._limits = limits
        self._receive = receive
        self._send = send
        self._max_bytes = max_bytes
        self.answered = False
        self.fault: Problem | None = None
        self._received = 0
        self._body_is_whole = False
        self._deadline = asyncio.get_running_loop().time() + limits.body_s

    async def receive(self) -> Message:
        # After the body the only message is that the client went away, for which a stream waits as long as it likes.
        if self._body_is_whole:
            return await self._receive()
        left = self._deadline - asyncio.get_running_loop().time()
        try:
            async with _within(min(self._limits.silence_s, left)):
                message = await self._receive()
        except _TooSlow:
            self.fault = _too_slow()
            raise
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._body_is_whole = not message.get("more_body", False)
        if self._received > self._max_bytes:
            self.fault = _too_large(self._max_bytes)
            raise _TooLarge
        return message

    async def send(self, message: Message) -> None:
        # Whoever parses the body turns the exception above into an answer of its own, which would say less.
        if self.fault is not None and not self.answered:
            return
        self.answered = True
        async with _within(self._limits.write_s):
            await self._send(message)


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise _TooSlow from error


class HttpConnection(H11Protocol):
    """uvicorn's connection, closed when the head of a request does not come in time; its refusals are problems.

    Give the class as `uvicorn.Config(http=HttpConnection)`.
    """

    head_s = 10.0
    """Longest wait for the whole head of a connection's first request, and of each one after its first byte."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and self.conn.their_state is h11.IDLE:
            self._start_timer()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP, or has too large a head."""
        del msg  # uvicorn's words, always the same
        self._refuse(400, "This is no HTTP request, or its headers are too large.")

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self._refuse, 408, "The request came too slowly.")

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int, detail: str) -> None:
        """Answers on the bare connection and closes it."""
        self._stop_timer()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        response = respond(Problem(status, detail, headers={"Connection": "close"}))
        body = bytes(response.body)
        head = h11.Response(status_code=status, headers=response.raw_headers)
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
