"""A small application of a test's own, served over a real connection by uvicorn in a thread."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from api.service.limits import MAX_HEAD_BYTES, HttpConnection


@contextmanager
def serving(app: ASGIApp, *, http: type[HttpConnection] = HttpConnection) -> Iterator[int]:
    """The port at which an application answers on loopback until the body ends."""
    config = uvicorn.Config(
        app, port=0, http=http, ws="none", h11_max_incomplete_event_size=MAX_HEAD_BYTES, log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the application did not start"
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=10)
