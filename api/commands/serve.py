"""`fableverse serve`: the service on this machine until it is told to stop."""

import socket

import uvicorn

from api.console import Reporter
from api.errors import UsageError
from api.outcome import Outcome
from api.service.app import create_app
from api.service.limits import MAX_HEAD_BYTES, HttpConnection
from api.service.logs import configure_logs
from api.service.one_server import only_server
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.writers import check_language_model

_DRAIN_S = 5
"""How long open answers, such as event streams, may last once the service is told to stop."""


def serve(settings: ServiceSettings, *, reporter: Reporter) -> Outcome:
    """Answers requests until the process gets SIGINT or SIGTERM.

    Raises:
        UsageError: Another server works here, the address cannot be listened to, or the store cannot be used.
        UnusableDatabase: The database cannot.
        LanguageModelError: The language model's name cannot be used, or it lacks a key.
    """
    check_language_model(settings.base)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with only_server(settings):
        ContentStore.open(settings.store)
        configure_logs()
        listener = listen(settings.host, settings.port)
        host, port = listener.getsockname()[:2]
        reporter.note(f"Serving on http://{f'[{host}]' if ':' in host else host}:{port}; Ctrl-C stops.")
        config = uvicorn.Config(
            create_app(settings),
            http=HttpConnection,
            ws="none",
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        uvicorn.Server(config).run(sockets=[listener])
    return Outcome(lines=("Stopped.",), data={"host": host, "port": port})


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, whose connections send what they have at once.

    Raises:
        UsageError: The address cannot be listened to.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"{host}:{port} cannot be listened to: {error}. Stop what listens there, or choose another --host or "
            "--port (0 takes any free one)."
        ) from error
    # asyncio sets this only on sockets that it made itself. Without it an answer in two parts waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
