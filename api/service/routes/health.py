"""Whether the service lives, and whether it can take work."""

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from api.service.errors import NotReady
from api.service.services import ServicesDep
from api.service.tables import meta

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Answered as long as the process turns."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(services: ServicesDep) -> dict[str, str]:
    """Answered with 503 until work can be taken, and whenever it cannot."""
    try:
        with services.database.read() as connection:
            connection.execute(select(meta.c.value)).first()
    except DBAPIError as error:
        raise NotReady("The database does not answer. Try again later.") from error
    return {"status": "ok"}
