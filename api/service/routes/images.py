"""OpenAI's way to ask for images, so that its client draws with this service unchanged."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.status import HTTP_500_INTERNAL_SERVER_ERROR

from api.service.errors import InvalidInput, NotFound, NotReady, task_failed
from api.service.payloads import MAX_SEED, Drawn
from api.service.problems import Problem
from api.service.schema import MAX_PIXELS_A_SIDE, ImageData, ImagesAnswer, ImagesRequest, SceneRequest
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.submit import submit_scene
from api.service.waiting import wait_for
from concepts.errors import FableverseError

_WAIT_S = 600


class OpenAIRoute(APIRoute):
    """A route whose refusals are problems that have what OpenAI's client looks for, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except (Problem, HTTPException, RequestValidationError, FableverseError, OSError, SQLAlchemyError) as error:
                handlers = request.app.exception_handlers
                refuse = next(handlers[cls] for cls in type(error).__mro__ if cls in handlers)
                return _told(await refuse(request, error))

        return answer


def _told(refusal: JSONResponse) -> Response:
    problem = json.loads(bytes(refusal.body))
    kind = "invalid_request_error" if refusal.status_code < HTTP_500_INTERNAL_SERVER_ERROR else "server_error"
    code = problem["type"].rpartition(":")[2]
    where = [fault["pointer"].rpartition("/")[2] for fault in problem.get("errors", ())]
    problem["error"] = {"message": problem["detail"], "type": kind, "param": (where or [None])[0], "code": code}
    kept = {name: value for name, value in refusal.headers.items() if not name.startswith("content-")}
    return JSONResponse(problem, status_code=refusal.status_code, headers=kept, media_type=refusal.media_type)


router = APIRouter(prefix="/v1/images", tags=["images"], route_class=OpenAIRoute)


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
