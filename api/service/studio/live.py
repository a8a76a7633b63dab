"""What changes on a page while a job is done, sent as it happens: parts of the page, to be put in their places."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from fastapi import APIRouter, Response
from sqlalchemy import select
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.service.errors import NotFound
from api.service.files import answer_artifact
from api.service.jobs import ENDED, Event, Job
from api.service.payloads import Artifact
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.studio.rendering import StudioRoute, render
from api.service.tables import scenes

router = APIRouter(include_in_schema=False, route_class=StudioRoute)

_PING_S = 15
Parts = Callable[[Job, Event | None], Sequence[str]]
"""What is new on the page after an event; None is whatever happened before the page listens."""


async def stream_parts(services: Services, job: Job, parts: Parts) -> AsyncIterator[ServerSentEvent]:
    """The parts as they change up to the end of the job, then the word that there is no more to come."""

    async def sent(event: Event | None) -> ServerSentEvent:
        now = await asyncio.to_thread(services.jobs.get, job.owner, job.id)
        return ServerSentEvent(data="\n".join(await asyncio.to_thread(parts, now, event)), event="update")

    yield await sent(None)
    if job.state not in ENDED:
        async for event in services.hub.follow(job.owner, job.id, after=job.last_event):
            yield await sent(event)
    yield ServerSentEvent(data="", event="end")


@router.get("/live/learning/{job_id}")
async def follow_learning(job_id: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """How learning goes; at its end the new cards."""
    return await _follow_state(services, principal.owner, job_id, "learning_state")


@router.get("/live/learning/{job_id}/pictures/{sha256}")
def learning_picture(job_id: str, sha256: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """The picture that is learnt from."""
    job = services.jobs.get(principal.owner, job_id)
    if job.kind != "concept" or sha256 != job.request["learn"]["picture"]:
        raise NotFound(f"Learning is not from a picture {sha256!r}. Its page names the one that it is from.")
    content = services.store.get(sha256)
    artifact = Artifact(sha256=sha256, bytes=len(content), media_type="image/png", filename=f"{sha256[:12]}.png")
    return answer_artifact(services.store, artifact)


@router.get("/live/caption/{job_id}")
async def follow_caption(job_id: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """What a picture may show, once it is known."""
    return await _follow_state(services, principal.owner, job_id, "suggestion_state")


@router.get("/live/scene/{job_id}")
async def follow_scene(job_id: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """How a single picture comes into being."""
    job = await asyncio.to_thread(services.jobs.get, principal.owner, job_id)

    def parts(now: Job, _: Event | None) -> Sequence[str]:
        query = select(scenes.c.id, scenes.c.prompt).where(scenes.c.id == now.subject, scenes.c.owner == now.owner)
        with services.database.read() as connection:
            scene = connection.execute(query).one()
        return [render(services, "scene_state", job=now, scene=scene.id, prompt=scene.prompt)]

    return EventSourceResponse(stream_parts(services, job, parts), ping=_PING_S)


async def _follow_state(services: Services, owner: str, job_id: str, template: str) -> Response:
    """A job's state, by a template that needs nothing else."""
    job = await asyncio.to_thread(services.jobs.get, owner, job_id)

    def parts(now: Job, _: Event | None) -> Sequence[str]:
        return [render(services, template, job=now)]

    return EventSourceResponse(stream_parts(services, job, parts), ping=_PING_S)
