"""Jobs: how they stand, what happens to them as it happens, and what can be done about them."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.service.jobs import ENDED, Event, JobKind, JobState
from api.service.listing import AfterQuery, LimitQuery, decode_cursor, listing_of
from api.service.schema import JobAnswer, Listing, at
from api.service.services import PrincipalDep, ServicesDep
from api.service.submit import retry
from api.service.waiting import JOB_ANSWERS, PreferHeader, answer_job

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

LastEventHeader = Annotated[int, Header(ge=0, le=2**31 - 1, description="Number of the last event that was seen.")]

_PING_S = 15


@router.get("")
def list_jobs(
    services: ServicesDep,
    principal: PrincipalDep,
    limit: LimitQuery = 20,
    after: AfterQuery = None,
    kind: JobKind | None = None,
    status: JobState | None = None,
) -> Listing:
    """Your jobs, the latest first."""
    before = decode_cursor(after, kind="job")
    found = services.jobs.list(principal.owner, limit=limit + 1, before=before, kind=kind, state=status)
    return listing_of(found, limit=limit, id_of=lambda job: job.id, answer_of=JobAnswer.of)


@router.get("/{job_id}")
def get_job(job_id: str, services: ServicesDep, principal: PrincipalDep) -> JobAnswer:
    """A job as it stands."""
    return JobAnswer.of(services.jobs.get(principal.owner, job_id))


@router.post("/{job_id}/cancel")
def cancel_job(job_id: str, services: ServicesDep, principal: PrincipalDep) -> JobAnswer:
    """Calls a job off; who works on it stops at the next denoising step. One that has ended stays as it is."""
    return JobAnswer.of(services.jobs.cancel(principal.owner, job_id))


@router.post("/{job_id}/retry", status_code=202, responses=JOB_ANSWERS)
async def retry_job(
    job_id: str, response: Response, services: ServicesDep, principal: PrincipalDep, prefer: PreferHeader = None
) -> JobAnswer:
    """Begins a failed or canceled job again where it stopped; scenes that are drawn are kept if they are whole."""
    job = await asyncio.to_thread(retry, services, principal.owner, job_id)
    return await answer_job(services, job, response, prefer=prefer)


@router.get("/{job_id}/previews/{picture}", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
def get_preview(
    job_id: str,
    picture: Annotated[int, Path(ge=0, le=2**31 - 1, description="As the job's progress counts; learning has 0.")],
    services: ServicesDep,
    principal: PrincipalDep,
) -> Response:
    """How a picture stands that is being drawn, small; some time after its job has ended, nothing is left of that."""
    return Response(services.jobs.preview(principal.owner, job_id, picture), media_type="image/jpeg")


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events, up to the one that ends the job."},
        204: {"description": "The job has ended, and there is nothing after the last event seen."},
    },
)
async def follow_job(
    job_id: str,
    services: ServicesDep,
    principal: PrincipalDep,
    last_event_id: LastEventHeader = 0,
) -> Response:
    """What happens to a job, as server-sent events; their ids come from the database, so that none is missed."""
    job = await asyncio.to_thread(services.jobs.get, principal.owner, job_id)
    if job.state in ENDED and last_event_id >= job.last_event:
        return Response(status_code=204)

    async def stream() -> AsyncIterator[bytes]:
        async for events in services.hub.follow_together(principal.owner, job_id, after=last_event_id):
            yield b"".join(map(_sent, events))

    return EventSourceResponse(stream(), ping=_PING_S)


@lru_cache(maxsize=4096)
def _sent(event: Event) -> bytes:
    """An event as it goes out, written once for all who follow."""
    data = {"job": event.job_id, "at": at(event.created_at).isoformat(), **event.data}
    return ServerSentEvent(data=json.dumps(data, ensure_ascii=False), event=event.type, id=str(event.number)).encode()
