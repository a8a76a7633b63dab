"""How the studio answers: pages and parts of pages from templates, and errors that a person can read where they are."""

import functools
import json
from collections.abc import Callable, Coroutine
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from api.service.errors import EditConflict, status_of
from api.service.hosts import SAFE_METHODS
from api.service.keys import Principal
from api.service.problems import Problem, in_words
from api.service.services import Services
from concepts.errors import FableverseError
from story.templates import Templates


@functools.cache
def templates_in(folder: Path) -> Templates:
    """The templates of a folder, read once."""
    return Templates(folder)


def render(services: Services, name: str, **values: object) -> str:
    """A template of `templates/studio/`.

    Raises:
        BookError: It is missing or uses a variable it is not given.
    """
    return templates_in(services.settings.base.templates_dir).render(f"studio/{name}.html.j2", **values)


def render_page(services: Services, principal: Principal | None, name: str, **values: object) -> str:
    """A whole page, which says who is signed in where anybody has to be.

    Raises:
        BookError: As for `render`.
    """
    owner = principal.owner if principal is not None and services.settings.needs_keys else None
    return render(services, name, owner=owner, **values)


def render_sign_in(services: Services, *, place: str, fault: str | None = None) -> str:
    """The page to sign in on, which leads to a place of the studio.

    Raises:
        BookError: As for `render`.
    """
    return render_page(services, None, "sign_in", section="", place=place, fault=fault)


def html(*parts: str) -> HTMLResponse:
    """A page, or parts that htmx puts into one."""
    return HTMLResponse("\n".join(parts))


def is_partial(request: Request) -> bool:
    """Whether htmx asks, which wants the parts that change; a browser alone wants a page."""
    return "hx-request" in request.headers


def go_to(request: Request, place: str) -> Response:
    """Leads the browser to another page of the studio."""
    if is_partial(request):
        return Response(status_code=204, headers={"HX-Redirect": place})
    return RedirectResponse(place, status_code=303)


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StudioRoute(APIRoute):
    """A route whose errors are told on the page instead of as a problem for programs."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except Problem as problem:
                return _refused(request, problem)
            except EditConflict as error:
                answer = _told(
                    request,
                    "This book was changed elsewhere meanwhile. Look at it as it is now, then try again.",
                    status_of(error).value,
                )
                answer.headers["HX-Trigger"] = "stale"
                return answer
            except RequestValidationError as error:
                return _told(request, in_words(error), 422)
            except (FableverseError, OSError, SQLAlchemyError) as error:
                return _told(request, *await _foreseen(request, error))

        return answer


def answer_lost_browsers(app: FastAPI) -> None:
    """Where the app has no route, a browser that asks for a page gets one that says so; programs get the problem."""
    otherwise = app.router.default

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        handler = otherwise
        if scope["type"] == "http" and _wants_page(request := Request(scope)):
            handler = _told(request, "There is no such page. Go on from one of those above.", 404)
        await handler(scope, receive, send)

    app.router.default = answer


def _wants_page(request: Request) -> bool:
    is_api = request.url.path.startswith("/v1/")
    return request.method == "GET" and not is_api and "text/html" in request.headers.get("accept", "")


async def _foreseen(request: Request, error: Exception) -> tuple[str, int]:
    """Message and status that programs are given for an error of Fableverse, its disk or its database."""
    handlers = request.app.exception_handlers
    handler = next(handlers[cls] for cls in type(error).__mro__ if cls in handlers)
    answer = await handler(request, error)
    return json.loads(answer.body)["detail"], answer.status_code


def _told(request: Request, message: str, status: int) -> HTMLResponse:
    """The message in the page's place for it, or as a page of its own."""
    services: Services = request.app.state.services
    if is_partial(request):
        headers = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML show:window:top"}
        return HTMLResponse(f"<p>{escape(message)}</p>", status_code=status, headers=headers)
    page = render_page(services, request.state.principal, "error", section="", message=message)
    return HTMLResponse(page, status_code=status)


def _refused(request: Request, problem: Problem) -> HTMLResponse:
    """Without a key the page to sign in on; who acts on a page whose key has ended meanwhile is told."""
    services: Services = request.app.state.services
    if problem.status != 401:
        return _told(request, problem.detail, problem.status)
    if is_partial(request):
        return _told(request, "You are signed out: the key has ended. Reload the page to sign in again.", 401)
    place = request.url.path if request.method in SAFE_METHODS else "/"
    return HTMLResponse(render_sign_in(services, place=place), status_code=401, headers=problem.headers)
