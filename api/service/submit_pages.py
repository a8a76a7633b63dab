"""Takes on work for the pages of a book that is written: other pictures, and editions of it as it is now."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from api.book_lock import locked_picture
from api.service.banks import bank_of
from api.service.book_edits import EditedBook, check_version, read_edited_book, taken_pictures
from api.service.book_state import key_of, new_seeds
from api.service.errors import InvalidInput, WrongState
from api.service.ids import new_id
from api.service.jobs import Job
from api.service.mending import drawings_at, forget_damaged
from api.service.owned import owned_row
from api.service.payloads import Binding, BookLook, PageDrawing, PagesPayload
from api.service.services import Services
from api.service.store import find_damaged
from api.service.submit import accept, check_known_design
from api.service.tables import books
from concepts.errors import UnknownConcept


def submit_pages(
    services: Services, owner: str, book_id: str, pages: Sequence[str], *, candidates: int, version: int | None = None
) -> Job:
    """Take on other pictures for pages of a book; each page takes its first one unless it is changed meanwhile.

    They are of the concepts as the bank has them now, and of seeds that are neither drawn nor asked for.

    Raises:
        NotFound: There is no such book or page.
        ConceptError: The bank lacks a concept of a page, or has it under another word or on another model.
        WrongState: The book is not written yet, or a page is locked.
        EditConflict: The book has another version than the one given.
    """
    job_id = new_id("job")  # the same however often pictures are chosen
    while True:
        wanted = _new_pictures(services, owner, book_id, pages, candidates=candidates, version=version)
        try:
            return _accept_pages(services, *wanted, anew_as=job_id)
        except _Promised:  # to another request, since they were chosen
            continue


class _Promised(Exception):
    """Raised where a picture that a job is to draw is drawn by another one already."""


def _new_pictures(
    services: Services, owner: str, book_id: str, pages: Sequence[str], *, candidates: int, version: int | None
) -> tuple[EditedBook, PagesPayload]:
    """A book, and pictures of seeds that its pages have not been drawn with; errors as in `submit_pages`."""
    with services.database.read() as connection:  # before the book, as one may be drawn meanwhile
        taken = taken_pictures(connection, owner, book_id)
    book, bank = read_edited_book(services.database, owner, book_id), bank_of(services.settings, owner)
    state = book.written()
    check_version(book, version)
    if locked := [page for page in pages if state.marks[state.index(page)].is_locked]:
        raise WrongState(f"The page {locked[0]!r} is locked, so that its picture stays as it is. Unlock it first.")
    draw: list[PageDrawing] = []
    for page in dict.fromkeys(pages):
        index = state.index(page)
        seed = state.lock.pictures[index].seed
        try:
            picture = locked_picture(state.story.scenes[index], bank=bank, model=state.lock.model, seed=seed)
        except UnknownConcept as error:
            raise InvalidInput(str(error)) from error
        for new in new_seeds(picture, candidates, drawn=taken | book.drawn.keys()):
            draw.append(PageDrawing(page=page, index=index, picture=new))
    return book, PagesPayload(lock=state.lock, draw=tuple(draw))


def submit_binding(
    services: Services, owner: str, book_id: str, look: BookLook | None, *, version: int | None = None
) -> Job:
    """Take on editions of a book as it is now; pictures that it lacks or the store has lost are drawn first.

    Args:
        look: Another look than it has.

    Raises:
        NotFound: There is no such book.
        WrongState: The book is not written yet.
        EditConflict: The book has another version than the one given.
        BookError: The look names a layout or theme that is not there.
    """
    book = read_edited_book(services.database, owner, book_id)
    state = book.written()
    check_version(book, version)
    wanted = look or book.look
    check_known_design(services, wanted.design)
    drawn = [book.picture(index) for index in range(len(state.marks))]
    damaged = find_damaged(services.store, {digest for digest in drawn if digest is not None})
    pictures = tuple(None if digest in damaged else digest for digest in drawn)
    draw = drawings_at(state, [index for index, digest in enumerate(pictures) if digest is None])
    binding = Binding(state=state.model_dump(mode="json"), look=wanted, pictures=pictures)
    return _accept_pages(services, book, PagesPayload(lock=state.lock, draw=draw, binding=binding), damaged=damaged)


def _accept_pages(
    services: Services,
    book: EditedBook,
    payload: PagesPayload,
    *,
    anew_as: str | None = None,
    damaged: Collection[str] = (),
) -> Job:
    """Take on pages of a book.

    Args:
        anew_as: The job's id, where no other job may draw any of these pictures.
        damaged: Hashes of pictures that are lost, and drawn again.

    Raises:
        _Promised: Another job is to draw one of them, or has.
    """
    request = {"pages": payload.model_dump(mode="json")}
    wanted = {key_of(each.picture) for each in payload.draw} if anew_as else set()

    def check_rows(connection: Connection, job_id: str) -> None:
        owned_row(connection, books, book.owner, book.id, kind="book", lock=True)  # it may have been deleted meanwhile
        forget_damaged(connection, damaged)
        if wanted and not wanted.isdisjoint(taken_pictures(connection, book.owner, book.id, but=job_id)):
            raise _Promised

    return accept(
        services, owner=book.owner, kind="pages", subject=book.id, request=request, add_rows=check_rows, job_id=anew_as
    )
