"""Finds out who asks, and lets routes say what that takes."""

from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from api.service.hosts import SAFE_METHODS
from api.service.keys import LOCAL, KeyStore, Principal, Scope
from api.service.problems import Problem

COOKIE = "fableverse_key"
"""Holds a key for the studio's pages, whose browser cannot send an Authorization header."""

_ASKS_NOBODY = "/livez"
"""Where no key is looked up, since that is answered without the database."""
_bearer = HTTPBearer(auto_error=False, description="An API key, made by `fableverse keys create`.")


class Authentication:
    """ASGI middleware: puts the principal, or None, into the request's state as `principal`.

    Args:
        app: What is guarded.
        keys: Gives where keys are looked up; None where none is asked for, on loopback.
    """

    def __init__(self, app: ASGIApp, *, keys: Callable[[], KeyStore] | None) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            principal = await self._principal(scope)
            scope.setdefault("state", {})["principal"] = principal
            if principal is not None:
                structlog.contextvars.bind_contextvars(owner=principal.owner)
        await self._app(scope, receive, send)

    async def _principal(self, scope: Connection) -> Principal | None:
        if self._keys is None:
            return LOCAL
        if scope["path"] == _ASKS_NOBODY:
            return None
        key = _key_of(Headers(scope=scope))
        return await run_in_threadpool(self._keys().authenticate, key) if key is not None else None


def principal_of(request: Request, _: Annotated[object, Depends(_bearer)]) -> Principal:
    """Who makes the request: looking takes a key with the scope "read", everything else "write".

    Raises:
        Problem: 401 without a valid key, 403 when the key lacks the scope.
    """
    return _checked(request, "read" if request.method in SAFE_METHODS else "write")


def require(needed: Scope) -> Callable[..., Principal]:
    """A dependency: the principal, who has to have the scope.

    Raises:
        Problem: 401 without a valid key, 403 when the key lacks the scope.
    """

    def principal(request: Request, _: Annotated[object, Depends(_bearer)]) -> Principal:
        return _checked(request, needed)

    return principal


def _checked(request: Request, needed: Scope) -> Principal:
    found: Principal | None = request.state.principal
    if found is None:
        raise Problem(
            401,
            "This needs a valid API key: send it as `Authorization: Bearer fv_…`.",
            kind="no-key",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if needed not in found.scopes:
        raise Problem(
            403,
            f"This key may not do that: it lacks the scope {needed}. Use another key.",
            kind="scope",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'},
        )
    return found


def _key_of(headers: Headers) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie is not None else None
