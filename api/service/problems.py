"""Every failure as an RFC 9457 problem: `application/problem+json`, mapped once, for all routes alike.

Bodies never repeat what was sent, so that nobody's words end up in another's log, and name no file or address inside.
"""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import JsonValue, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.errors import as_output_error
from api.service.database import UNANSWERED
from api.service.errors import TaskFailed, status_of
from concepts.errors import FableverseError

logger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Problem(Exception):
    """A failure that only HTTP knows, raised anywhere while a request is answered; becomes the response.

    Args:
        status: The HTTP status.
        detail: What was wrong, the rule, what to do.
        kind: Words with hyphens that name the kind; without, the status says it all.
        headers: Of the response.
    """

    def __init__(
        self, status: int, detail: str, *, kind: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind
        self.headers = dict(headers or {})


def respond(problem: Problem, *, errors: Iterable[Mapping[str, JsonValue]] = ()) -> JSONResponse:
    """The problem as a response, with the request's id where one is known."""
    body: dict[str, Any] = {
        "type": f"urn:fableverse:problem:{problem.kind}" if problem.kind else "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is not None:
        body["request_id"] = request_id
    listed = [dict(error) for error in errors]
    if listed:
        body["errors"] = listed
    return JSONResponse(body, status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def problem_of(error: FableverseError) -> Problem:
    """What an error of the packages is over HTTP, once it is logged where the service is to blame for it."""
    status = status_of(error)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    kind = error.kind if isinstance(error, TaskFailed) else type(error).__name__
    detail = str(error)
    if status == 500 and isinstance(error, TaskFailed):
        detail = "A part of the job failed, through no fault of the request. Ask for the job, which says more."
    elif status == 500:
        detail = "The service is damaged or misconfigured. Its log says where."
    if status >= 500 and status != 503:
        # Of an error of the installation the client hears nothing, so that the log has to say it. What a part of a job
        # failed with may be about somebody's words.
        message = str(error) if status == 500 and not isinstance(error, TaskFailed) else None
        logger.error("domain_error", error=kind, message=message)
    return Problem(status, detail, kind=_kind_of(kind), headers=headers)


def install_problems(app: FastAPI) -> None:
    """Makes every failure of the app's routes a problem."""

    async def on_problem(_: Request, error: Problem) -> JSONResponse:
        return respond(error)

    async def on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
        # Starlette lists the methods of one route, and an address may have several.
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        return respond(Problem(error.status_code, _detail_of(error), headers=headers))

    async def on_invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [{"pointer": _pointer_of(fault["loc"]), "detail": str(fault["msg"])} for fault in error.errors()]
        where = ", ".join(str(fault["pointer"]) for fault in errors[:3])
        detail = f"The request is not as the API's description says at {where}. Correct it."
        return respond(Problem(422, detail, kind="invalid-request"), errors=errors)

    async def on_domain_error(_: Request, error: FableverseError) -> JSONResponse:
        return respond(problem_of(error))

    async def on_outage(_: Request, error: Exception) -> JSONResponse:
        problem = outage_of(error)
        if problem is None:
            raise error
        return respond(problem)

    for cls, handler in {
        Problem: on_problem,
        HTTPException: on_http_exception,
        RequestValidationError: on_invalid_request,
        FableverseError: on_domain_error,
        OSError: on_outage,
        SQLAlchemyError: on_outage,
    }.items():
        app.add_exception_handler(cls, handler)  # pyright: ignore[reportArgumentType]  # each takes its own class


def outage_of(error: Exception) -> Problem | None:
    """What a disk or database that fails is over HTTP, once it is logged; None for every other error."""
    if isinstance(error, UNANSWERED):
        logger.error("database_error", error=type(error).__name__)
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return Problem(503, "The database cannot be used now. Try again.", kind="database", headers=headers)
    if isinstance(error, OSError) and as_output_error(error) is not None:
        logger.error("storage_error", error=type(error).__name__, errno=error.errno)
        return Problem(507, "The service's storage cannot be used now. Try later.", kind="storage")
    return None


def in_words(error: ValidationError | RequestValidationError) -> str:
    """What is wrong with each value, by its name and without the value."""
    return "; ".join(": ".join((*map(str, fault["loc"][-1:]), fault["msg"])) for fault in error.errors())


def unexpected_problem() -> Problem:
    """What a fault of the program looks like from outside."""
    return Problem(500, "The service failed in a way that nobody foresaw. Its log has more under the request's id.")


def _allowed(request: Request) -> str:
    """The methods that the address of a request has, HEAD with GET, as the Allow header writes them."""

    def has(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return ", ".join(filter(has, _METHODS))


def _detail_of(error: HTTPException) -> str:
    advice = {
        404: "There is nothing at this address. Check its spelling.",
        405: "This method is not allowed here: the Allow header lists those that are.",
    }
    phrase = HTTPStatus(error.status_code).phrase
    return advice.get(error.status_code, error.detail) if error.detail == phrase else error.detail


def _pointer_of(location: tuple[int | str, ...]) -> str:
    """A JSON pointer; a name that is no plain word was made up by the sender and is not repeated."""
    parts = (str(part) for part in location)
    return "/" + "/".join(part if re.fullmatch(r"[\w.-]{1,64}", part, re.ASCII) else "?" for part in parts)


def _kind_of(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
