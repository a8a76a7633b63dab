"""How anything with an id and an owner is read: by both, so that nobody sees what is somebody else's."""

from typing import Any

from sqlalchemy import Connection, Row, Table, select

from api.service.errors import NotFound
from api.service.ids import is_id


def owned_row(connection: Connection, table: Table, owner: str, id_: str, *, kind: str, lock: bool = False) -> Row[Any]:
    """An owner's row of a table that is listed under its name in `/v1`, locked for writing if asked.

    Raises:
        NotFound: The owner has nothing of that id, or it is no id of this kind.
    """
    query = select(table).where(table.c.id == id_, table.c.owner == owner)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none() if is_id(id_, kind) else None
    if row is None:
        raise NotFound(f"There is no {kind} {id_!r}. List yours with GET /v1/{table.name}.")
    return row
