"""The pages of a book that was made: other words, other pictures, another order, undone and bound again."""

import asyncio

from fastapi import APIRouter, Response

from api.service.book_edits import EditedBook, edit_book, read_edited_book, undo_edit
from api.service.book_state import BookEdit
from api.service.payloads import BookLook
from api.service.preconditions import TAGGED, IfMatch, version_of
from api.service.schema import BindRequest, CandidateAnswer, DrawRequest, JobAnswer, PageAnswer, PagesAnswer
from api.service.services import PrincipalDep, ServicesDep
from api.service.submit_pages import submit_binding, submit_pages
from api.service.waiting import JOB_ANSWERS, PreferHeader, answer_job

router = APIRouter(prefix="/v1/books/{book_id}", tags=["books"])


@router.get("/pages", responses=TAGGED)
def get_pages(book_id: str, response: Response, services: ServicesDep, principal: PrincipalDep) -> PagesAnswer:
    """The book's pages as they are edited; the ETag is what an edit has to send."""
    return _tagged(read_edited_book(services.database, principal.owner, book_id), response)


@router.patch("/pages", responses=TAGGED)
def change_pages(
    book_id: str,
    edit: BookEdit,
    response: Response,
    services: ServicesDep,
    principal: PrincipalDep,
    if_match: IfMatch = None,
) -> PagesAnswer:
    """Other words or prompts, another candidate, a lock, another order. Pictures and editions stay until asked for."""
    book = edit_book(
        services.database,
        services.settings,
        principal.owner,
        book_id,
        edit,
        version=version_of(if_match),
        what="Edit",
    )
    return _tagged(book, response)


@router.post("/pages/undo", responses=TAGGED)
def undo(
    book_id: str, response: Response, services: ServicesDep, principal: PrincipalDep, if_match: IfMatch = None
) -> PagesAnswer:
    """Takes the last edit back."""
    return _tagged(undo_edit(services.database, principal.owner, book_id, version=version_of(if_match)), response)


@router.post("/pages/redo", responses=TAGGED)
def redo(
    book_id: str, response: Response, services: ServicesDep, principal: PrincipalDep, if_match: IfMatch = None
) -> PagesAnswer:
    """Brings back what was undone last."""
    book = undo_edit(services.database, principal.owner, book_id, version=version_of(if_match), steps=1)
    return _tagged(book, response)


@router.post("/pages/draw", status_code=202, responses=JOB_ANSWERS)
async def draw_pages(
    book_id: str,
    request: DrawRequest,
    response: Response,
    services: ServicesDep,
    principal: PrincipalDep,
    prefer: PreferHeader = None,
) -> JobAnswer:
    """Draws other pictures for pages; each page takes its first one, and the others are candidates to choose from."""
    job = await asyncio.to_thread(
        submit_pages, services, principal.owner, book_id, request.pages, candidates=request.candidates
    )
    return await answer_job(services, job, response, prefer=prefer)


@router.post("/bind", status_code=202, responses=JOB_ANSWERS)
async def bind(
    book_id: str,
    request: BindRequest,
    response: Response,
    services: ServicesDep,
    principal: PrincipalDep,
    prefer: PreferHeader = None,
) -> JobAnswer:
    """Makes the editions of the book as it is now; pictures that it lacks are drawn first."""
    look = None if request.look is None else BookLook(formats=request.look.formats, design=request.look.design)
    job = await asyncio.to_thread(submit_binding, services, principal.owner, book_id, look)
    return await answer_job(services, job, response, prefer=prefer)


def _tagged(book: EditedBook, response: Response) -> PagesAnswer:
    response.headers["ETag"] = f'"{book.version}"'
    state, place = book.written(), f"/v1/books/{book.id}"
    pages: list[PageAnswer] = []
    for index, (mark, scene) in enumerate(zip(state.marks, state.story.scenes, strict=True)):
        candidates = tuple(
            CandidateAnswer(seed=each.seed, href=f"{place}/pictures/{each.sha256}", is_taken=each.is_taken)
            for each in book.candidates(index)
        )
        pages.append(
            PageAnswer(
                id=mark.id,
                text=state.story.pages[index - 1].text if index else "",
                second_text=state.story.pages[index - 1].second_text if index else "",
                prompt=scene.prompt,
                alt=scene.alt,
                concepts=scene.concepts,
                is_locked=mark.is_locked,
                is_drawn=book.picture(index) is not None,
                candidates=candidates,
            )
        )
    return PagesAnswer(
        book=book.id,
        version=book.version,
        title=state.story.title,
        second_title=state.story.second_title,
        pages=tuple(pages),
        undo=book.undoes,
        redo=book.redoes,
        is_bound=book.is_bound,
    )
