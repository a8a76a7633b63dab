"""The pages of books: asking for one, watching it come into being, editing it, reading it, taking it away."""

from collections.abc import Sequence
from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from api.service.banks import bank_of
from api.service.book_edits import edit_book, read_edited_book, undo_edit
from api.service.book_state import COVER, BookEdit, PageEdit
from api.service.deletion import delete_book
from api.service.errors import EditConflict, InvalidInput
from api.service.payloads import BookLook, Format
from api.service.problems import in_words
from api.service.schema import BookRequest
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.studio import doing
from api.service.studio.book_view import BINDING, EDITIONS, part, view_book
from api.service.studio.rendering import StudioRoute, go_to, html, is_partial, render_page, templates_in
from api.service.submit import retry, submit_book
from api.service.submit_pages import submit_binding, submit_pages
from api.writers import languages_of
from story.limits import MAX_AGE, MAX_PAGES, MIN_AGE, MIN_PAGES

router = APIRouter(prefix="/books", include_in_schema=False, route_class=StudioRoute)

Version = Annotated[int, Form(ge=0)]
PageId = Annotated[str, Path(max_length=16)]
_FORMATS: Sequence[str] = get_args(Format)


@router.get("/new")
def new_book(services: ServicesDep, principal: PrincipalDep) -> HTMLResponse:
    """The form for a book."""
    concepts = bank_of(services.settings, principal.owner).list()
    design = templates_in(services.settings.base.templates_dir)
    return html(
        render_page(
            services,
            principal,
            "new_book",
            section="books",
            heroes=[concept for concept in concepts if concept.kind == "character"],
            concepts=concepts,
            ages=range(MIN_AGE, MAX_AGE + 1),
            lengths=range(MIN_PAGES, MAX_PAGES + 1),
            languages=languages_of(services.settings.base),
            layouts=design.choices("book/layouts", ".html.j2"),
            themes=design.choices("book/themes", ".css"),
            all_editions=EDITIONS,
        )
    )


@router.post("")
def make_book(
    request: Request,
    services: ServicesDep,
    principal: PrincipalDep,
    idea: Annotated[str, Form(max_length=2000)] = "",
    hero: Annotated[str, Form(max_length=40)] = "",
    cast: Annotated[list[str] | None, Form(max_length=8)] = None,
    pages: Annotated[int, Form(ge=MIN_PAGES, le=MAX_PAGES)] = 8,
    age: Annotated[int, Form(ge=MIN_AGE, le=MAX_AGE)] = 5,
    language: Annotated[str, Form(max_length=35)] = "en",
    second_language: Annotated[str, Form(max_length=35)] = "",
    seed: Annotated[int, Form(ge=0, le=2**32 - 1)] = 0,
    formats: Annotated[list[str] | None, Form(max_length=5)] = None,
    layout: Annotated[str, Form(max_length=40)] = "spread",
    theme: Annotated[str, Form(max_length=40)] = "paper",
    dyslexia: Annotated[bool, Form()] = False,
    large_print: Annotated[bool, Form()] = False,
) -> Response:
    """Begin a book."""
    look = _look(BookLook(), formats, layout=layout, theme=theme, dyslexia=dyslexia, large_print=large_print)
    names: list[str] = [*([hero] if hero else []), *(cast or [])]
    try:
        wish = BookRequest(
            idea=idea.strip(),
            cast=tuple(dict.fromkeys(names)),
            pages=pages,
            age=age,
            language=language,
            second_language=second_language or None,
            seed=seed,
            formats=look.formats,
            design=look.design,
        )
    except ValidationError as error:
        raise InvalidInput(f"No book can be made of that: {in_words(error)}. Change that and try again.") from error
    job = submit_book(services, principal.owner, wish)
    return go_to(request, f"/books/{job.subject}")


@router.get("/{book_id}")
def book_page(book_id: str, services: ServicesDep, principal: PrincipalDep) -> HTMLResponse:
    """A book, whatever state it is in."""
    view = view_book(services, principal.owner, book_id)
    design = templates_in(services.settings.base.templates_dir)
    return html(
        render_page(
            services,
            principal,
            "book",
            section="books",
            view=view,
            book=view.book,
            oob=False,
            all_editions=EDITIONS,
            layouts=design.choices("book/layouts", ".html.j2"),
            themes=design.choices("book/themes", ".css"),
        )
    )


@router.post("/{book_id}/delete")
def delete(request: Request, book_id: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """Delete a book."""
    delete_book(services.database, principal.owner, book_id)
    return go_to(request, "/")


@router.get("/{book_id}/again")
def look_again(
    book_id: str, services: ServicesDep, principal: PrincipalDep, seen: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The whole book anew, for a page that was not looked at for a while; nothing where that has seen it all."""
    view = view_book(services, principal.owner, book_id)
    if view.token == seen:
        return Response(status_code=204)
    return html(*(part(services, name, view) for name in ("head", "status", *BINDING, "pages")))


async def _refuse_empty_fields(request: Request) -> None:
    """What is sent and empty; routes would take it for what was not sent."""
    form = await request.form()
    if empty := sorted(name for name, value in form.items() if value == ""):
        raise InvalidInput(f"Nothing is written as {' or '.join(empty)}, and a book needs it. Write something.")


@router.post("/{book_id}/pages/{page_id}", dependencies=[Depends(_refuse_empty_fields)])
def change_page(
    request: Request,
    book_id: str,
    page_id: PageId,
    services: ServicesDep,
    principal: PrincipalDep,
    text: Annotated[str | None, Form(max_length=4000)] = None,
    second_text: Annotated[str | None, Form(max_length=4000)] = None,
    prompt: Annotated[str | None, Form(max_length=2000)] = None,
    alt: Annotated[str | None, Form(max_length=1000)] = None,
    lock: Annotated[bool | None, Form()] = None,
    seed: Annotated[int | None, Form(ge=0, le=2**32 - 1)] = None,
) -> Response:
    """Other words, another prompt, another candidate, or a lock."""
    page = PageEdit(id=page_id, text=text, second_text=second_text, prompt=prompt, alt=alt, is_locked=lock, seed=seed)
    label = "the cover" if page_id == COVER else "a page"
    what = {
        "text": "Edit words",
        "second_text": "Edit words",
        "prompt": f"Edit the picture of {label}",
        "alt": f"Describe the picture of {label}",
        "is_locked": "Lock" if lock else "Unlock",
        "seed": "Choose a picture",
    }
    given = next((name for name in what if getattr(page, name) is not None), "text")
    _edit(services, principal.owner, book_id, BookEdit(pages=(page,)), what=what[given])
    # Words in their field are as they were typed; putting the field in again would disturb whoever goes on typing.
    place = {"text": (), "second_text": (), "seed": ("figure",)}.get(given, ("page",))
    names = ("edits", *BINDING, *place)
    return _answer(
        request, services, principal.owner, book_id, names, page_id=page_id, is_open=given in ("prompt", "alt")
    )


@router.post("/{book_id}/title", dependencies=[Depends(_refuse_empty_fields)])
def change_title(
    request: Request,
    book_id: str,
    services: ServicesDep,
    principal: PrincipalDep,
    title: Annotated[str | None, Form(min_length=1, max_length=200)] = None,
    second_title: Annotated[str | None, Form(min_length=1, max_length=200)] = None,
) -> Response:
    """Another title, in the first or second language."""
    edit = BookEdit(title=title, second_title=second_title)
    _edit(services, principal.owner, book_id, edit, what="Edit the title")
    return _answer(request, services, principal.owner, book_id, ("edits", *BINDING))


@router.post("/{book_id}/move")
def move_page(
    request: Request,
    book_id: str,
    services: ServicesDep,
    principal: PrincipalDep,
    version: Version,
    page: Annotated[str, Form(max_length=16)],
    by: Annotated[int, Form(ge=-1, le=1)],
) -> Response:
    """A page one place earlier or later."""
    state = read_edited_book(services.database, principal.owner, book_id).written()
    order = [mark.id for mark in state.marks[1:]]
    place = state.index(page) - 1
    other = place + by
    if 0 <= place and 0 <= other < len(order):
        order[place], order[other] = order[other], order[place]
    edit = BookEdit(order=tuple(order))
    edit_book(services.database, services.settings, principal.owner, book_id, edit, version=version, what="Move a page")
    return _answer(request, services, principal.owner, book_id, ("edits", *BINDING, "pages"))


@router.post("/{book_id}/undo")
def undo(request: Request, book_id: str, services: ServicesDep, principal: PrincipalDep, version: Version) -> Response:
    """Take the last edit back."""
    undo_edit(services.database, principal.owner, book_id, version=version)
    return _answer(request, services, principal.owner, book_id, ("head", *BINDING, "pages"))


@router.post("/{book_id}/redo")
def redo(request: Request, book_id: str, services: ServicesDep, principal: PrincipalDep, version: Version) -> Response:
    """Bring back what was undone last."""
    undo_edit(services.database, principal.owner, book_id, version=version, steps=1)
    return _answer(request, services, principal.owner, book_id, ("head", *BINDING, "pages"))


@router.post("/{book_id}/draw")
def draw(
    request: Request,
    book_id: str,
    services: ServicesDep,
    principal: PrincipalDep,
    page: Annotated[str, Form(max_length=16)],
    candidates: Annotated[int, Form(ge=1, le=6)] = 1,
) -> Response:
    """Begin other pictures of a page."""
    submit_pages(services, principal.owner, book_id, [page], candidates=candidates)
    return _answer(request, services, principal.owner, book_id, ("status", "figure"), page_id=page)


@router.post("/{book_id}/bind")
def bind(
    request: Request,
    book_id: str,
    services: ServicesDep,
    principal: PrincipalDep,
    formats: Annotated[list[str] | None, Form(max_length=5)] = None,
    layout: Annotated[str, Form(max_length=40)] = "spread",
    theme: Annotated[str, Form(max_length=40)] = "paper",
    dyslexia: Annotated[bool, Form()] = False,
    large_print: Annotated[bool, Form()] = False,
) -> Response:
    """Begin the editions of the book as it is now."""
    look = read_edited_book(services.database, principal.owner, book_id).look
    look = _look(look, formats, layout=layout, theme=theme, dyslexia=dyslexia, large_print=large_print)
    submit_binding(services, principal.owner, book_id, look)
    return _answer(request, services, principal.owner, book_id, ("status", *BINDING))


@router.post("/{book_id}/jobs/{job_id}/retry")
def try_again(request: Request, book_id: str, job_id: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """Go on with a job that stopped; what it has drawn is kept."""
    retry(services, principal.owner, job_id)
    return _answer(request, services, principal.owner, book_id, ("status",))


@router.post("/{book_id}/jobs/{job_id}/dismiss")
def dismiss(request: Request, book_id: str, job_id: str, services: ServicesDep, principal: PrincipalDep) -> Response:
    """Show a job that stopped no more; what only it has drawn goes with it."""
    doing.dismiss(services, principal.owner, job_id)
    return _answer(request, services, principal.owner, book_id, ("status",))


def _edit(services: Services, owner: str, book_id: str, edit: BookEdit, *, what: str) -> None:
    """Puts words or a choice into the book whatever else was edited since, in another tab or by a picture that came.

    What they take the place of is one undo away, so nobody's words are lost.
    """
    while True:
        version = read_edited_book(services.database, owner, book_id).version
        try:
            edit_book(services.database, services.settings, owner, book_id, edit, version=version, what=what)
        except EditConflict:
            continue
        return


def _answer(
    request: Request,
    services: Services,
    owner: str,
    book_id: str,
    names: Sequence[str],
    *,
    page_id: str | None = None,
    is_open: bool = False,
) -> Response:
    """The parts of the page that are new."""
    if not is_partial(request):
        return go_to(request, f"/books/{book_id}")
    view = view_book(services, owner, book_id)
    parts: list[str] = []
    for name in names:
        page = next((each for each in view.pages if each.id == page_id), None)
        if name not in ("page", "figure"):
            parts.append(part(services, name, view))
        elif page is not None:
            parts.append(part(services, name, view, page=page, is_open=is_open))
    return html(*parts)


def _look(
    look: BookLook, formats: list[str] | None, *, layout: str, theme: str, dyslexia: bool, large_print: bool
) -> BookLook:
    """The look with what a form says; what the form does not show stays."""
    wanted = tuple(name for name in _FORMATS if name in (formats or ()))
    if not wanted:
        raise InvalidInput("No edition is chosen. Choose at least one.")
    changes = {"layout": layout, "theme": theme, "dyslexia": dyslexia, "large_print": large_print}
    return look.model_copy(update={"formats": wanted, "design": look.design.model_copy(update=changes)})
