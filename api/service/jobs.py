"""Jobs as rows: what was asked for, how far it is, every event of it in order. Knows not how jobs are done.

A job is acknowledged once its row is committed, and a row that has ended changes only by an explicit retry.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from api.service.database import Database
from api.service.errors import NotFound, WrongState
from api.service.ids import new_id
from api.service.ledger import end_tasks
from api.service.outbox import put_into_outbox
from api.service.owned import owned_row
from api.service.tables import events, jobs, previews, tasks

JobKind = Literal["scene", "book", "story", "concept", "pages", "caption"]
JobState = Literal["queued", "running", "succeeded", "failed", "canceled"]
OPEN: Final = ("queued", "running")
STOPPED: Final = ("failed", "canceled")
"""What a retry leads out of."""
ENDED: Final = ("succeeded", *STOPPED)

Json = Mapping[str, JsonValue]
Also = Callable[[Connection], None]
"""What else is written in the same transaction."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job as it stands."""

    id: str
    owner: str
    kind: JobKind
    subject: str
    """Id of the book, scene, story or concept that it makes; a caption has none, so that of its picture."""
    state: JobState
    attempt: int
    """Counts from 1; a retry is another attempt."""
    request: dict[str, Any]
    progress: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    last_event: int
    created_at: float
    started_at: float | None
    finished_at: float | None


Check = Callable[[Connection, Job], None]
"""Looks, in the same transaction, whether a job may be begun again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Event:
    """One thing that happened to a job; equal to nothing but itself."""

    job_id: str
    number: int
    type: str
    data: dict[str, Any]
    created_at: float


class Jobs:
    """The jobs of everybody, each seen by its owner alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        connection: Connection,
        *,
        owner: str,
        kind: JobKind,
        subject: str,
        request: Json,
        job_id: str | None = None,
    ) -> str:
        """A new job's id; part of the caller's transaction, so that the thing it makes is added with it or not."""
        job_id, now = job_id or new_id("job"), time.time()
        connection.execute(
            insert(jobs).values(
                id=job_id,
                owner=owner,
                kind=kind,
                subject=subject,
                state="queued",
                attempt=1,
                request=request,
                progress={"stage": "queued"},
                last_event=0,
                created_at=now,
            )
        )
        add_event(connection, job_id, "queued", {"stage": "queued"})
        return job_id

    def has(self, connection: Connection, job_id: str) -> bool:
        """Whether there is such a job already: a request that is repeated under `seeded_ids` finds its first one."""
        return connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is not None

    def get(self, owner: str, job_id: str) -> Job:
        """An owner's job.

        Raises:
            NotFound: The owner has no job of that id.
        """
        with self._database.read() as connection:
            return _get(connection, owner, job_id)

    def list(
        self,
        owner: str,
        *,
        limit: int,
        before: str | None = None,
        kind: JobKind | None = None,
        state: JobState | None = None,
    ) -> Sequence[Job]:
        """An owner's jobs, the latest first, older than the job of id `before`."""
        query = select(jobs).where(jobs.c.owner == owner).order_by(jobs.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(jobs.c.id < before)
        if kind is not None:
            query = query.where(jobs.c.kind == kind)
        if state is not None:
            query = query.where(jobs.c.state == state)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query)]

    def find(self, owner: str, condition: ColumnElement[bool]) -> Sequence[Job]:
        """Those of an owner's jobs of which something holds, the oldest first."""
        query = select(jobs).where(jobs.c.owner == owner, condition).order_by(jobs.c.id)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query)]

    def cancel(self, owner: str, job_id: str) -> Job:
        """The job, canceled; one that has ended is left as it is. Who works on it stops at the next step.

        Raises:
            NotFound: The owner has no job of that id.
        """
        with self._database.write() as connection:
            job = _get(connection, owner, job_id, lock=True)
            if job.state in ENDED:
                return job
            add_event(
                connection, job_id, "canceled", {**job.progress}, state="canceled", finished_at=time.time(), error=None
            )
            end_tasks(connection, _open_tasks(job_id), "canceled")
            return _get(connection, owner, job_id)

    def retry(
        self,
        owner: str,
        job_id: str,
        *,
        damaged: Collection[str] = (),
        request: Json | None = None,
        check: Check = lambda _, __: None,
    ) -> Job:
        """The job, queued again; what it has finished is kept, but for pictures whose hashes are among the damaged.

        With `request` it is asked for that instead. What `check` raises comes through, and the job stays as it was. A
        retry that is repeated under `seeded_ids` leaves the job as it is by now.

        Raises:
            NotFound: The owner has no job of that id.
            WrongState: It has not failed and was not canceled.
        """
        retry_id = new_id("retry")
        with self._database.write() as connection:
            job = _get(connection, owner, job_id, lock=True)
            if _was_retried(connection, job_id, retry_id):
                return job
            if job.state not in STOPPED:
                raise WrongState(
                    f"The job is {job.state}, and only one that has failed or was canceled can be tried again."
                )
            check(connection, job)
            connection.execute(delete(tasks).where(tasks.c.job_id == job_id, tasks.c.state != "done"))
            connection.execute(delete(tasks).where(tasks.c.job_id == job_id, tasks.c.picture.in_(damaged)))
            add_event(
                connection,
                job_id,
                "retried",
                {"attempt": job.attempt + 1, "retry": retry_id},
                state="queued",
                attempt=job.attempt + 1,
                request=dict(request) if request is not None else job.request,
                error=None,
                finished_at=None,
            )
            return _get(connection, owner, job_id)

    def preview(self, owner: str, job_id: str, picture: int) -> bytes:
        """How a picture of an owner's job stands, as JPEG.

        Raises:
            NotFound: The owner has no job of that id, or nothing is shown of that picture now.
        """
        mine = (previews.c.owner == owner) & (previews.c.job_id == job_id) & (previews.c.picture == picture)
        with self._database.read() as connection:
            _get(connection, owner, job_id)
            content = connection.execute(select(previews.c.content).where(mine)).scalar_one_or_none()
        if content is None:
            raise NotFound(f"Nothing is shown of picture {picture}: previews are of pictures that are being drawn.")
        return content

    def events(self, owner: str, job_id: str, *, after: int, limit: int = 1000) -> Sequence[Event]:
        """What happened to an owner's job after the event of number `after`, in order."""
        query = (
            select(events)
            .where(events.c.owner == owner, events.c.job_id == job_id, events.c.number > after)
            .order_by(events.c.number)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Event(**{name: value for name, value in row.items() if name != "owner"}) for row in
                    connection.execute(query).mappings()]  # fmt: skip

    def last_events(self, job_ids: Sequence[str]) -> Mapping[str, int]:
        """The number of the latest event of each of these jobs, whoever owns them."""
        with self._database.read() as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.last_event).where(jobs.c.id.in_(job_ids)))
            return {row.id: row.last_event for row in rows}

    def unfinished(self) -> Sequence[Job]:
        """Every job that has not ended, whoever owns it, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(jobs).where(jobs.c.state.in_(OPEN)).order_by(jobs.c.id))
            return [_job(row) for row in rows]

    def read(self, job_id: str) -> Job | None:
        """A job, for whoever does it; None once it was deleted."""
        with self._database.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
            return None if row is None else _job(row)

    def restart(self, job_id: str, *, attempt: int) -> int:
        """The number of a new attempt at a job whose `attempt` went astray; that of the present one if it is later."""
        with self._database.write() as connection:
            job = _job(connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one())
            if job.attempt == attempt and job.state in OPEN:
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(attempt=attempt + 1))
                return attempt + 1
            return job.attempt

    def enter(self, job_id: str, stage: str, **more: JsonValue) -> None:
        """Say that an open job has come to a stage; it is running once a worker has taken a task of it."""
        with self._database.write() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one_or_none()
            if row is None or row.state not in OPEN or row.progress.get("stage") == stage:
                return
            progress = {"stage": stage, **more}
            add_event(connection, job_id, "stage", progress, progress=progress)

    def keep(self, also: Also) -> None:
        """Put something that a job has made into its place, whatever becomes of the rest of the job."""
        with self._database.write() as connection:
            also(connection)

    def succeed(self, job_id: str, result: Json, *, also: Also) -> None:
        """End an open job well; one that has ended is left as it is."""
        self._end(job_id, "succeeded", dict(result), also=also, result=dict(result), progress={"stage": "done"})

    def fail(self, job_id: str, error: Json, *, attempt: int | None = None) -> None:
        """End an open job badly; one that has ended, or is another attempt by now, is left as it is."""
        self._end(job_id, "failed", {"error": dict(error)}, attempt=attempt, also=lambda _: None, error=dict(error))

    def _end(
        self,
        job_id: str,
        state: JobState,
        data: dict[str, Any],
        *,
        also: Also,
        attempt: int | None = None,
        **changes: Any,
    ) -> None:
        with self._database.write() as connection:
            job = _job(connection.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one())
            if job.state not in OPEN or attempt not in (None, job.attempt):
                return
            also(connection)
            end_tasks(connection, _open_tasks(job_id), "canceled")
            add_event(connection, job_id, state, data, state=state, finished_at=time.time(), **changes)


def add_event(connection: Connection, job_id: str, type_: str, data: Mapping[str, Any], **changes: Any) -> None:
    """Add the next event of a job and change its row with it.

    The row is locked while its number is counted on, so events become visible in the order of their numbers.
    """
    row = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(last_event=jobs.c.last_event + 1, **changes)
        .returning(jobs.c.last_event, jobs.c.owner, jobs.c.kind, jobs.c.subject)
    ).one()
    now = time.time()
    connection.execute(
        insert(events).values(
            job_id=job_id, number=row.last_event, owner=row.owner, type=type_, data=dict(data), created_at=now
        )
    )
    if type_ in ENDED:
        told = {"job": job_id, "kind": row.kind, "status": type_, row.kind: row.subject}
        put_into_outbox(connection, owner=row.owner, event=f"job.{type_}", data=told, now=now)


def _was_retried(connection: Connection, job_id: str, retry_id: str) -> bool:
    """Whether a retry was made already."""
    retries = select(events.c.data).where(events.c.job_id == job_id, events.c.type == "retried")
    return any(data.get("retry") == retry_id for data in connection.execute(retries).scalars())


def _open_tasks(job_id: str) -> ColumnElement[bool]:
    return (tasks.c.job_id == job_id) & tasks.c.state.in_(OPEN)


def _get(connection: Connection, owner: str, job_id: str, *, lock: bool = False) -> Job:
    return _job(owned_row(connection, jobs, owner, job_id, kind="job", lock=lock))


def _job(row: Row[Any]) -> Job:
    return Job(**row._mapping)
