"""A book on a real database that nobody works on, for tests of what is done with books."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert

from api.book_lock import BookLock
from api.service.book_edits import EditedBook, edit_book, keep_drawings, read_edited_book, undo_edit
from api.service.book_state import BookEdit, PageEdit, new_seeds
from api.service.database import Database
from api.service.ids import new_id
from api.service.jobs import Jobs
from api.service.payloads import Artifact, BookLook, Drawn, PageDrawing, StoryWish, Written
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.tables import books, stories
from api.service.tasks import NewTask, TaskQueue
from api.settings import SAMPLE_BANK_DIR, Settings
from concepts.bank import seed_bank
from story.schema import Story
from tests.conftest import ROOT

OWNER = "somebody"
EXAMPLE = ROOT / "examples" / "storyteller"


@dataclass(frozen=True)
class Desk:
    """A database with one book in it, of which everything is drawn."""

    database: Database
    settings: ServiceSettings
    book_id: str

    def book(self) -> EditedBook:
        return read_edited_book(self.database, OWNER, self.book_id)

    def edit(self, *pages: PageEdit, **more: object) -> EditedBook:
        edit = BookEdit.model_validate({"pages": pages, **more})
        version = self.book().version
        return edit_book(self.database, self.settings, OWNER, self.book_id, edit, version=version, what="Edit")

    def undo(self, *, steps: int = -1) -> EditedBook:
        return undo_edit(self.database, OWNER, self.book_id, version=self.book().version, steps=steps)

    def draw(self, page: str, count: int) -> EditedBook:
        """As a job would end that drew so many pictures for a page."""
        book = self.book()
        state = book.written()
        index = state.index(page)
        pictures = new_seeds(state.lock.pictures[index], count, drawn=book.drawn)
        drawn = [
            (PageDrawing(page=page, index=index, picture=picture), f"{number:064}")
            for number, picture in enumerate(pictures, start=900)
        ]
        with self.database.write() as connection:
            keep_drawings(connection, OWNER, self.book_id, drawn)
        return self.book()


def content_of(number: int) -> bytes:
    """What the store holds as a picture of the book."""
    return f"picture {number}".encode()


def hash_of(number: int) -> str:
    """Of a picture of the book, by its place as it was made."""
    return hashlib.sha256(content_of(number)).hexdigest()


def a_desk(tmp_path: Path, story: Story, *, owner: str = OWNER) -> Desk:
    """A desk with a book of the story, whose job has written and drawn all of it and has yet to bind it."""
    seed_bank(tmp_path / "banks" / owner, SAMPLE_BANK_DIR)
    database = Database.open(f"sqlite:///{tmp_path}/fableverse.sqlite")
    jobs, tasks = Jobs(database), TaskQueue(database)
    lock = BookLock.model_validate_json((EXAMPLE / "book.lock").read_bytes())
    book_id = new_id("book")
    story_id = new_id("story")
    request = {
        "write": {"wish": StoryWish(idea="a wish").model_dump(mode="json")},
        "look": BookLook().model_dump(mode="json"),
        "story": story_id,
    }
    with database.write() as connection:
        job_id = jobs.add(connection, owner=owner, kind="book", subject=book_id, request=request)
        of_both = {"owner": owner, "job_id": job_id, "created_at": 0.0}
        connection.execute(insert(books).values(id=book_id, story_id=story_id, artifacts={}, **of_both))
        connection.execute(
            insert(stories).values(id=story_id, version=0, request={}, warnings=[], updated_at=0.0, **of_both)
        )
    tasks.add(job_id, owner, [NewTask(key="write", kind="write", payload={})])
    tasks.enlist("text-worker", "text", host="here", pid=1)
    claimed = tasks.claim("text-worker", "text")
    assert claimed is not None
    tasks.finish(claimed, Written(story=story, writer="somebody", lock=lock).model_dump(mode="json"))
    tasks.enlist("draw-worker", "draw", host="here", pid=2)
    tasks.add(
        job_id,
        owner,
        [
            NewTask(key=f"draw-{index:02}", kind="draw", payload={}, position=index + 1)
            for index in range(len(lock.pictures))
        ],
    )
    settings = ServiceSettings(data_dir=tmp_path, base=Settings())
    number, store = 0, ContentStore.open(settings.store)
    while (claimed := tasks.claim("draw-worker", "draw")) is not None:
        artifact = Artifact(
            sha256=store.put(content_of(number)), bytes=1, media_type="image/png", filename="picture.png"
        )
        drawn = Drawn(artifact=artifact, width=1, height=1, seconds=0.0)
        tasks.finish(claimed, drawn.model_dump(mode="json"), picture=artifact.sha256)
        number += 1
    return Desk(database, settings, book_id)
