"""Deletes what people made: its rows, and those of the jobs that made it. Its bytes go with the next sweep."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, select

from api.service.book_tables import book_edits, book_pictures, book_revisions
from api.service.database import Database
from api.service.errors import WrongState
from api.service.jobs import OPEN, STOPPED, JobKind
from api.service.owned import owned_row
from api.service.payloads import concepts_of
from api.service.tables import books, events, jobs, previews, scenes, stories, tasks
from concepts.bank import ConceptBank

_LEAVE_NOTHING: Final[Sequence[JobKind]] = ("concept", "pages", "caption")
"""Jobs that no row names; of the others a book, story or scene does."""


def delete_book(database: Database, owner: str, book_id: str) -> None:
    """Delete a book with its pictures, edits and jobs, and the story that was written for it alone.

    Raises:
        NotFound: There is no such book.
        WrongState: It is being worked on.
    """
    with database.write() as connection:
        row = owned_row(connection, books, owner, book_id, kind="book", lock=True)
        _delete_jobs(connection, owner, book_id)
        for table in (book_pictures, book_revisions, book_edits):
            connection.execute(delete(table).where(table.c.book_id == book_id))
        connection.execute(delete(books).where(books.c.id == book_id))
        if not _books_of(connection, row.story_id):
            connection.execute(delete(stories).where(stories.c.id == row.story_id, stories.c.job_id == row.job_id))


def delete_story(database: Database, owner: str, story_id: str) -> None:
    """Delete a story and its job.

    Raises:
        NotFound: There is no such story.
        WrongState: It is being written, or there is a book of it.
    """
    with database.write() as connection:
        owned_row(connection, stories, owner, story_id, kind="story", lock=True)
        if of_it := _books_of(connection, story_id):
            raise WrongState(f"The book {of_it[0]!r} is of this story. Delete that first.")
        _delete_jobs(connection, owner, story_id)
        connection.execute(delete(stories).where(stories.c.id == story_id))


def delete_scene(database: Database, owner: str, scene_id: str) -> None:
    """Delete a picture and its job.

    Raises:
        NotFound: There is no such scene.
        WrongState: It is being drawn.
    """
    with database.write() as connection:
        owned_row(connection, scenes, owner, scene_id, kind="scene", lock=True)
        _delete_jobs(connection, owner, scene_id)
        connection.execute(delete(scenes).where(scenes.c.id == scene_id))


def delete_concept(database: Database, bank: ConceptBank, owner: str, concept_id: str) -> None:
    """Delete a concept of an owner's bank, and the jobs that learnt it, with the pictures that were sent for it.

    A job that learnt others too stays until the last of them is deleted.

    Raises:
        InvalidConcept, UnknownConcept: There is no such concept.
        WrongState: It is being learnt anew.
    """
    of_owner = select(jobs).where(jobs.c.owner == owner, jobs.c.kind == "concept").with_for_update()
    with database.write() as connection:
        found = [job for job in connection.execute(of_owner) if concept_id in concepts_of(job.request)]
        _check_ended(found)
        bank.remove(concept_id)
        there = bank.ids()
        for job in found:
            if concepts_of(job.request).isdisjoint(there):
                delete_job(connection, job.id)


def dismiss_job(database: Database, owner: str, job_id: str) -> None:
    """Delete a job that came to nothing, so that nobody is told of it any more.

    Raises:
        NotFound: There is no such job.
        WrongState: It has not failed and was not called off, or it is what makes a thing that is still there.
    """
    with database.write() as connection:
        job = owned_row(connection, jobs, owner, job_id, kind="job", lock=True)
        if job.state not in STOPPED or job.kind not in _LEAVE_NOTHING:
            raise WrongState(
                f"The job {job_id!r} is {job.state} and makes a {job.kind}: only one that stopped and would leave "
                "nothing behind can be dismissed. Cancel it first, or delete what it makes."
            )
        delete_job(connection, job_id)


def delete_job(connection: Connection, job_id: str) -> None:
    """Delete a job that has ended, with what happened to it."""
    for table in (events, previews, tasks):
        connection.execute(delete(table).where(table.c.job_id == job_id))
    connection.execute(delete(jobs).where(jobs.c.id == job_id))


def _books_of(connection: Connection, story_id: str) -> Sequence[str]:
    return connection.execute(select(books.c.id).where(books.c.story_id == story_id)).scalars().all()


def _delete_jobs(connection: Connection, owner: str, subject: str) -> None:
    """Delete all jobs that made a thing, with what happened to them."""
    of_subject = select(jobs).where(jobs.c.owner == owner, jobs.c.subject == subject).with_for_update()
    found = connection.execute(of_subject).all()
    _check_ended(found)
    for job in found:
        delete_job(connection, job.id)


def _check_ended(found: Sequence[Row[Any]]) -> None:
    if working := [job.id for job in found if job.state in OPEN]:
        raise WrongState(f"The job {working[0]!r} is working on it. Wait for its end, or cancel it, then delete.")
