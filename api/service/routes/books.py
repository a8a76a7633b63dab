"""Books: the whole job, and its files."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from api.service.book_edits import read_edited_book
from api.service.deletion import delete_book
from api.service.errors import NotFound
from api.service.files import answer_artifact
from api.service.listing import AfterQuery, LimitQuery, listing_of, rows_of
from api.service.owned import owned_row
from api.service.payloads import Artifact
from api.service.preconditions import IfNoneMatch, bytes_of
from api.service.schema import BookAnswer, BookRequest, FileAnswer, JobAnswer, Listing, at
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.submit import submit_book
from api.service.tables import books
from api.service.waiting import JOB_ANSWERS, PreferHeader, answer_job

router = APIRouter(prefix="/v1/books", tags=["books"])


@router.post("", status_code=202, responses=JOB_ANSWERS)
async def make_book(
    request: BookRequest,
    response: Response,
    services: ServicesDep,
    principal: PrincipalDep,
    prefer: PreferHeader = None,
) -> JobAnswer:
    """Makes a book of an idea, or of a story that is written; pictures that you have had drawn are taken over."""
    job = await asyncio.to_thread(submit_book, services, principal.owner, request)
    return await answer_job(services, job, response, prefer=prefer)


@router.get("")
def list_books(
    services: ServicesDep, principal: PrincipalDep, limit: LimitQuery = 20, after: AfterQuery = None
) -> Listing:
    """Your books, the latest first."""
    rows = rows_of(services.database, books, principal.owner, kind="book", limit=limit, after=after)
    return listing_of(rows, limit=limit, id_of=lambda row: row.id, answer_of=_answer)


@router.get("/{book_id}")
def get_book(book_id: str, services: ServicesDep, principal: PrincipalDep) -> BookAnswer:
    """A book and its files."""
    return _answer(_row(services, principal.owner, book_id))


@router.delete("/{book_id}", status_code=204)
def remove_book(book_id: str, services: ServicesDep, principal: PrincipalDep) -> None:
    """Deletes a book with its pictures, and the story that was written for it alone; refused while it is worked on."""
    delete_book(services.database, principal.owner, book_id)


@router.get("/{book_id}/files/{name}", response_class=Response, responses=bytes_of("*/*"))
def get_file(
    book_id: str, name: str, services: ServicesDep, principal: PrincipalDep, if_none_match: IfNoneMatch = None
) -> Response:
    """A file of a book by its name: an edition such as "html" or "epub", "cover", "page-1", "story", "lock"."""
    row = _row(services, principal.owner, book_id)
    artifact = row.artifacts.get(name)
    if artifact is None:
        there = ", ".join(row.artifacts) or f"none yet; wait for its job {row.job_id!r}"
        raise NotFound(f"The book has no file {name!r}. Its files are: {there}.")
    found = Artifact.model_validate(artifact)
    return answer_artifact(services.store, found, if_none_match=if_none_match, is_fixed=False)


@router.get("/{book_id}/pictures/{sha256}", response_class=Response, responses=bytes_of("image/png"))
def get_drawn_picture(
    book_id: str, sha256: str, services: ServicesDep, principal: PrincipalDep, if_none_match: IfNoneMatch = None
) -> Response:
    """A picture that was drawn for the book, taken or not, while it is being made too."""
    book = read_edited_book(services.database, principal.owner, book_id)
    if sha256 not in book.drawn.values():
        raise NotFound(f"The book has no picture {sha256!r}. Its pages name those that it has.")
    content = services.store.get(sha256)
    artifact = Artifact(sha256=sha256, bytes=len(content), media_type="image/png", filename=f"{sha256[:12]}.png")
    return answer_artifact(services.store, artifact, if_none_match=if_none_match)


def _row(services: Services, owner: str, book_id: str) -> Any:
    with services.database.read() as connection:
        return owned_row(connection, books, owner, book_id, kind="book")


def _answer(row: Any) -> BookAnswer:
    place = f"/v1/books/{row.id}"
    return BookAnswer(
        id=row.id,
        job=row.job_id,
        story=row.story_id,
        title=row.title,
        created_at=at(row.created_at),
        files={name: FileAnswer(href=f"{place}/files/{name}", **artifact) for name, artifact in row.artifacts.items()},
        links={"self": place, "job": f"/v1/jobs/{row.job_id}", "story": f"/v1/stories/{row.story_id}"},
    )
