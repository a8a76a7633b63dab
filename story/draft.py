"""A story under way: what is written so far, kept on disk after every item, so that nothing written is lost.

Knows nothing of language models. A draft belongs to one request and one writer: another request starts anew.
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from concepts.files import write_whole
from story.lineup import OnStage
from story.schema import LineupMember, Reply, SpokenLine, StoryRequest

DRAFT_FILENAME = "draft.json"
REPLIES_FILENAME = "replies.jsonl"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Beat(_Frozen):
    """What happens on a page: in words, who is in its picture, where."""

    beat: str
    who: tuple[LineupMember, ...]
    """As they are dressed on this page."""
    place: str

    @property
    def on_stage(self) -> OnStage:
        return OnStage(members=self.who, place=self.place)


class Outline(_Frozen):
    """The plan of a book; `beats` has the cover's, then one for each page."""

    title: str
    second_title: str = ""
    lineup: tuple[LineupMember, ...]
    beats: tuple[Beat, ...]


class Text(_Frozen):
    """A page's words."""

    text: str
    second_text: str = ""
    speech: tuple[SpokenLine, ...] = ()


class Shown(_Frozen):
    """A picture's prompt and concepts."""

    prompt: str
    concepts: tuple[str, ...]


class Draft(_Frozen):
    """All that is written so far, by page number; 0 is the cover."""

    key: str
    outline: Outline | None = None
    texts: dict[int, Text] = {}
    scenes: dict[int, Shown] = {}
    alts: dict[int, str] = {}
    filled: tuple[int, ...] = ()
    """Pages that the built-in storyteller had to fill; they are not asked for again."""
    free: tuple[int, ...] = ()
    """Pages whose pictures need not keep to the outline: the filled ones, and those that nothing else could draw."""

    @classmethod
    def of(cls, request: StoryRequest, *, writer: str) -> Self:
        """The empty draft of a request."""
        return cls(key=hashlib.sha256(f"{writer}\n{request.model_dump_json()}".encode()).hexdigest())


class DraftFolder:
    """Where a draft and the language model's replies lie until the book is done."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, empty: Draft) -> tuple[Draft, tuple[Reply, ...]]:
        """The draft that was left for the same request and the replies it took; else the empty one, kept, and none.

        Replies count for the draft beside them, so there is one before the first of them.
        """
        try:
            draft = Draft.model_validate_json((self.path / DRAFT_FILENAME).read_bytes())
            if draft.key == empty.key:
                return draft, read_replies(self.path / REPLIES_FILENAME)
        except (FileNotFoundError, ValidationError):
            pass
        self.clear()
        self.save(empty)
        return empty, ()

    def save(self, draft: Draft) -> None:
        """Keep the draft in place of the last one, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.path / DRAFT_FILENAME, draft.model_dump_json().encode())

    def add_reply(self, reply: Reply) -> None:
        """Keep a reply as it came."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / REPLIES_FILENAME).open("a", encoding="utf-8") as file:
            file.write(reply.model_dump_json() + "\n")

    def clear(self) -> None:
        """Forget it all."""
        shutil.rmtree(self.path, ignore_errors=True)


def write_replies(path: Path, replies: Sequence[Reply]) -> None:
    """All replies of a story as JSON, one a line; no file where there are none."""
    if replies:
        path.write_text("".join(reply.model_dump_json() + "\n" for reply in replies), encoding="utf-8")


def read_replies(path: Path) -> tuple[Reply, ...]:
    """The replies of a file, without a last one that was cut off in writing."""
    if not path.is_file():
        return ()
    replies: list[Reply] = []
    for line in path.read_text(encoding="utf-8").split("\n"):  # answers may have other separators of lines in them
        try:
            replies.append(Reply.model_validate_json(line))
        except ValidationError:
            break
    return tuple(replies)
