"""Pictures that the store has lost: work that uses them draws them again, from the same and by the same seeds.

Knows not how they are found (`store.find_damaged`).
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, update

from api.service.book_state import BookState
from api.service.jobs import Job, Json
from api.service.payloads import PageDrawing, PagesPayload
from api.service.tables import tasks


def drawings_at(state: BookState, places: Sequence[int]) -> tuple[PageDrawing, ...]:
    """The pictures that a book wants in those places, to be drawn."""
    return tuple(
        PageDrawing(page=state.marks[index].id, index=index, picture=state.lock.pictures[index]) for index in places
    )


def bound_pictures(job: Job) -> frozenset[str]:
    """Hashes of pictures that a job binds and does not draw itself."""
    if job.kind != "pages" or (binding := PagesPayload.model_validate(job.request["pages"]).binding) is None:
        return frozenset()
    return frozenset(digest for digest in binding.pictures if digest is not None)


def mended_request(job: Job, damaged: Collection[str]) -> Json:
    """What a job is asked for, to be tried again: what it binds of what is damaged it draws first.

    New drawings come last, since those that are drawn are found by their places.
    """
    if bound_pictures(job).isdisjoint(damaged):
        return job.request
    payload = PagesPayload.model_validate(job.request["pages"])
    binding = payload.binding
    assert binding is not None, "something is bound"
    lost = [index for index, digest in enumerate(binding.pictures) if digest in damaged]
    kept = tuple(None if digest in damaged else digest for digest in binding.pictures)
    changes: dict[str, Any] = {
        "draw": (*payload.draw, *drawings_at(BookState.model_validate(binding.state), lost)),
        "binding": binding.model_copy(update={"pictures": kept}),
    }
    return {**job.request, "pages": payload.model_copy(update=changes).model_dump(mode="json")}


def forget_damaged(connection: Connection, damaged: Collection[str]) -> None:
    """Leave no job a damaged picture to take over instead of drawing it."""
    connection.execute(update(tasks).where(tasks.c.picture.in_(damaged)).values(inputs=None))
