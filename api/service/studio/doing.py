"""Which jobs a page shows: all that are under way, and those that stopped lately, were not dismissed and that no later
one replaces.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from api.service.deletion import dismiss_job
from api.service.errors import NotFound, WrongState
from api.service.jobs import OPEN, STOPPED, Job
from api.service.payloads import concepts_of
from api.service.services import Services
from api.service.sweep import RETRY_S
from api.service.tables import jobs


@dataclass(frozen=True, kw_only=True)
class Doing:
    """The jobs for one thing."""

    open_jobs: Sequence[Job]
    """The first to be done first."""
    stopped_jobs: Sequence[Job]
    """Those that failed or were called off, the latest first."""
    has_stopped: bool
    """Whether the latest job of all is one of those."""
    token: str
    """Differs once a job has begun, ended or gone."""


def doing_for_book(services: Services, owner: str, book_id: str) -> Doing:
    """What is done for a book."""
    return _doing(services, owner, jobs.c.subject == book_id, _replaces_work)


def doing_in_bank(services: Services, owner: str) -> Doing:
    """What is being learnt, or was not."""
    return _doing(services, owner, jobs.c.kind == "concept", _learns_again)


def dismiss(services: Services, owner: str, job_id: str) -> None:
    """Show a job that stopped no more, nor those that stopped before it and that it was to replace.

    Raises:
        NotFound, WrongState: As `dismiss_job`.
    """
    job = services.jobs.get(owner, job_id)
    dismiss_job(services.database, owner, job_id)
    replaces, of_thing = (
        (_learns_again, jobs.c.kind == "concept")
        if job.kind == "concept"
        else (_replaces_work, jobs.c.subject == job.subject)
    )
    gone = [job]
    for earlier in services.jobs.find(owner, of_thing & (jobs.c.id < job_id) & jobs.c.state.in_(STOPPED))[::-1]:
        if any(replaces(later, earlier) for later in gone):
            with suppress(NotFound, WrongState):  # it makes a thing, or goes on again, and is shown then
                dismiss_job(services.database, owner, earlier.id)
                gone.append(earlier)


def _doing(
    services: Services, owner: str, of_thing: ColumnElement[bool], replaces: Callable[[Job, Job], bool]
) -> Doing:
    query = select(jobs.c.id, jobs.c.state, jobs.c.finished_at).where(jobs.c.owner == owner, of_thing)
    with services.database.read() as connection:
        rows = connection.execute(query.order_by(jobs.c.id)).all()
    lately = time.time() - RETRY_S  # what is older may have nothing left to go on from
    stopped = [row.id for row in rows if row.state in STOPPED and row.finished_at > lately]
    later = [row.id for row in rows if stopped and row.id >= stopped[0]]
    wanted = {row.id for row in rows if row.state in OPEN}.union(later)
    found = services.jobs.find(owner, jobs.c.id.in_(wanted)) if wanted else ()
    left = [
        job
        for number, job in enumerate(found)
        if job.id in stopped and not any(replaces(later_one, job) for later_one in found[number + 1 :])
    ]
    told = ",".join(f"{row.id} {row.state}" for row in rows)
    return Doing(
        open_jobs=[job for job in found if job.state in OPEN],
        stopped_jobs=left[::-1],
        has_stopped=bool(left) and left[-1].id == rows[-1].id,
        token=hashlib.sha256(told.encode()).hexdigest()[:16],
    )


def _replaces_work(later: Job, job: Job) -> bool:
    """Whether a later job for a book does what an earlier one was to do: bind it, or draw the same pages."""
    wish = later.request["pages"]
    if job.kind == "book" or job.request["pages"]["binding"] is not None:
        return wish["binding"] is not None
    return {each["page"] for each in job.request["pages"]["draw"]} <= {each["page"] for each in wish["draw"]}


def _learns_again(later: Job, job: Job) -> bool:
    return not concepts_of(later.request).isdisjoint(concepts_of(job.request))
