"""A story under way: what is written so far, kept on disk after every item, so that nothing written is lost.

Knows nothing of language models. A draft belongs to one request and one writer: another request starts anew.
"""

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
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
    """Of the request and its writer; the name of the folder it lies in."""
    outline: Outline | None = None
    is_planned: bool = False
    """Whether the outline is settled: texts follow it, so it is neither judged nor asked for again."""
    texts: dict[int, Text] = {}
    scenes: dict[int, Shown] = {}
    alts: dict[int, str] = {}
    filled: tuple[int, ...] = ()
    """Pages that the built-in storyteller had to fill; they are not asked for again."""
    free: tuple[int, ...] = ()
    """Pages whose pictures need not keep to the outline: the filled ones, and those that nothing else could draw."""
    warnings: tuple[str, ...] = ()
    """What a person should know about how it came about."""

    @classmethod
    def of(cls, request: StoryRequest, *, writer: str) -> Self:
        """The empty draft of a request."""
        return cls(key=hashlib.sha256(f"{writer}\n{request.model_dump_json()}".encode()).hexdigest()[:16])


class DraftFolder:
    """Where drafts and the language model's replies to them lie until their books are done, each by itself."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, empty: Draft) -> tuple[Draft, tuple[Reply, ...]]:
        """The draft that was left for the same request, else the empty one, and the replies it took."""
        folder = self._of(empty)
        replies = read_replies(folder / REPLIES_FILENAME)
        try:
            return Draft.model_validate_json((folder / DRAFT_FILENAME).read_bytes()), replies
        except (FileNotFoundError, ValidationError):
            return empty, replies

    def save(self, draft: Draft) -> None:
        """Keep the draft in place of the last one of its request, whole or not at all."""
        folder = self._of(draft)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / DRAFT_FILENAME, draft.model_dump_json().encode())

    def add_reply(self, draft: Draft, reply: Reply) -> None:
        """Keep a reply as it came."""
        folder = self._of(draft)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / REPLIES_FILENAME).open("a", encoding="utf-8") as file:
            file.write(reply.model_dump_json() + "\n")

    def has_others(self, draft: Draft) -> bool:
        """Whether drafts of other requests lie here."""
        return any(path.parent != self._of(draft) for path in self.path.glob(f"*/{REPLIES_FILENAME}"))

    def clear(self, draft: Draft) -> None:
        """Forget the draft of a request and its replies."""
        shutil.rmtree(self._of(draft), ignore_errors=True)
        with suppress(OSError):  # drafts of others lie there, or none ever did
            self.path.rmdir()

    def _of(self, draft: Draft) -> Path:
        return self.path / draft.key


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
