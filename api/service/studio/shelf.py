"""The first page: everybody's own books, the latest first."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from api.service.jobs import OPEN
from api.service.listing import encode_cursor, rows_of
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.studio.rendering import StudioRoute, html, render, render_page
from api.service.tables import books, jobs

router = APIRouter(include_in_schema=False, route_class=StudioRoute)

_SHOWN = 24
_IDLE: Mapping[str, str] = {"draw": "Nothing is drawn at present", "text": "Nothing is written at present"}


@router.get("/")
def shelf(
    services: ServicesDep, principal: PrincipalDep, after: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """The books."""
    rows = rows_of(services.database, books, principal.owner, kind="book", limit=_SHOWN, after=after)
    shown, has_more = rows[:_SHOWN], len(rows) > _SHOWN
    found = _jobs(services, principal.owner, shown)
    cards = [_card(row, *found[row.id]) for row in shown if row.id in found]
    here = f"/?after={quote(after)}" if after else "/"
    following = encode_cursor(shown[-1].id) if has_more else None
    return html(render_page(services, principal, "shelf", section="books", books=cards, following=following, here=here))


# As in the bank, parts of a page are at `/parts/`.
@router.get("/parts/standstill")
def standstill(services: ServicesDep, principal: PrincipalDep) -> HTMLResponse:
    """Why nothing is drawn or written at present; empty while that is done."""
    del principal
    told = [
        f"{_IDLE[each.role]}. {each.reason(services.settings)} What is asked for waits until that is mended."
        for each in services.tasks.standstills()
    ]
    return html(render(services, "standstill", reasons=told))


def _jobs(services: Services, owner: str, rows: Sequence[Any]) -> Mapping[str, tuple[Mapping[str, Any], str]]:
    """By book what was wished for, and how its own job stands, or a later one that is under way."""
    mine = jobs.c.owner == owner
    firsts = select(jobs.c.subject, jobs.c.request, jobs.c.state)
    firsts = firsts.where(mine, jobs.c.id.in_([row.job_id for row in rows]))
    under_way = select(jobs.c.subject, jobs.c.state)
    under_way = under_way.where(mine, jobs.c.subject.in_([row.id for row in rows]), jobs.c.state.in_(OPEN))
    with services.database.read() as connection:
        going = {row.subject: row.state for row in connection.execute(under_way)}
        return {
            row.subject: (row.request["write"]["wish"], going.get(row.subject, row.state))
            for row in connection.execute(firsts)
        }


def _card(row: Any, wish: Mapping[str, Any], state: str) -> dict[str, object]:
    return {
        "id": row.id,
        "title": row.title or wish["idea"] or "A book without an idea",
        "state": "succeeded" if row.artifacts else state,  # whatever became of its jobs, it can be read
        "cover": f"/v1/books/{row.id}/files/cover" if "cover" in row.artifacts else None,
        "pages": wish["pages"],
    }
