"""What stands between a connection and the routes, outermost first."""

from fastapi import FastAPI

from api.service.authentication import Authentication
from api.service.bodies import StrangersBodies, StrictBodies
from api.service.database import Database
from api.service.description import describe
from api.service.headers import SecurityHeaders
from api.service.heads import HeadAsGet
from api.service.hosts import HostGuard
from api.service.idempotency import AnswerMemory, Idempotency
from api.service.job_metrics import count_jobs
from api.service.keys import KeyStore
from api.service.limits import Limits, RequestLimits
from api.service.logs import RequestLog
from api.service.metrics import Metrics
from api.service.openai_refusals import OpenAIRefusals
from api.service.problems import install_problems
from api.service.rates import RequestRates
from api.service.settings import ServiceSettings


def install_edge(app: FastAPI, settings: ServiceSettings) -> None:
    """Puts log, headers, limits, keys, rates and remembered answers around an app that has its routes."""

    def database() -> Database:
        return app.state.services.database

    metrics = Metrics()
    app.state.metrics = metrics
    metrics.collect_from(lambda: count_jobs(database()))
    install_problems(app)
    describe(app, with_keys=settings.needs_keys)
    # Starlette puts the one added last outside.
    app.add_middleware(HeadAsGet)
    app.add_middleware(Idempotency, memory=lambda: AnswerMemory(database()))
    app.add_middleware(StrictBodies)
    app.add_middleware(StrangersBodies)
    app.add_middleware(RequestRates, metrics=metrics)
    app.add_middleware(Authentication, keys=(lambda: KeyStore(database())) if settings.needs_keys else None)
    app.add_middleware(HostGuard, loopback_only=not settings.needs_keys)
    app.add_middleware(RequestLimits, limits=Limits())
    app.add_middleware(RequestLog, metrics=metrics)
    app.add_middleware(OpenAIRefusals)
    app.add_middleware(SecurityHeaders)
