"""Whom the service believes that a browser is talking to it: Host and Origin.

A page of another site can make a browser send requests here. Where no key is asked for, on loopback, a name of that
site's own may even point here (DNS rebinding), so the Host has to be this machine's.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.service.problems import Problem, respond
from api.service.settings import is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HostGuard:
    """ASGI middleware: refuses foreign hosts on loopback, and what another site makes a browser change.

    Args:
        app: What is guarded.
        loopback_only: Whether the service listens on loopback, where it needs no key.
    """

    def __init__(self, app: ASGIApp, *, loopback_only: bool) -> None:
        self._app = app
        self._loopback_only = loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._fault(scope) if scope["type"] == "http" else None
        if problem is not None:
            await respond(problem)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _fault(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._loopback_only and not is_loopback(_hostname(host)):
            return Problem(
                421,
                "The Host header names another machine: this service listens on this machine alone. "
                "Call it by localhost or 127.0.0.1, or start it with --host and keys.",
                kind="foreign-host",
            )
        if scope["method"] not in SAFE_METHODS and _is_cross_site(headers, host):
            return Problem(
                403,
                "A page of another site sent this request: only the service's own pages, and programs that are no "
                "browsers, may change anything.",
                kind="cross-site",
            )
        return None


def _is_cross_site(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and _authority(origin) != host.lower()


def _authority(origin: str) -> str | None:
    """Host and port of an origin as a Host header has them; "null" and what is no origin have none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
