"""Who works: the rows of workers, and what kept the last one of a role from beginning."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import insert, select, update

from api.service.database import Database
from api.service.standstill import Standstill, end_standstill, keep_standstill, read_standstills
from api.service.tables import workers

Role = Literal["text", "draw"]


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """A worker as it last reported."""

    id: str
    role: Role
    host: str
    pid: int
    beats: int
    progress: int
    is_ready: bool
    """Whether what it works with is loaded. It may be loaded anew in the middle of a task."""
    task_id: str | None

    @property
    def is_at_work(self) -> bool:
        """Whether its role's tasks are done: it can take some, or has one in hand."""
        return self.is_ready or self.task_id is not None


class Roster:
    """Workers as they report."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enlist(self, worker_id: str, role: Role, *, host: str, pid: int) -> None:
        """Add a worker that has started."""
        with self._database.write() as connection:
            connection.execute(
                insert(workers).values(
                    id=worker_id,
                    role=role,
                    host=host,
                    pid=pid,
                    beats=0,
                    progress=0,
                    is_ready=False,
                    started_at=time.time(),
                )
            )

    def set_ready(self, worker_id: str, *, is_ready: bool = True) -> None:
        """Say that a worker has loaded what it works with, or that it loads that anew; it has moved on, either way."""
        with self._database.write() as connection:
            of_it, moved = workers.c.id == worker_id, workers.c.progress + 1
            connection.execute(update(workers).where(of_it).values(is_ready=is_ready, progress=moved))
            for role in connection.execute(select(workers.c.role).where(of_it, workers.c.is_ready)).scalars():
                end_standstill(connection, role)

    def keep_standstill(self, standstill: Standstill) -> None:
        """Say what kept a worker from beginning."""
        with self._database.write() as connection:
            keep_standstill(connection, standstill)

    def end_standstills(self) -> None:
        """Forget what kept workers of an earlier life of the service from beginning."""
        with self._database.write() as connection:
            for role in get_args(Role):
                end_standstill(connection, role)

    def standstills(self) -> Sequence[Standstill]:
        """Why nobody does the tasks of some roles: what kept their last worker from beginning, and none is ready."""
        with self._database.read() as connection:
            told = read_standstills(connection)
        at_work = {row.role for row in self.workers() if row.is_at_work} if told else set()
        return [each for each in told if each.role not in at_work]

    def beat(self, worker_id: str) -> bool:
        """Say that a worker lives; False when it has been given up and should end."""
        with self._database.write() as connection:
            done = connection.execute(
                update(workers).where(workers.c.id == worker_id).values(beats=workers.c.beats + 1)
            )
            return done.rowcount == 1

    def workers(self) -> Sequence[WorkerRow]:
        """All workers as they last reported."""
        with self._database.read() as connection:
            columns = [workers.c[name] for name in WorkerRow.__dataclass_fields__]
            return [WorkerRow(**row) for row in connection.execute(select(*columns)).mappings()]
