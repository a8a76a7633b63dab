"""Pictures that were drawn with a concept, as its page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from api.service.jobs import Job
from api.service.payloads import Drawn, DrawPayload
from api.service.services import Services
from api.service.tables import jobs, scenes

MOST_SHOWN = 24


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A picture, or one that is being drawn or was not."""

    job: Job
    scene: str
    """Its id."""
    prompt: str
    strength: float
    """Of the concept."""
    seed: int
    warnings: Sequence[str]


def tried_with(services: Services, owner: str, concept_id: str) -> Sequence[Tried]:
    """An owner's latest pictures with a concept, the latest first."""
    query = select(scenes).join(jobs, jobs.c.id == scenes.c.job_id).order_by(scenes.c.id.desc()).limit(MOST_SHOWN)
    names_it = jobs.c.request[("draw", "concepts", concept_id)].as_string().is_not(None)
    with services.database.read() as connection:
        rows = connection.execute(query.where(scenes.c.owner == owner, names_it)).all()
    of_rows = {job.id: job for job in services.jobs.find(owner, jobs.c.id.in_([row.job_id for row in rows]))}
    return [_tried(row, of_rows[row.job_id], concept_id) for row in rows if row.job_id in of_rows]


def _tried(row: Any, job: Job, concept_id: str) -> Tried:
    draw = DrawPayload.model_validate(job.request["draw"])
    return Tried(
        job=job,
        scene=row.id,
        prompt=row.prompt,
        strength=draw.strengths.get(concept_id, 1.0),
        seed=draw.seed,
        warnings=Drawn.model_validate(row.picture).warnings if row.picture is not None else (),
    )
