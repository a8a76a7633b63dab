"""What handlers work with: the parts of a running service, as one value that FastAPI hands to whoever asks."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.service.authentication import principal_of
from api.service.database import Database
from api.service.dbos_engine import DbosEngine
from api.service.destinations import DestinationRules
from api.service.dispatch import Dispatcher
from api.service.jobs import Jobs
from api.service.keys import Principal
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.supervisor import Supervisor
from api.service.tasks import TaskQueue
from api.service.watch import EventHub, TaskWatch
from api.service.webhooks import WebhookStore
from api.service.workflows import JobWorkflows


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts of a running service."""

    settings: ServiceSettings
    database: Database
    store: ContentStore
    jobs: Jobs
    tasks: TaskQueue
    hub: EventHub
    watch: TaskWatch
    supervisor: Supervisor
    dispatcher: Dispatcher
    webhooks: WebhookStore


@asynccontextmanager
async def running_services(settings: ServiceSettings) -> AsyncIterator[Services]:
    """Everything but HTTP, running until the end of the body; what is unfinished then goes on at the next start."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as closing:
        database = Database.open(settings.database)
        closing.callback(database.close)
        store = ContentStore.open(settings.store)
        jobs, tasks = Jobs(database), TaskQueue(database)
        watch = TaskWatch(tasks)
        workflows = JobWorkflows(jobs, tasks, watch, interruptions=DbosEngine.INTERRUPTIONS)
        engine = DbosEngine(workflows, database_url=settings.engine_database)
        watch.start()
        closing.callback(watch.close)
        engine.launch()
        closing.callback(engine.close)
        supervisor = Supervisor(settings, tasks)
        supervisor.start()
        closing.callback(supervisor.close)
        dispatcher = Dispatcher(jobs, engine)
        dispatcher.start()
        closing.callback(dispatcher.close)
        hub = EventHub(jobs)
        closing.push_async_callback(hub.close)
        yield Services(
            settings=settings,
            database=database,
            store=store,
            jobs=jobs,
            tasks=tasks,
            hub=hub,
            watch=watch,
            supervisor=supervisor,
            dispatcher=dispatcher,
            webhooks=WebhookStore(database, rules=rules_of(settings)),
        )


def rules_of(settings: ServiceSettings) -> DestinationRules:
    """Where webhooks may lie."""
    return DestinationRules(allow_private=settings.private_webhooks)


def services_of(request: Request) -> Services:
    """The parts of the service that answers the request."""
    return request.app.state.services


ServicesDep = Annotated[Services, Depends(services_of)]
PrincipalDep = Annotated[Principal, Depends(principal_of)]
