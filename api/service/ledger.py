"""Ends tasks and keeps how long drawing ones took, for the quota: no deletion and no retry gives it back."""

import time
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from api.service.tables import drawing_times, tasks


def end_tasks(connection: Connection, which: ColumnElement[bool], state: str, **values: Any) -> None:
    """End tasks that have not ended, in one statement, so that each is counted once whoever else ends it."""
    now = time.time()
    ended = connection.execute(
        update(tasks)
        .where(which)
        .values(state=state, lease=None, finished_at=now, **values)
        .returning(tasks.c.owner, tasks.c.role, tasks.c.worker, tasks.c.started_at)
    ).all()
    # One that waits has no worker, though an earlier one may have begun it.
    drawn = [row for row in ended if row.role == "draw" and row.worker is not None]
    if drawn:
        spent = [{"owner": row.owner, "seconds": now - row.started_at, "finished_at": now} for row in drawn]
        connection.execute(insert(drawing_times), spent)


def drawn_since(connection: Connection, owner: str, since: float) -> tuple[float, float | None]:
    """The seconds of drawing of an owner's tasks that ended after a time, and when the first of them did, if any."""
    seconds, first = connection.execute(
        select(func.sum(drawing_times.c.seconds), func.min(drawing_times.c.finished_at)).where(
            drawing_times.c.owner == owner, drawing_times.c.finished_at > since
        )
    ).one()
    return seconds or 0.0, first


def forget_drawn(connection: Connection, *, before: float) -> None:
    """Forget what ended before a time."""
    connection.execute(delete(drawing_times).where(drawing_times.c.finished_at < before))
