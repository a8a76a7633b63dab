"""The service's log: one JSON object a line on standard error, with the request's id on every line of a request.

No secrets, prompts or stories: events and their numbers, ids and kinds of errors only.
"""

import logging
import sys
import time
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import TextIO

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, ExcInfo, Processor

from api.service.metrics import Metrics, route_of
from api.service.problems import outage_of, respond, unexpected_problem

logger = structlog.get_logger(__name__)

_SECRET_NAMES = ("authorization", "cookie", "key", "password", "pepper", "secret", "signature", "token")
_QUIET_ROUTES = frozenset({"/livez", "/readyz", "/metrics"})


def configure_logs(
    *, stream: TextIO = sys.stderr, level: int = logging.INFO, of_all: Mapping[str, str] | None = None
) -> None:
    """Sends structlog's events, and what libraries log or warn of, to the stream as JSON lines.

    Called once, when the program starts.

    Args:
        stream: Gets the lines.
        level: Of what Fableverse itself tells.
        of_all: What every line says beside, whichever thread it is of.
    """

    def add_of_all(_: object, __: str, event: EventDict) -> EventDict:
        return {**(of_all or {}), **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_of_all,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(_describe_error),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # What libraries tell of their doings has addresses in it; what goes wrong in them is wanted.
    root.setLevel(logging.WARNING)
    logging.getLogger("api").setLevel(level)
    logging.captureWarnings(True)


def log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """A `sys.excepthook`: what ends the program is logged as everything else."""
    logger.critical("ended", exc_info=(kind, error, traceback))


def _without_secrets(_: object, __: str, event: EventDict) -> EventDict:
    for name in event:
        if any(secret in name.lower() for secret in _SECRET_NAMES):
            event[name] = "…"
    return event


def _describe_error(exc_info: ExcInfo) -> list[dict[str, object]]:
    """Kind and place of an error and its causes; neither its message nor variables, which may hold somebody's words."""
    described = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)(exc_info)
    for fault in described:
        fault.pop("exc_value")
    return described


class RequestLog:
    """ASGI middleware: gives a request its id, counts it, logs it, and answers for a fault inside."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            # What fails between here and the routes, where no handler of the application's is.
            problem = outage_of(error)
            if problem is None:
                logger.exception("request_failed", route=route_of(scope), method=scope["method"])
            if status is not None:
                raise
            await respond(problem or unexpected_problem())(scope, receive, send_with_id)
        finally:
            self._record(scope, status or 500, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope)
        self._metrics.observe_request(route=route, method=scope["method"], status=status, seconds=seconds)
        if route not in _QUIET_ROUTES:
            logger.info(
                "request",
                route=route,
                method=scope["method"],
                status=status,
                ms=round(seconds * 1000, 1),
            )
