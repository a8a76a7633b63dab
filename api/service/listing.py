"""Lists in parts: the latest first, gone on with by a cursor that only the service reads."""

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from sqlalchemy import Table, select

from api.service.database import Database
from api.service.errors import InvalidInput
from api.service.ids import is_id
from api.service.schema import Listing

Item = TypeVar("Item")

LimitQuery = Annotated[int, Query(ge=1, le=100, description="How many at most.")]
AfterQuery = Annotated[
    str | None,
    Query(min_length=1, max_length=200, pattern="^[A-Za-z0-9_-]+$", description="`next` of the part before."),
]


def encode_cursor(id_: str) -> str:
    """A cursor after an item."""
    return base64.urlsafe_b64encode(id_.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *, kind: str) -> str | None:
    """The id of the item, of that kind, that a cursor goes on after.

    Raises:
        InvalidInput: It is no cursor of such a list.
    """
    if cursor is None:
        return None
    try:
        id_ = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        if not is_id(id_, kind):
            raise ValueError("no id of the kind")
    except ValueError as error:
        raise InvalidInput(
            f"{cursor!r} is no cursor of this list. Use `next` of the part before, or leave `after` out."
        ) from error
    return id_


def listing_of(
    items: Sequence[Item], *, limit: int, id_of: Callable[[Item], str], answer_of: Callable[[Item], Any]
) -> Listing:
    """A part of a list, of one item more than it may have."""
    shown, has_more = items[:limit], len(items) > limit
    return Listing(
        data=tuple(answer_of(item) for item in shown),
        has_more=has_more,
        next=encode_cursor(id_of(shown[-1])) if has_more else None,
    )


def rows_of(database: Database, table: Table, owner: str, *, kind: str, limit: int, after: str | None) -> Sequence[Any]:
    """An owner's rows of a table, whose ids are of a kind, the latest first, one more than the limit.

    Raises:
        InvalidInput: `after` is no cursor of such a list.
    """
    query = select(table).where(table.c.owner == owner).order_by(table.c.id.desc()).limit(limit + 1)
    before = decode_cursor(after, kind=kind)
    if before is not None:
        query = query.where(table.c.id < before)
    with database.read() as connection:
        return connection.execute(query).all()
