"""What a request may be made of: JSON that is JSON, and text that every part of the service can keep."""

import math
import re

from pydantic_core import from_json
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.service.problems import Problem, respond

# PostgreSQL keeps no NUL; in a file's name or a program's argument it would end the text.
_NUL_IN_JSON = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NUL_IN_ADDRESS = re.compile(rb"%00")
_URLENCODED = "application/x-www-form-urlencoded"
_FORMS = frozenset({_URLENCODED, "multipart/form-data"})
_MOST_FIELDS = 256
_SIGN_IN = "/sign-in"
_MOST_SIGN_IN_BYTES = 8 * 1024
_ABOUT_BODIES = frozenset({b"content-type", b"content-length", b"transfer-encoding"})


class StrangersBodies:
    """ASGI middleware: of what is sent without a key nothing is looked at but the small form to sign in with.

    Routes see an empty body, and say that a key is wanted. Goes inside `Authentication`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["state"]["principal"] is not None:
            await self._app(scope, receive, send)
        elif scope["path"] == _SIGN_IN:
            await self._read_key(scope, receive, send)
        else:
            await self._read_nothing(scope, receive, send)

    async def _read_key(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive, most=_MOST_SIGN_IN_BYTES)
        if body is None:
            return
        if len(body) > _MOST_SIGN_IN_BYTES:
            problem = Problem(413, f"The body is too large: at most {_MOST_SIGN_IN_BYTES} bytes are read here.")
            await respond(problem)(scope, receive, send)
            return
        await self._app(scope, ReadBody(body, receive).receive, send)

    async def _read_nothing(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A connection that is closed on unread bytes is reset, and the answer is lost with it. Whoever waits to be told
        # to go on has sent none.
        if "expect" not in Headers(scope=scope) and await read_body(receive, most=0) is None:
            return
        scope["headers"] = [header for header in scope["headers"] if header[0] not in _ABOUT_BODIES]
        await self._app(scope, ReadBody(b"", receive).receive, send)


class StrictBodies:
    """ASGI middleware: refuses JSON that is none, and NUL anywhere, before any route sees it.

    JSON is checked by pydantic's own parser, which unlike Python's refuses NaN, halves of surrogate pairs and nesting
    beyond reason.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _NUL_IN_ADDRESS.search(scope["raw_path"]) or _NUL_IN_ADDRESS.search(scope["query_string"]):
            await respond(Problem(400, "The address has a NUL character. Leave it out."))(scope, receive, send)
            return
        content_type = _essence(Headers(scope=scope).get("content-type", ""))
        if not _is_json(content_type) and content_type not in _FORMS:
            await self._app(scope, receive, send)
            return
        body = await read_body(receive)
        if body is None:
            return
        problem = _fault(body) if _is_json(content_type) else await _fault_of_form(scope, body, receive)
        if problem is not None:
            await respond(problem)(scope, receive, send)
            return
        read = ReadBody(body, receive)
        del body  # while a picture is decoded nobody needs it any more
        await self._app(scope, read.receive, send)


class ReadBody:
    """Hands a body that was read already on, then goes on listening for the client going away."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def receive(self) -> Message:
        """The next message for an application."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def read_body(receive: Receive, *, most: float = math.inf) -> bytes | None:
    """The body, all of it or, where it has more than so many bytes, some more than those; None when the client left."""
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        if length <= most:
            parts.append(message.get("body", b""))
            length += len(parts[-1])
        if not message.get("more_body", False):
            return b"".join(parts)


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_json(essence: str) -> bool:
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def _fault(body: bytes) -> Problem | None:
    if not body:
        return None
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError:
        return Problem(400, "The body is no valid JSON. Correct it.", kind="invalid-json")
    if _NUL_IN_JSON.search(body):
        return _nul_in_body()
    return None


async def _fault_of_form(scope: Scope, body: bytes, receive: Receive) -> Problem | None:
    """Judges all of a form but what files have in them, read as the route will read it."""
    if _essence(Headers(scope=scope).get("content-type", "")) == _URLENCODED and body.count(b"&") >= _MOST_FIELDS:
        return _too_many_fields()
    request = Request(scope, ReadBody(body, receive).receive)
    try:
        async with request.form(max_files=_MOST_FIELDS, max_fields=_MOST_FIELDS) as form:
            for name, value in form.multi_items():
                text = value.filename or "" if isinstance(value, UploadFile) else value
                if "\0" in name or "\0" in text:
                    return _nul_in_body()
    except HTTPException as error:
        return _too_many_fields() if error.detail.startswith("Too many") else None  # it is no form, as the route says
    return None


def _too_many_fields() -> Problem:
    return Problem(413, f"The form has too many fields: at most {_MOST_FIELDS} are read.", kind="too-many-fields")


def _nul_in_body() -> Problem:
    return Problem(422, "The body has a NUL character. Leave it out.", kind="nul-character")
