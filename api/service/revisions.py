"""The states of an edited book as numbered revisions, one of which is the head: undo goes back in them, redo forth."""

import time
from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from api.service.book_state import BookState
from api.service.book_tables import book_edits, book_revisions


def read_revision(connection: Connection, book_id: str, number: int) -> BookState:
    """The state of a book that a revision is."""
    query = select(book_revisions.c.state)
    query = query.where(book_revisions.c.book_id == book_id, book_revisions.c.number == number)
    return BookState.model_validate(connection.execute(query).scalar_one())


def begin_revisions(connection: Connection, *, owner: str, book_id: str, first: BookState) -> None:
    """Give a book that was never edited its first rows; others have them."""
    there = connection.execute(select(book_edits.c.book_id).where(book_edits.c.book_id == book_id)).first()
    if there is None:
        connection.execute(insert(book_edits).values(book_id=book_id, owner=owner, head=0, version=0))
        _insert(connection, owner=owner, book_id=book_id, number=0, state=first, what="Made")


def add_revision(connection: Connection, *, owner: str, book_id: str, state: BookState, what: str) -> None:
    """What somebody makes of a book: the new head, and what was undone cannot come back any more."""
    head = _head(connection, book_id)
    connection.execute(delete(book_revisions).where(_ahead(book_id, head)))
    _insert(connection, owner=owner, book_id=book_id, number=head + 1, state=state, what=what)
    _go_on(connection, book_id)


def put_in_revision(
    connection: Connection,
    *,
    owner: str,
    book_id: str,
    state: BookState,
    what: str,
    change: Callable[[BookState], BookState],
) -> None:
    """What became of a book by itself: the new head, and what was undone comes after it with the same change."""
    head = _head(connection, book_id)
    query = select(book_revisions).where(_ahead(book_id, head)).order_by(book_revisions.c.number)
    ahead = connection.execute(query).all()
    connection.execute(delete(book_revisions).where(_ahead(book_id, head)))
    _insert(connection, owner=owner, book_id=book_id, number=head + 1, state=state, what=what)
    for row in ahead:
        changed = change(BookState.model_validate(row.state))
        _insert(connection, owner=owner, book_id=book_id, number=row.number + 1, state=changed, what=row.what)
    _go_on(connection, book_id)


def _head(connection: Connection, book_id: str) -> int:
    head: int = connection.execute(select(book_edits.c.head).where(book_edits.c.book_id == book_id)).scalar_one()
    return head


def _ahead(book_id: str, head: int) -> ColumnElement[bool]:
    return (book_revisions.c.book_id == book_id) & (book_revisions.c.number > head)


def _go_on(connection: Connection, book_id: str) -> None:
    values = {"head": book_edits.c.head + 1, "version": book_edits.c.version + 1}
    connection.execute(update(book_edits).where(book_edits.c.book_id == book_id).values(**values))


def _insert(connection: Connection, *, owner: str, book_id: str, number: int, state: BookState, what: str) -> None:
    connection.execute(
        insert(book_revisions).values(
            book_id=book_id,
            number=number,
            owner=owner,
            what=what,
            state=state.model_dump(mode="json"),
            created_at=time.time(),
        )
    )
