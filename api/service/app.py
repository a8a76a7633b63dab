"""Puts the service together: `create_app` is everything that answers HTTP. Never imports torch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import api
from api.service.edge import install_edge
from api.service.idempotency import AnswerMemory
from api.service.routes import books, concepts, docs, health, images, jobs, metrics, pages, scenes, stories, webhooks
from api.service.services import rules_of, running_services
from api.service.settings import ServiceSettings
from api.service.studio import routes as studio
from api.service.studio.rendering import answer_lost_browsers
from api.service.sweep import keep_swept
from api.service.webhooks import Courier


def create_app(settings: ServiceSettings) -> FastAPI:
    """The application; it starts the service's parts with itself and stops them with itself."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_services(settings) as services:
            app.state.services = services
            await asyncio.to_thread(AnswerMemory(services.database).release_all)
            courier = Courier(services.database, rules=rules_of(settings), metrics=app.state.metrics)
            beside = [
                asyncio.create_task(courier.run()),
                asyncio.create_task(keep_swept(services.database, services.store, settings)),
            ]
            try:
                yield
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)

    app = FastAPI(
        title="Fableverse",
        version=api.__version__,
        summary="Illustrated stories whose characters stay themselves on every page.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for routes in (jobs, scenes, books, pages, stories, concepts, images, webhooks, health, metrics, docs, studio):
        app.include_router(routes.router)
    answer_lost_browsers(app)
    install_edge(app, settings)
    return app
