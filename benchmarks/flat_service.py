"""The service with pictures that cost nothing: everything but the picture model is the real one.

    python -m benchmarks.flat_service --port 8000 --data DIR --bank DIR

serves like `fableverse serve`; `flat_service` does so within a program.
"""

import argparse
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import httpx
import structlog
import uvicorn

from api.commands.serve import serve
from api.console import Reporter
from api.service.app import create_app
from api.service.database import Database
from api.service.limits import MAX_HEAD_BYTES, HttpConnection
from api.service.settings import ServiceSettings
from api.settings import Settings

WORKER_MODULE: Final = "benchmarks.flat_worker"


@dataclass(frozen=True, kw_only=True)
class FlatService:
    """A service that answers."""

    url: str
    database: Database


READY_WITHIN_S = 120


@contextmanager
def flat_service(settings: ServiceSettings) -> Iterator[FlatService]:
    """The service of those settings in a thread, on a free port of loopback and ready, until the end of the body."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    config = uvicorn.Config(
        create_app(replace(settings, worker_module=WORKER_MODULE)), port=0, http=HttpConnection, ws="none",
        h11_max_incomplete_event_size=MAX_HEAD_BYTES, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the service did not start")
        time.sleep(0.01)
    url = "http://{}:{}".format(*server.servers[0].sockets[0].getsockname())
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while httpx.get(f"{url}/readyz").status_code != 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the service is not ready after {READY_WITHIN_S} s: see its log")
            time.sleep(0.1)
        database = Database.open(settings.database)
        yield FlatService(url=url, database=database)
        database.close()
    finally:
        server.should_exit = True
        thread.join()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flat_service")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--database")
    options = parser.parse_args(argv)
    settings = ServiceSettings(
        data_dir=options.data, port=options.port, database_url=options.database, worker_module=WORKER_MODULE,
        base=Settings(bank_dir=options.bank),
    )  # fmt: skip
    serve(settings, reporter=Reporter())


if __name__ == "__main__":
    main()
