"""Scenes: single pictures."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from api.service.deletion import delete_scene
from api.service.errors import NotFound
from api.service.files import answer_artifact
from api.service.listing import AfterQuery, LimitQuery, listing_of, rows_of
from api.service.owned import owned_row
from api.service.payloads import Drawn
from api.service.preconditions import IfNoneMatch, bytes_of
from api.service.schema import JobAnswer, Listing, SceneAnswer, SceneRequest, at
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.submit import submit_scene
from api.service.tables import scenes
from api.service.waiting import JOB_ANSWERS, PreferHeader, answer_job

router = APIRouter(prefix="/v1/scenes", tags=["scenes"])


@router.post("", status_code=202, responses=JOB_ANSWERS)
async def draw_scene(
    request: SceneRequest,
    response: Response,
    services: ServicesDep,
    principal: PrincipalDep,
    prefer: PreferHeader = None,
) -> JobAnswer:
    """Draws a picture; concepts are named by their handles, as in "a @rusty waving in the snow"."""
    job = await asyncio.to_thread(submit_scene, services, principal.owner, request)
    return await answer_job(services, job, response, prefer=prefer)


@router.get("")
def list_scenes(
    services: ServicesDep, principal: PrincipalDep, limit: LimitQuery = 20, after: AfterQuery = None
) -> Listing:
    """Your pictures, the latest first."""
    rows = rows_of(services.database, scenes, principal.owner, kind="scene", limit=limit, after=after)
    return listing_of(rows, limit=limit, id_of=lambda row: row.id, answer_of=_answer)


@router.get("/{scene_id}")
def get_scene(scene_id: str, services: ServicesDep, principal: PrincipalDep) -> SceneAnswer:
    """What is known of a picture."""
    return _answer(_row(services, principal.owner, scene_id))


@router.delete("/{scene_id}", status_code=204)
def remove_scene(scene_id: str, services: ServicesDep, principal: PrincipalDep) -> None:
    """Deletes a picture; refused while it is worked on."""
    delete_scene(services.database, principal.owner, scene_id)


@router.get("/{scene_id}/picture", response_class=Response, responses=bytes_of("image/png"))
def get_picture(
    scene_id: str, services: ServicesDep, principal: PrincipalDep, if_none_match: IfNoneMatch = None
) -> Response:
    """The picture, a PNG that says how it was drawn."""
    row = _row(services, principal.owner, scene_id)
    if row.picture is None:
        raise NotFound(f"The scene {scene_id!r} is not drawn yet. Wait for its job {row.job_id!r}.")
    artifact = Drawn.model_validate(row.picture).artifact
    return answer_artifact(services.store, artifact, if_none_match=if_none_match)


def _row(services: Services, owner: str, scene_id: str) -> Any:
    with services.database.read() as connection:
        return owned_row(connection, scenes, owner, scene_id, kind="scene")


def _answer(row: Any) -> SceneAnswer:
    drawn = Drawn.model_validate(row.picture) if row.picture is not None else None
    place = f"/v1/scenes/{row.id}"
    links = {"self": place, "job": f"/v1/jobs/{row.job_id}"}
    return SceneAnswer(
        id=row.id,
        job=row.job_id,
        prompt=row.prompt,
        created_at=at(row.created_at),
        width=drawn.width if drawn else None,
        height=drawn.height if drawn else None,
        sha256=drawn.artifact.sha256 if drawn else None,
        warnings=drawn.warnings if drawn else (),
        links=links | ({"picture": f"{place}/picture"} if drawn else {}),
    )
