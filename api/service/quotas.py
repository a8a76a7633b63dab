"""How much one owner may have made: jobs that wait, and seconds of drawing by the hour. No limit on loopback."""

import time

from sqlalchemy import Connection, func, select

from api.service.jobs import OPEN
from api.service.ledger import drawn_since
from api.service.rates import too_many
from api.service.settings import LOCAL_OWNER, ServiceSettings
from api.service.tables import jobs

_WINDOW_S = 3600.0
_OPEN_RETRY_S = 30.0


def check_quota(connection: Connection, owner: str, settings: ServiceSettings) -> None:
    """Refuses another job, or another attempt at one, of an owner who has enough.

    Raises:
        Problem: 429, with the seconds after which there is room again.
    """
    if owner == LOCAL_OWNER:
        return
    num_open = connection.execute(
        select(func.count()).select_from(jobs).where(jobs.c.owner == owner, jobs.c.state.in_(OPEN))
    ).scalar_one()
    if num_open >= settings.most_open_jobs:
        raise too_many(_OPEN_RETRY_S, f"You have {num_open} jobs waiting, the most one may have.")
    now = time.time()
    seconds, oldest = drawn_since(connection, owner, now - _WINDOW_S)
    if oldest is not None and seconds >= settings.render_seconds_per_hour:
        raise too_many(oldest + _WINDOW_S - now, "What you had drawn in the last hour took all the time one may have.")
