"""`Idempotency-Key`: a POST that is sent again, because its answer got lost, changes nothing and has the same answer.

After draft-ietf-httpapi-idempotency-key-header. An answer is kept with owner, route, key and SHA-256 of the body: of
a form without the boundary between its parts, which clients make up anew each time.
Should the process die between doing and remembering, the repeated request is answered anew, with the same seed for
the ids it makes (`api/service/ids.py`), so that it finds what the first one made.
"""

import email.message
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.service.bodies import ReadBody, read_body
from api.service.database import UNANSWERED, Database
from api.service.edge_tables import remembered_answers
from api.service.ids import new_seed, seeded_ids
from api.service.keys import Principal
from api.service.problems import Problem, respond

logger = structlog.get_logger(__name__)

HEADER = "Idempotency-Key"
KEEP_S = 24 * 3600.0
"""How long an answer is kept."""
CLAIM_S = 600.0
"""After so long a request without an answer counts as lost with its process."""

MAX_KEY_LENGTH = 255
KEY_PATTERN = r"^[\x21-\x7e]+$"
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}")
_KEPT_HEADERS = frozenset({"content-type", "location", "etag", "retry-after"})
# Refusals that say nothing of the request itself.
_PASSING = frozenset({401, 403, 408, 429})


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What tells one request from another."""

    owner: str
    route: str
    key: str
    body_sha256: str

    def where(self) -> list[Any]:
        """The condition for its row."""
        table = remembered_answers.c
        return [table.owner == self.owner, table.route == self.route, table.key == self.key]


@dataclass(kw_only=True)
class _Answer:
    status: int = 500
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    is_whole: bool = False


class AnswerMemory:
    """The answers in the database.

    Args:
        database: Where they are kept.
        clock: Seconds since 1970.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def claim(self, asked: _Asked) -> _Answer | str:
        """The answer given before, or the seed for the ids of a request that is now this caller's to answer.

        Raises:
            Problem: 409 while the first request is being answered, 422 when the key came with another body.
        """
        now = self._clock()
        seed = new_seed()
        values = {**vars(asked), "seed": seed, "created_at": now, "claimed_until": now + CLAIM_S}
        try:
            with self._database.write() as connection:
                connection.execute(delete(remembered_answers).where(remembered_answers.c.created_at < now - KEEP_S))
                connection.execute(insert(remembered_answers).values(values))
        except IntegrityError:
            return self._claim_known(asked, now)
        return seed

    def _claim_known(self, asked: _Asked, now: float) -> _Answer | str:
        with self._database.write() as connection:
            row = connection.execute(select(remembered_answers).where(*asked.where()).with_for_update()).one_or_none()
            if row is None:
                raise _in_flight()
            if row.body_sha256 != asked.body_sha256:
                raise Problem(
                    422,
                    f"This {HEADER} was used for another body. Send a new key with a new request.",
                    kind="idempotency-key-reused",
                )
            if row.status is not None:
                return _answer_of(row)
            if row.claimed_until is not None and row.claimed_until > now:
                raise _in_flight()
            connection.execute(update(remembered_answers).where(*asked.where()).values(claimed_until=now + CLAIM_S))
            return row.seed

    def keep(self, asked: _Asked, answer: _Answer) -> None:
        """Remembers an answer."""
        kept = [[name, value] for name, value in answer.headers if name.lower() in _KEPT_HEADERS]
        with self._database.write() as connection:
            connection.execute(
                update(remembered_answers)
                .where(*asked.where())
                .values(status=answer.status, headers=kept, body=answer.body, claimed_until=None)
            )

    def release(self, asked: _Asked) -> None:
        """Gives up a request that came to nothing, so that it can be sent again at once; its seed stays."""
        with self._database.write() as connection:
            connection.execute(
                update(remembered_answers)
                .where(*asked.where(), remembered_answers.c.status.is_(None))
                .values(claimed_until=self._clock())
            )

    def release_all(self) -> None:
        """Gives up every request that is not answered: those of a process that was the service before this one.

        Should one be answered after all, nothing is made twice, as its seed stays.
        """
        with self._database.write() as connection:
            connection.execute(
                update(remembered_answers)
                .where(remembered_answers.c.status.is_(None))
                .values(claimed_until=self._clock())
            )


class Idempotency:
    """ASGI middleware for every POST with the header. Goes inside `Authentication`."""

    def __init__(self, app: ASGIApp, *, memory: Callable[[], AnswerMemory]) -> None:
        self._app = app
        self._memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = Headers(scope=scope).get(HEADER) if scope["type"] == "http" and scope["method"] == "POST" else None
        principal: Principal | None = scope["state"].get("principal") if key is not None else None
        if key is None or principal is None:  # without a principal the route refuses the request itself
            await self._app(scope, receive, send)
            return
        if not _KEY.fullmatch(key):
            problem = Problem(400, f"{HEADER} has to be 1 to 255 visible ASCII characters, such as a UUID.")
            await respond(problem)(scope, receive, send)
            return
        body = await read_body(receive)
        if body is None:
            return
        # What a route is beside its path, such as a query, makes another request of it.
        route = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        route_sha256 = hashlib.sha256(route.encode()).hexdigest()
        asked = _Asked(owner=principal.owner, route=route_sha256, key=key, body_sha256=_digest(body, scope))
        try:
            claimed = await run_in_threadpool(self._memory().claim, asked)
        except Problem as problem:
            await respond(problem)(scope, receive, send)
            return
        if isinstance(claimed, _Answer):
            await _replay(claimed, send)
        else:
            with seeded_ids(claimed):
                await self._answer(asked, scope, ReadBody(body, receive).receive, send)

    async def _answer(self, asked: _Asked, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer()

        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in message["headers"]]
            elif message["type"] == "http.response.body":
                answer.body += message.get("body", b"")
                if not message.get("more_body", False):
                    answer.is_whole = True
                    # Before the client has it, so that no client has an answer that is not remembered.
                    await self._settle(asked, answer)
            await send(message)

        try:
            await self._app(scope, receive, record)
        finally:
            if not answer.is_whole:
                await self._settle(asked, None)

    async def _settle(self, asked: _Asked, answer: _Answer | None) -> None:
        """Remembers an answer that is final. What cannot be noted is as if the process had died before."""
        memory = self._memory()
        try:
            if answer is not None and answer.status < 500 and answer.status not in _PASSING:
                await run_in_threadpool(memory.keep, asked, answer)
            else:
                await run_in_threadpool(memory.release, asked)
        except UNANSWERED as error:
            logger.error("answer_not_remembered", error=type(error).__name__)


def _digest(body: bytes, scope: Scope) -> str:
    """The SHA-256 of a body, the same for forms that differ in nothing but their boundary."""
    head = email.message.Message()
    head["Content-Type"] = Headers(scope=scope).get("content-type", "")
    boundary = head.get_boundary() if head.get_content_maintype() == "multipart" else None
    if boundary is not None:
        body = (b"\r\n" + body).replace(b"\r\n--" + boundary.encode("latin-1", "replace"), b"\r\n--")
    return hashlib.sha256(body).hexdigest()


async def _replay(answer: _Answer, send: Send) -> None:
    headers = [*answer.headers, ("content-length", str(len(answer.body))), ("idempotency-replayed", "true")]
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})


def _answer_of(row: Row[Any]) -> _Answer:
    return _Answer(status=row.status, headers=[(name, value) for name, value in row.headers], body=row.body)


def _in_flight() -> Problem:
    return Problem(
        409,
        f"The first request with this {HEADER} is still being answered. Try again in a moment.",
        kind="idempotency-key-in-use",
        headers={"Retry-After": "1"},
    )
