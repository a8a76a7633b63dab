"""HEAD on every address that has GET."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware: answers HEAD with what GET says before the body. Goes innermost, around the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        answered = asyncio.Event()

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})
                answered.set()

        async def leave() -> Message:
            # A stream goes on until its reader leaves.
            await answered.wait()
            return {"type": "http.disconnect"}

        scope["method"] = "GET"
        try:
            await self._app(scope, leave, send_head)
        finally:
            scope["method"] = "HEAD"  # for the log
