"""The first page: everybody's own books, the latest first."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from api.service.listing import encode_cursor, rows_of
from api.service.services import PrincipalDep, Services, ServicesDep
from api.service.studio.rendering import StudioRoute, html, render_page
from api.service.tables import books, jobs

router = APIRouter(include_in_schema=False, route_class=StudioRoute)

_SHOWN = 24


@router.get("/")
def shelf(
    services: ServicesDep, principal: PrincipalDep, after: Annotated[str | None, Query(max_length=200)] = None
) -> HTMLResponse:
    """The books."""
    rows = rows_of(services.database, books, principal.owner, kind="book", limit=_SHOWN, after=after)
    shown, has_more = rows[:_SHOWN], len(rows) > _SHOWN
    found = _jobs(services, principal.owner, [row.job_id for row in shown])
    cards = [_card(row, found[row.job_id]) for row in shown]
    here = f"/?after={quote(after)}" if after else "/"
    following = encode_cursor(shown[-1].id) if has_more else None
    return html(render_page(services, principal, "shelf", section="books", books=cards, following=following, here=here))


def _jobs(services: Services, owner: str, ids: list[str]) -> Mapping[str, Any]:
    query = select(jobs.c.id, jobs.c.state, jobs.c.request).where(jobs.c.owner == owner, jobs.c.id.in_(ids))
    with services.database.read() as connection:
        return {row.id: row for row in connection.execute(query)}


def _card(row: Any, job: Any) -> dict[str, object]:
    wish = job.request["write"]["wish"]
    return {
        "id": row.id,
        "title": row.title or wish["idea"] or "A book without an idea",
        "state": job.state,
        "cover": f"/v1/books/{row.id}/files/cover" if "cover" in row.artifacts else None,
        "pages": wish["pages"],
    }
