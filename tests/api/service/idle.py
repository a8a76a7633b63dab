"""The parts of a service in which nobody works, for tests of what is taken on."""

from collections.abc import Sequence

from api.service.database import Database
from api.service.destinations import DestinationRules
from api.service.dispatch import Dispatcher
from api.service.engine import Attempt, AttemptState
from api.service.jobs import Jobs
from api.service.services import Services
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.supervisor import Supervisor
from api.service.tasks import TaskQueue
from api.service.watch import EventHub, TaskWatch
from api.service.webhooks import WebhookStore


class IdleEngine:
    """An engine that begins nothing."""

    def launch(self) -> None:
        pass

    def start(self, attempt: Attempt) -> None:
        pass

    def states(self, attempts: Sequence[Attempt]) -> Sequence[AttemptState]:
        return ["unknown" for _ in attempts]

    def close(self) -> None:
        pass


def idle_services(settings: ServiceSettings, database: Database) -> Services:
    """What handlers are given, with jobs that stay as they are taken on."""
    jobs, tasks = Jobs(database), TaskQueue(database)
    return Services(
        settings=settings,
        database=database,
        store=ContentStore.open(settings.store),
        jobs=jobs,
        tasks=tasks,
        hub=EventHub(jobs),
        watch=TaskWatch(tasks),
        supervisor=Supervisor(settings, tasks),
        dispatcher=Dispatcher(jobs, IdleEngine()),
        webhooks=WebhookStore(database, rules=DestinationRules(allow_private=False)),
    )
