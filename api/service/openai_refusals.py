"""Refusals as OpenAI's client reads them, whoever refuses: the route, or what stands between a connection and it."""

import json
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.service.problems import MEDIA_TYPE

PATH: Final = "/v1/images/generations"


class OpenAIRefusals:
    """ASGI middleware: problems of OpenAI's address have what its client looks for, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def tell(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await _send_refusal(start, body, send)

        await self._app(scope, receive, tell)


def _is_problem(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type") == MEDIA_TYPE


async def _send_refusal(start: Message, body: bytes, send: Send) -> None:
    told = _told(body, status=start["status"])
    MutableHeaders(raw=start["headers"])["content-length"] = str(len(told))
    await send(start)
    await send({"type": "http.response.body", "body": told})


def _told(body: bytes, *, status: int) -> bytes:
    if not body:  # of a HEAD
        return body
    problem = json.loads(body)
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    code = problem["type"].rpartition(":")[2]
    where = [fault["pointer"].rpartition("/")[2] for fault in problem.get("errors", ())]
    problem["error"] = {"message": problem["detail"], "type": kind, "param": (where or [None])[0], "code": code}
    return json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode()
