"""Whether the service lives, and whether it can take work."""

from fastapi import APIRouter

from api.service.database import UNANSWERED
from api.service.errors import NotReady
from api.service.services import ServicesDep

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Answered as long as the process turns."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(services: ServicesDep) -> dict[str, str]:
    """Answered with 503 until work can be taken, and whenever it cannot; what is finished can be read all the same."""
    if not (services.watch.is_running and services.supervisor.is_running and services.dispatcher.is_running):
        raise NotReady("A part of the service that sees to its jobs has ended. Start the service again.")
    try:
        roles = {worker.role for worker in services.tasks.workers() if worker.is_at_work}
        standstills = services.tasks.standstills()
    except UNANSWERED as error:
        raise NotReady("The database does not answer. Try again later.") from error
    if missing := sorted({"draw", "text"} - roles):
        why = [each.reason(services.settings) for each in standstills]
        raise NotReady(" ".join([f"No worker is ready to {' or '.join(missing)} yet.", *why, "Try again in a moment."]))
    if not services.store.is_writable():
        raise NotReady("The store cannot be written to. Make room, or correct its permissions.")
    return {"status": "ok"}
