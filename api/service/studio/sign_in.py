"""Signing in: the browser is given the API key it was shown, as a cookie that no script can read, until signing out."""

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.service.authentication import COOKIE
from api.service.keys import KeyStore
from api.service.services import ServicesDep
from api.service.studio.rendering import StudioRoute, render_sign_in

router = APIRouter(include_in_schema=False, route_class=StudioRoute)

KEEP_S = 30 * 24 * 3600
"""How long a browser keeps the key, unless the key itself ends sooner."""
_PLACE = re.compile(r"/(?![/\\])[^\\\s]*")


@router.get("/sign-in")
def sign_in_page(request: Request, services: ServicesDep) -> Response:
    """The form; whoever is signed in, or need not be, goes on to the books."""
    if request.state.principal is not None:
        return RedirectResponse("/", status_code=303)
    return HTMLResponse(render_sign_in(services, place="/"))


@router.post("/sign-in")
def sign_in(
    request: Request,
    services: ServicesDep,
    key: Annotated[str, Form(max_length=200)] = "",
    place: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Keeps a key that opens something, and leads on to the page that was asked for."""
    key = key.strip()
    place = place if _PLACE.fullmatch(place) else "/"
    if KeyStore(services.database).authenticate(key) is None:
        fault = "No such key opens the studio: it is mistyped, has expired or was revoked."
        return HTMLResponse(render_sign_in(services, place=place, fault=fault), status_code=401)
    answer = RedirectResponse(place, status_code=303)
    answer.set_cookie(COOKIE, key, max_age=KEEP_S, httponly=True, samesite="lax", secure=request.url.scheme == "https")
    return answer


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """Forgets the key, and all that the browser kept of what it opened."""
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=request.url.scheme == "https")
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer
