"""Puts the service together: `create_app` is everything that answers HTTP. Never imports torch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

import api
from api.service.errors import status_of
from api.service.routes import books, concepts, docs, health, images, jobs, scenes, stories
from api.service.services import running_services
from api.service.settings import ServiceSettings
from concepts.errors import FableverseError


def create_app(settings: ServiceSettings) -> FastAPI:
    """The application; it starts the service's parts with itself and stops them with itself."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_services(settings) as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="Fableverse",
        version=api.__version__,
        summary="Illustrated stories whose characters stay themselves on every page.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(FableverseError, _answer_error)
    for routes in (jobs, scenes, books, stories, concepts, images, health, docs):
        app.include_router(routes.router)
    return app


async def _answer_error(_: Request, error: Exception) -> JSONResponse:
    status = status_of(error)
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": str(error)}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
