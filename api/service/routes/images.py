"""OpenAI's way to ask for images, so that its client draws with this service unchanged."""

import asyncio
import base64
import time

from fastapi import APIRouter, Request
from pydantic import ValidationError

from api.service.errors import InvalidInput, NotFound, NotReady, task_failed
from api.service.payloads import MAX_SEED, Drawn
from api.service.schema import MAX_PIXELS_A_SIDE, ImageData, ImagesAnswer, ImagesRequest, SceneRequest
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.submit import submit_scene
from api.service.waiting import wait_for

_WAIT_S = 600


router = APIRouter(prefix="/v1/images", tags=["images"])


@router.post("/generations")
async def generate_images(
    request: ImagesRequest, http: Request, services: ServicesDep, principal: PrincipalDep
) -> ImagesAnswer:
    """Draws images and answers once they are there; concepts are named by their handles, as in "a @rusty"."""
    served = services.settings.base.model
    if request.model not in (None, served):
        raise NotFound(f"The model {request.model!r} is not served here. Use {served!r}, or leave it out.")
    width, height = _size(request.size)
    try:
        wanted = [
            SceneRequest(
                prompt=request.prompt, seed=(request.seed + index) % (MAX_SEED + 1), width=width, height=height
            )
            for index in range(request.n)
        ]
    except ValidationError as error:
        raise InvalidInput(
            f"The size {request.size!r} cannot be drawn: both numbers are multiples of 16, up to {MAX_PIXELS_A_SIDE}."
        ) from error
    jobs = [await asyncio.to_thread(submit_scene, services, principal.owner, each) for each in wanted]
    ended = await asyncio.gather(*(wait_for(services, job, seconds=_WAIT_S) for job in jobs))
    for job in ended:
        if job.state == "failed":
            raise task_failed(job.error)
        if job.state != "succeeded":
            raise NotReady(f"The image is not done yet: its job {job.id!r} is {job.state}. Look there later.")
    is_url = request.response_format == "url"
    data = [
        ImageData(url=str(http.url_for("get_picture", scene_id=job.subject)))
        if is_url
        else ImageData(b64_json=await asyncio.to_thread(_picture, services, job.id))
        for job in ended
    ]
    return ImagesAnswer(created=int(time.time()), data=tuple(data))


def _size(size: str | None) -> tuple[int | None, int | None]:
    if size is None or size == "auto":
        return None, None
    width, _, height = size.partition("x")
    return int(width), int(height)


def _picture(services: Services, job_id: str) -> str:
    end = services.tasks.ends([f"{job_id}.draw"])[f"{job_id}.draw"]
    content = services.store.get(Drawn.model_validate(end.result).artifact.sha256)
    return base64.b64encode(content).decode()
