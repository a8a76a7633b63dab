"""Stories: written, read, edited."""

import asyncio

from fastapi import APIRouter, Response

from api.service.deletion import delete_story
from api.service.listing import AfterQuery, LimitQuery, listing_of, rows_of
from api.service.preconditions import TAGGED, IfMatch, version_of
from api.service.schema import JobAnswer, Listing, StoryAnswer, StoryEdit, StoryRequestBody, at
from api.service.services import PrincipalDep, ServicesDep
from api.service.story_rows import StoryRow, edit_story, read_story, story_row
from api.service.submit import submit_story
from api.service.tables import stories
from api.service.waiting import JOB_ANSWERS, PreferHeader, answer_job

router = APIRouter(prefix="/v1/stories", tags=["stories"])


@router.post("", status_code=202, responses=JOB_ANSWERS)
async def write_story(
    request: StoryRequestBody,
    response: Response,
    services: ServicesDep,
    principal: PrincipalDep,
    prefer: PreferHeader = None,
) -> JobAnswer:
    """Writes a story without drawing it."""
    job = await asyncio.to_thread(submit_story, services, principal.owner, request)
    return await answer_job(services, job, response, prefer=prefer)


@router.get("")
def list_stories(
    services: ServicesDep, principal: PrincipalDep, limit: LimitQuery = 20, after: AfterQuery = None
) -> Listing:
    """Your stories, the latest first."""
    rows = rows_of(services.database, stories, principal.owner, kind="story", limit=limit, after=after)
    return listing_of([story_row(row) for row in rows], limit=limit, id_of=lambda row: row.id, answer_of=_answer)


@router.get("/{story_id}", responses=TAGGED)
def get_story(story_id: str, response: Response, services: ServicesDep, principal: PrincipalDep) -> StoryAnswer:
    """A story; its ETag is what an edit has to send."""
    return _tagged(read_story(services.database, principal.owner, story_id), response)


@router.patch("/{story_id}", responses=TAGGED)
def change_story(
    story_id: str,
    edit: StoryEdit,
    response: Response,
    services: ServicesDep,
    principal: PrincipalDep,
    if_match: IfMatch = None,
) -> StoryAnswer:
    """Other words, other prompts or another order of pages; answered with 412 when somebody else was quicker."""
    version = version_of(if_match)
    row = edit_story(services.database, services.settings, principal.owner, story_id, edit, version=version)
    return _tagged(row, response)


@router.delete("/{story_id}", status_code=204)
def remove_story(story_id: str, services: ServicesDep, principal: PrincipalDep) -> None:
    """Deletes a story that no book is of; refused while it is worked on."""
    delete_story(services.database, principal.owner, story_id)


def _tagged(row: StoryRow, response: Response) -> StoryAnswer:
    response.headers["ETag"] = f'"{row.version}"'
    return _answer(row)


def _answer(row: StoryRow) -> StoryAnswer:
    return StoryAnswer(
        id=row.id,
        job=row.job_id,
        version=row.version,
        story=row.story,
        writer=row.writer,
        warnings=row.warnings,
        created_at=at(row.created_at),
        updated_at=at(row.updated_at),
        links={"self": f"/v1/stories/{row.id}", "job": f"/v1/jobs/{row.job_id}"},
    )
