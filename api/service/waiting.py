"""How a request waits for its job: as long as `Prefer: wait` says, then the job is told as it stands."""

import asyncio
import re
from typing import Annotated, Any, Final

from fastapi import Header, Response
from starlette.status import HTTP_200_OK, HTTP_202_ACCEPTED

from api.service.jobs import Job
from api.service.schema import JobAnswer
from api.service.services import Services

LONGEST_WAIT_S: Final = 600
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})")

_LOCATION: Final = {"description": "Address of the job.", "schema": {"type": "string"}}
_APPLIED: Final = {"description": "`wait=SECONDS`, where a wait was asked for.", "schema": {"type": "string"}}
_HEADERS: Final = {"Location": _LOCATION, "Preference-Applied": _APPLIED}
JOB_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    HTTP_200_OK: {"model": JobAnswer, "description": "The job has ended within the wait.", "headers": _HEADERS},
    HTTP_202_ACCEPTED: {"description": "The job, which goes on.", "headers": _HEADERS},
}
"""What the OpenAPI document says of the answers of `answer_job`."""

PreferHeader = Annotated[str | None, Header(description="`wait=SECONDS` waits for the job to end.")]


def wait_of(prefer: str | None) -> int:
    """The seconds that a Prefer header (RFC 7240) asks to wait, at most `LONGEST_WAIT_S`; 0 without such a wish."""
    match = _WAIT.search(prefer or "")
    return min(int(match[1]), LONGEST_WAIT_S) if match else 0


async def wait_for(services: Services, job: Job, *, seconds: float) -> Job:
    """The job once it has ended, or as it stands after so many seconds."""
    if seconds > 0:
        try:
            async with asyncio.timeout(seconds):
                async for _ in services.hub.follow(job.owner, job.id, after=job.last_event):
                    pass
        except TimeoutError:
            pass
    return await asyncio.to_thread(services.jobs.get, job.owner, job.id)


async def answer_job(services: Services, job: Job, response: Response, *, prefer: str | None) -> JobAnswer:
    """What a POST says of the job it made: 202, or 200 once it has ended within the time the caller waits."""
    seconds = wait_of(prefer)
    if seconds:
        job = await wait_for(services, job, seconds=seconds)
        response.headers["Preference-Applied"] = f"wait={seconds}"
    answer = JobAnswer.of(job)
    response.headers["Location"] = answer.links["self"]
    response.status_code = HTTP_200_OK if job.finished_at is not None else HTTP_202_ACCEPTED
    return answer
