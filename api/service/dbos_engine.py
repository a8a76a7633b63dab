"""Durable jobs by DBOS: its tables in SQLite or PostgreSQL, its values in JSON, never pickled."""

from collections.abc import Sequence
from typing import Final, Literal

from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID, error
from sqlalchemy import make_url

from api.service.database import UNANSWERED
from api.service.engine import Attempt, AttemptState, Step, Workflow

WORKFLOWS_VERSION: Final = "fableverse-workflows-1"
"""Raised when the steps of a workflow change. Attempts of another version are begun anew, and find what is made."""
_NAME: Final = "fableverse"
_CLOSE_S: Final = 1


class DbosEngine:
    """The engine of a process; DBOS has one per process and no more."""

    INTERRUPTIONS: Final = (error.DBOSException, *UNANSWERED)
    """What may be raised in a workflow that is to be gone on with."""

    def __init__(self, workflow: Workflow, *, database_url: str) -> None:
        url = make_url(database_url)
        if url.get_backend_name() != "sqlite":
            url = url.set(drivername="postgresql")
        DBOS(
            config={
                "name": _NAME,
                "system_database_url": url.render_as_string(hide_password=False),
                "application_version": WORKFLOWS_VERSION,
                "executor_id": _NAME,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "WARNING",
                "enable_otlp": False,
            }
        )

        @DBOS.workflow(name="job", max_recovery_attempts=None)
        async def run(job_id: str) -> None:
            await workflow(job_id, _DbosSteps())

        self._run = run

    def launch(self) -> None:
        """Go on with the workflows of this version; DBOS begins with those by itself."""
        DBOS.launch()

    def start(self, attempt: Attempt) -> None:
        """Begin a workflow under an id that follows from the attempt."""
        with SetWorkflowID(_id_of(attempt)):
            DBOS.start_workflow(self._run, attempt.job_id)

    def states(self, attempts: Sequence[Attempt]) -> Sequence[AttemptState]:
        """How each attempt stands in DBOS's tables."""
        ids = [_id_of(attempt) for attempt in attempts]
        found = DBOS.list_workflows(workflow_ids=ids, load_input=False, load_output=False) if ids else []
        states: dict[str, Literal["going", "over", "astray"]] = {}
        for each in found:
            is_going = each.status in ("PENDING", "ENQUEUED", "DELAYED") and each.app_version == WORKFLOWS_VERSION
            states[each.workflow_id] = "going" if is_going else "over" if each.status == "SUCCESS" else "astray"
        return [states.get(id_, "unknown") for id_ in ids]

    def close(self) -> None:
        """Stop DBOS's threads."""
        DBOS.destroy(workflow_completion_timeout_sec=_CLOSE_S)


class _DbosSteps:
    """Steps of the workflow under way, recorded by DBOS in the order they begin."""

    async def run(self, name: str, step: Step) -> str:
        """What the step returned; a step is known by its place in the workflow."""
        return await DBOS.run_step_async({"name": name}, step)


def _id_of(attempt: Attempt) -> str:
    return f"{attempt.job_id}.{attempt.number}"
