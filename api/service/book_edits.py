"""Books as they are edited: read, changed by one person at a time, undone, and given the pictures drawn for them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from api.book_lock import BookLock, LockedPicture
from api.service.banks import bank_of
from api.service.book_state import (
    BookEdit,
    BookState,
    edited,
    first_state,
    is_same_but_seed,
    key_of,
    taken_drawings,
    with_taken,
)
from api.service.book_tables import book_edits, book_pictures, book_revisions
from api.service.cast import cast_of
from api.service.database import Database
from api.service.errors import EditConflict, NotFound, WrongState
from api.service.ids import is_id
from api.service.jobs import OPEN
from api.service.owned import owned_row
from api.service.payloads import Artifact, BookLook, Drawn, PageDrawing, PagesPayload, Written
from api.service.revisions import add_revision, begin_revisions, put_in_revision, read_revision
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.tables import books, jobs, tasks
from api.service.tasks import task_id
from api.writers import open_gate


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A picture that was drawn for a page as it is now."""

    seed: int
    sha256: str
    is_taken: bool


@dataclass(frozen=True, kw_only=True)
class EditedBook:
    """A book as it stands."""

    id: str
    owner: str
    job_id: str
    story_id: str
    idea: str
    state: BookState | None
    """None until its story is written."""
    warnings: tuple[str, ...]
    """What whoever wrote the story says of it."""
    version: int
    undoes: str | None
    """What an undo would take back; None when there is nothing."""
    redoes: str | None
    drawn: Mapping[str, str]
    """Hashes of pictures by `key_of` what they were drawn from, the oldest first."""
    pictures: tuple[LockedPicture, ...]
    """What they were drawn from, in the same order."""
    artifacts: Mapping[str, Artifact]
    look: BookLook
    is_bound: bool
    """Whether its editions show it as it is now."""

    def written(self) -> BookState:
        """The state.

        Raises:
            WrongState: There is none yet.
        """
        if self.state is None:
            raise WrongState(f"The book is not written yet. Wait for its job {self.job_id!r}.")
        return self.state

    def picture(self, index: int) -> str | None:
        """The hash of the picture in a place; None where it has not been drawn as it is wanted now."""
        return self.drawn.get(key_of(self.written().lock.pictures[index]))

    def candidates(self, index: int) -> tuple[Candidate, ...]:
        """All pictures drawn for a place as it is now."""
        wanted = self.written().lock.pictures[index]
        return tuple(
            Candidate(seed=picture.seed, sha256=self.drawn[key_of(picture)], is_taken=picture.seed == wanted.seed)
            for picture in self.pictures
            if is_same_but_seed(picture, wanted)
        )

    @property
    def missing(self) -> tuple[int, ...]:
        """Places whose pictures have yet to be drawn."""
        return tuple(index for index in range(len(self.written().marks)) if self.picture(index) is None)


def read_edited_book(database: Database, owner: str, book_id: str) -> EditedBook:
    """An owner's book.

    Raises:
        NotFound: The owner has no book of that id.
    """
    with database.read() as connection:
        return _read(connection, owner, book_id)


def edit_book(
    database: Database,
    settings: ServiceSettings,
    owner: str,
    book_id: str,
    edit: BookEdit,
    *,
    version: int | None,
    what: str,
) -> EditedBook:
    """The book with an edit, if it still has the version that was edited; `what` names it for whoever undoes it.

    Args:
        version: None is whichever it has now.

    Raises:
        NotFound: The owner has no such book, or it no such page.
        WrongState: It is not written yet, or a page is locked.
        EditConflict: It has another version by now.
        InvalidInput, UsageError, InvalidRequest, ConceptError: The words could not be drawn, read or shown to children.
    """
    book, bank = read_edited_book(database, owner, book_id), bank_of(settings, owner)
    check_version(book, version)
    gate = open_gate(settings.base)
    new = edited(book.written(), edit, bank, gate=gate, drawn=book.drawn)
    if new == book.state:
        return book
    cast = cast_of(new.lock, bank, ContentStore.open(settings.store), known=new.cast)
    new = new.model_copy(update={"cast": cast})
    with database.write() as connection:
        check_version(_read(connection, owner, book_id, lock=True), book.version)
        begin_revisions(connection, owner=owner, book_id=book_id, first=book.written())
        add_revision(connection, owner=owner, book_id=book_id, state=new, what=what)
    return read_edited_book(database, owner, book_id)


def undo_edit(database: Database, owner: str, book_id: str, *, version: int | None, steps: int = -1) -> EditedBook:
    """The book as it was before its last edit, or with `steps=1` as it was before that was undone.

    Raises:
        NotFound: The owner has no such book.
        WrongState: There is nothing to undo, or nothing was undone.
        EditConflict: It has another version by now.
    """
    with database.write() as connection:
        book = _read(connection, owner, book_id, lock=True)
        check_version(book, version)
        if (book.undoes if steps < 0 else book.redoes) is None:
            raise WrongState("There is nothing to undo." if steps < 0 else "Nothing was undone that could come back.")
        connection.execute(
            update(book_edits)
            .where(book_edits.c.book_id == book_id)
            .values(head=book_edits.c.head + steps, version=book_edits.c.version + 1)
        )
        return _read(connection, owner, book_id)


def taken_pictures(connection: Connection, owner: str, book_id: str, *, but: str | None = None) -> frozenset[str]:
    """What was drawn for a book later on, and what open jobs draw for it or are going to, by `key_of`.

    Args:
        but: A job that is left out.
    """
    of_book = (jobs.c.owner == owner) & (jobs.c.subject == book_id) & jobs.c.state.in_(OPEN)
    promised: list[LockedPicture] = []
    for job in connection.execute(select(jobs.c.id, jobs.c.kind, jobs.c.request).where(of_book)).all():
        if job.id == but:
            continue
        if job.kind == "pages":
            promised += [each.picture for each in PagesPayload.model_validate(job.request["pages"]).draw]
        elif (written := _written(connection, job.id)) is not None:
            promised += written.lock.pictures
    drawn = connection.execute(select(book_pictures.c.drawn).where(book_pictures.c.book_id == book_id)).scalars()
    return frozenset([*map(key_of, promised), *drawn])


def keep_drawings(connection: Connection, owner: str, book_id: str, drawn: Sequence[tuple[PageDrawing, str]]) -> None:
    """Add pictures to a book; each page that is still as it was, and not locked, takes its first one.

    What was undone meanwhile can still come back, and its pages that are as they are now take the picture too.
    """
    book = _read(connection, owner, book_id, lock=True)
    _add_pictures(connection, book, drawn)
    takes = taken_drawings(book.written(), [drawing for drawing, _ in drawn])
    state = with_taken(book.written(), takes)
    if state != book.state:
        begin_revisions(connection, owner=owner, book_id=book_id, first=book.written())
        change = partial(with_taken, takes=takes)
        put_in_revision(connection, owner=owner, book_id=book_id, state=state, what="Draw again", change=change)


def _add_pictures(connection: Connection, book: EditedBook, drawn: Sequence[tuple[PageDrawing, str]]) -> None:
    """The later of two pictures that were drawn from the same is kept: the earlier one may be lost."""
    now = time.time()
    for order, (drawing, digest) in enumerate(drawn):
        key = key_of(drawing.picture)
        if book.drawn.get(key) == digest:
            continue
        connection.execute(
            delete(book_pictures).where(book_pictures.c.book_id == book.id, book_pictures.c.drawn == key)
        )
        connection.execute(
            insert(book_pictures).values(
                book_id=book.id,
                drawn=key,
                owner=book.owner,
                picture=drawing.picture.model_dump(mode="json"),
                sha256=digest,
                created_at=now + order * 1e-6,
            )
        )


def keep_binding(
    connection: Connection,
    owner: str,
    book_id: str,
    artifacts: Mapping[str, Artifact],
    *,
    state: BookState,
    look: BookLook,
) -> None:
    """Say which files a book has now and what they show."""
    book = _read(connection, owner, book_id, lock=True)
    begin_revisions(connection, owner=owner, book_id=book_id, first=book.written())
    _put_files(connection, book_id, artifacts, title=state.story.title)
    connection.execute(
        update(book_edits)
        .where(book_edits.c.book_id == book_id)
        .values(bound=state.digest(), look=look.model_dump(mode="json"))
    )


def keep_first_binding(
    connection: Connection, owner: str, book_id: str, artifacts: Mapping[str, Artifact], *, title: str
) -> None:
    """Say which files a book has as it was made, unless it has later ones: its own job was tried again after those."""
    owned_row(connection, books, owner, book_id, kind="book", lock=True)
    bound = connection.execute(select(book_edits.c.bound).where(book_edits.c.book_id == book_id)).scalar_one_or_none()
    if bound is None:
        _put_files(connection, book_id, artifacts, title=title)


def _put_files(connection: Connection, book_id: str, artifacts: Mapping[str, Artifact], *, title: str) -> None:
    files: dict[str, Any] = {name: artifact.model_dump(mode="json") for name, artifact in artifacts.items()}
    connection.execute(update(books).where(books.c.id == book_id).values(title=title, artifacts=files))


def _read(connection: Connection, owner: str, book_id: str, *, lock: bool = False) -> EditedBook:
    query = select(books, jobs.c.request).join(jobs, jobs.c.id == books.c.job_id)
    query = query.where(books.c.id == book_id, books.c.owner == owner)
    row = (
        connection.execute(query.with_for_update(of=books) if lock else query).one_or_none()
        if is_id(book_id, "book")
        else None
    )
    if row is None:
        raise NotFound(f"There is no book {book_id!r}. List yours with GET /v1/books.")
    written = _written(connection, row.job_id)
    drawn = _first_pictures(connection, row.job_id, written.lock) if written is not None else {}
    later = connection.execute(
        select(book_pictures).where(book_pictures.c.book_id == book_id).order_by(book_pictures.c.created_at)
    )
    pictures = {key: LockedPicture.model_validate(value) for key, (value, _) in drawn.items()}
    hashes = {key: digest for key, (_, digest) in drawn.items()}
    for each in later:
        pictures[each.drawn], hashes[each.drawn] = LockedPicture.model_validate(each.picture), each.sha256
    edits = connection.execute(select(book_edits).where(book_edits.c.book_id == book_id)).one_or_none()
    state = first_state(written) if written is not None else None
    bound = state.digest() if state is not None else None
    undoes = redoes = None
    if edits is not None:
        found = connection.execute(
            select(book_revisions.c.number, book_revisions.c.what)
            .where(book_revisions.c.book_id == book_id, book_revisions.c.number.in_((edits.head, edits.head + 1)))
        )  # fmt: skip
        whats = {revision.number: revision.what for revision in found}
        undoes, redoes = whats.get(edits.head) if edits.head else None, whats.get(edits.head + 1)
        state = read_revision(connection, book_id, edits.head)
        bound = edits.bound or bound
    return EditedBook(
        id=book_id,
        owner=owner,
        job_id=row.job_id,
        story_id=row.story_id,
        idea=row.request["write"]["wish"]["idea"],
        state=state,
        warnings=written.warnings if written is not None else (),
        version=edits.version if edits is not None else 0,
        undoes=undoes,
        redoes=redoes,
        drawn=hashes,
        pictures=tuple(pictures.values()),
        artifacts={name: Artifact.model_validate(value) for name, value in row.artifacts.items()},
        look=BookLook.model_validate(edits.look if edits is not None and edits.look else row.request["look"]),
        is_bound=bool(row.artifacts) and state is not None and state.digest() == bound,
    )


def _written(connection: Connection, job_id: str) -> Written | None:
    query = select(tasks.c.result).where(tasks.c.id == task_id(job_id, "write"), tasks.c.state == "done")
    result = connection.execute(query).scalar_one_or_none()
    return Written.model_validate(result) if result is not None else None


def _first_pictures(connection: Connection, job_id: str, lock: BookLock) -> dict[str, tuple[Any, str]]:
    """What the book's own job drew so far, by `key_of` what it was drawn from."""
    places = {task_id(job_id, f"draw-{index:02}"): picture for index, picture in enumerate(lock.pictures)}
    query = select(tasks.c.id, tasks.c.result).where(tasks.c.id.in_(places), tasks.c.state == "done")
    done = {row.id: Drawn.model_validate(row.result).artifact.sha256 for row in connection.execute(query)}
    return {key_of(picture): (picture.model_dump(), done[place]) for place, picture in places.items() if place in done}


def check_version(book: EditedBook, version: int | None) -> None:
    """Raises `EditConflict` unless the book has the version, where one is given."""
    if version is not None and book.version != version:
        raise EditConflict(
            f"The book was edited meanwhile and has version {book.version} now. Read it again and edit that."
        )
