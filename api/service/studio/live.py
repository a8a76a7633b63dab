"""What changes on a page while jobs are done, sent as it happens: parts of the page, to be put in their places.

A page has one stream for all jobs that it shows: browsers keep six connections to a server, for all tabs together.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from sqlalchemy import select
from sse_starlette import EventSourceResponse, ServerSentEvent

from api.service.errors import NotFound
from api.service.files import answer_artifact
from api.service.jobs import ENDED, Event, Job
from api.service.payloads import Artifact, Drawn
from api.service.preconditions import IfNoneMatch
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.studio.book_view import BINDING, BookView, page_of, part, view_book
from api.service.studio.rendering import StudioRoute, render
from api.service.tables import scenes

router = APIRouter(include_in_schema=False, route_class=StudioRoute)

_PING_S = 15
_OF_BOOKS: Final = ("book", "pages")
_STATES: Mapping[str, str] = {"scene": "scene_state", "concept": "learning_state", "caption": "suggestion_state"}
"""By kind of job, the template of how it stands."""
JobsQuery = Annotated[list[str] | None, Query(max_length=50)]


@router.get("/live")
async def follow_jobs(
    services: ServicesDep, principal: PrincipalDep, job: JobsQuery = None, draft: JobsQuery = None
) -> Response:
    """What changes while jobs are done; those of `draft` are for books whose story the page does not show yet."""
    jobs = await asyncio.to_thread(_shown_jobs, services, principal.owner, [*(job or ()), *(draft or ())])
    if not jobs:
        raise NotFound("None of the jobs to follow is there. Reload the page.")
    drafts = {each.subject for each in jobs if each.id in (draft or ())}
    return EventSourceResponse(_stream(services, jobs, drafts), ping=_PING_S)


@router.get("/live/learning/{job_id}/pictures/{sha256}")
def learning_picture(
    job_id: str, sha256: str, services: ServicesDep, principal: PrincipalDep, if_none_match: IfNoneMatch = None
) -> Response:
    """The picture that is learnt from."""
    job = services.jobs.get(principal.owner, job_id)
    if job.kind != "concept" or sha256 != job.request["learn"]["picture"]:
        raise NotFound(f"Learning is not from a picture {sha256!r}. Its page names the one that it is from.")
    content = services.store.get(sha256)
    artifact = Artifact(sha256=sha256, bytes=len(content), media_type="image/png", filename=f"{sha256[:12]}.png")
    return answer_artifact(services.store, artifact, if_none_match=if_none_match)


def _shown_jobs(services: Services, owner: str, ids: Sequence[str]) -> Sequence[Job]:
    """Those jobs that pages show and that are still there: another tab may have deleted some."""
    jobs: list[Job] = []
    for id_ in ids:
        with suppress(NotFound):
            jobs.append(services.jobs.get(owner, id_))
    return [job for job in jobs if job.kind in _STATES or job.kind in _OF_BOOKS]


async def _stream(services: Services, jobs: Sequence[Job], drafts: set[str]) -> AsyncIterator[ServerSentEvent]:
    """The parts as they are and as they change, up to the end of all jobs, then the word that no more comes.

    Args:
        drafts: Ids of the books whose story the page does not show yet; they are taken out once it does.
    """

    async def sent(job: Job, event: Event | None) -> ServerSentEvent:
        try:
            parts = await asyncio.to_thread(_parts, services, job, event, drafts)
        except NotFound:  # it was deleted meanwhile
            parts = ()
        return ServerSentEvent(data="\n".join(parts), event="update")

    one_a_place = {job.subject if job.kind in _OF_BOOKS else job.id: job for job in jobs}
    for job in one_a_place.values():
        yield await sent(job, None)
    by_id = {job.id: job for job in jobs if job.state not in ENDED}
    following = [services.hub.follow(job.owner, job.id, after=job.last_event) for job in by_id.values()]
    async for event in _merged(following):
        yield await sent(by_id[event.job_id], event)
    yield ServerSentEvent(data="", event="end")


async def _merged(streams: Sequence[AsyncIterator[Event]]) -> AsyncIterator[Event]:
    """What any of the streams has next, until none has more."""
    waiting = {asyncio.ensure_future(anext(stream, None)): stream for stream in streams}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                stream, event = waiting.pop(future), future.result()
                if event is not None:
                    waiting[asyncio.ensure_future(anext(stream, None))] = stream
                    yield event
    finally:
        for future in waiting:
            future.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _parts(services: Services, job: Job, event: Event | None, drafts: set[str]) -> Sequence[str]:
    """What is new on the page after an event; None is whatever happened before the page listens."""
    now = services.jobs.get(job.owner, job.id)
    if now.kind in _OF_BOOKS:
        return _parts_of_book(services, now, event, drafts)
    more: dict[str, object] = {}
    if now.kind == "scene":
        query = select(scenes).where(scenes.c.id == now.subject, scenes.c.owner == now.owner)
        with services.database.read() as connection:
            scene = connection.execute(query).one()
        warnings = Drawn.model_validate(scene.picture).warnings if scene.picture is not None else ()
        more = {"scene": scene.id, "prompt": scene.prompt, "warnings": warnings}
    return [render(services, "in_place", job=now, state=_STATES[now.kind], **more)]


def _parts_of_book(services: Services, now: Job, event: Event | None, drafts: set[str]) -> Sequence[str]:
    view = view_book(services, now.owner, now.subject)
    status = part(services, "status", view)
    if view.book.state is None:
        return [status, *(part(services, name, view) for name in ("files", "pages"))]
    if now.subject in drafts:
        drafts.remove(now.subject)
        return [status, *(part(services, name, view) for name in ("head", "notes", *BINDING, "pages"))]
    if event is not None and event.type in ("step", "picture"):
        return [status, *_figures(services, view, only=page_of(now, event.data))]
    if now.state in ENDED or event is None:
        rest = [part(services, name, view) for name in ("edits", *BINDING)]
        return [status, *rest, *_figures(services, view)]
    return [status]


def _figures(services: Services, view: BookView, *, only: str | None = None) -> Sequence[str]:
    pages = [page for page in view.pages if only is None or page.id == only]
    return [part(services, "figure", view, page=page) for page in pages]
