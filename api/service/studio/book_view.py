"""A book as its page shows it: what of it is drawn, being drawn or wanting, and the parts that change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.service.book_edits import Candidate, EditedBook, read_edited_book
from api.service.book_state import COVER
from api.service.jobs import Job
from api.service.services import Services
from api.service.studio.doing import doing_for_book
from api.service.studio.rendering import render
from api.service.studio.words import Piece, pieces_of

EDITIONS: Mapping[str, str] = {
    "html": "For the browser, one file",
    "epub": "EPUB, as laid out",
    "epub-reflow": "EPUB, flowing text",
    "pdf": "PDF for screens",
    "print-pdf": "PDF for the press",
}
BINDING = ("files", "missing")
"""The parts that say how binding stands; the form beside them keeps what a person has chosen and not sent."""


@dataclass(frozen=True, kw_only=True)
class PageView:
    """A page of a book as it is shown."""

    id: str
    label: str
    text: str
    second_text: str
    prompt: str
    pieces: Sequence[Piece]
    alt: str
    is_cover: bool
    is_locked: bool
    is_first: bool
    is_last: bool
    picture: str | None
    """Address of its picture; None where it is not drawn as it is wanted now."""
    candidates: Sequence[Candidate]
    progress: Mapping[str, int] | None
    """Step and number of steps while it is being drawn."""
    preview: str | None
    """Address of how the picture stands that is being drawn; None where none is, or too little."""
    is_waiting: bool
    """Whether it will be drawn without anybody's asking."""


@dataclass(frozen=True, kw_only=True)
class BookView:
    """A book and what is being done for it."""

    book: EditedBook
    pages: Sequence[PageView]
    open_jobs: Sequence[Job]
    """The first to be done first."""
    stopped_jobs: Sequence[Job]
    """Those that failed or were called off and that no later one replaces, the latest first."""
    has_stopped: bool
    """Whether the latest job is one of those."""
    editions: Sequence[Mapping[str, str]]
    token: str
    """Differs once the book was edited or work for it has begun or ended."""

    @property
    def words(self) -> Mapping[int, str]:
        """What is written so far of a story under way, by page; 0 is the title."""
        written = self.open_jobs[0].progress.get("words", {}) if self.open_jobs else {}
        return {int(number): written[number] for number in sorted(written, key=int)}

    @property
    def title(self) -> str:
        return self.book.state.story.title if self.book.state is not None else self.book.idea or "A book"


def view_book(services: Services, owner: str, book_id: str) -> BookView:
    """A book to show.

    Raises:
        NotFound: The owner has no book of that id.
    """
    book = read_edited_book(services.database, owner, book_id)
    doing = doing_for_book(services, owner, book_id)
    progress: dict[str, Mapping[str, int]] = {}
    previews: dict[str, str] = {}
    waiting: set[str] = set()
    for job in doing.open_jobs:
        waiting |= set(_wanted_pages(job, book))
        current = page_of(job, job.progress)
        if current is not None:
            progress[current] = {"step": job.progress["step"], "num_steps": job.progress["num_steps"]}
            if name := job.progress.get("preview"):
                previews[current] = f"/v1/jobs/{job.id}/previews/{job.progress['picture']}?{name}"
    return BookView(
        book=book,
        token=f"{book.version}-{doing.token}",
        pages=_pages(book, progress, previews, waiting) if book.state is not None else (),
        open_jobs=doing.open_jobs,
        stopped_jobs=doing.stopped_jobs,
        has_stopped=doing.has_stopped,
        editions=[
            {
                "format": name,
                "label": label,
                "filename": book.artifacts[name].filename,
                "version": book.artifacts[name].sha256[:12],
            }
            for name, label in EDITIONS.items()
            if name in book.artifacts
        ],
    )


def page_of(job: Job, progress: Mapping[str, Any]) -> str | None:
    """The id of the page that a job's progress is about; None where it is about no page."""
    if progress.get("stage") != "drawing" or "step" not in progress:
        return None
    index = progress["picture"]
    if job.kind == "book":
        return f"p{index}" if index else COVER
    return next((each["page"] for each in job.request["pages"]["draw"] if each["index"] == index), None)


def part(services: Services, name: str, view: BookView, **more: object) -> str:
    """One part of a book's page, to be put in its place."""
    return render(services, name, view=view, book=view.book, oob=True, **more)


def _wanted_pages(job: Job, book: EditedBook) -> list[str]:
    if job.kind == "book":
        return [mark.id for mark in book.state.marks] if book.state is not None else []
    return [each["page"] for each in job.request["pages"]["draw"]]


def _pages(
    book: EditedBook, progress: Mapping[str, Mapping[str, int]], previews: Mapping[str, str], waiting: set[str]
) -> list[PageView]:
    state = book.written()
    cast = [*state.lock.cast, *(name for picture in state.lock.pictures for name in picture.concepts)]
    colours = {name: number for number, name in enumerate(dict.fromkeys(cast))}
    views: list[PageView] = []
    for index, (mark, scene) in enumerate(zip(state.marks, state.story.scenes, strict=True)):
        digest = book.picture(index)
        locked = state.lock.pictures[index]
        views.append(
            PageView(
                id=mark.id,
                label=f"Page {index}" if index else "Cover",
                text=state.story.pages[index - 1].text if index else "",
                second_text=state.story.pages[index - 1].second_text if index else "",
                prompt=scene.prompt,
                pieces=pieces_of(locked.prompt, locked.mentions, colours),
                alt=scene.alt,
                is_cover=index == 0,
                is_locked=mark.is_locked,
                is_first=index == 1,
                is_last=index == len(state.marks) - 1,
                picture=f"/v1/books/{book.id}/pictures/{digest}" if digest else None,
                candidates=book.candidates(index),
                progress=progress.get(mark.id),
                preview=previews.get(mark.id),
                is_waiting=mark.id in waiting,
            )
        )
    return views
