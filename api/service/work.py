"""What all work on tasks shares: how it tells how far it is, and what was made put into the store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from api.service.payloads import Artifact
from api.service.store import ContentStore
from api.service.tasks import Task, TaskKind


class Report(Protocol):
    """How work tells how far it is."""

    def __call__(self, type_: str, progress: Mapping[str, Any], *, preview: bytes | None = None) -> None:
        """Tell the type of an event, the job's progress, and a JPEG of how the picture stands that this is about.

        Raises:
            TaskCanceled: The work shall stop.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a task."""

    result: Mapping[str, Any]
    """As JSON has it."""
    picture: str | None = None
    """Hash of a picture that was drawn."""
    told: Mapping[str, Any] | None = None
    """The event that says so, of type "picture"."""
    is_as_asked: bool = True
    """Whether the picture is what the task asks for, so that others who ask for the same can have it."""


Finish = Callable[[], Done]
"""What is left to do of a task once its worker can begin the next: nothing that needs what it works with."""
Handler = Callable[[Task, Report], Done | Finish]

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".epub": "application/epub+zip",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".json": "application/json",
    ".lock": "application/json",
}


class Work(Protocol):
    """What one kind of worker can do."""

    @property
    def handlers(self) -> Mapping[TaskKind, Handler]:
        """How each kind of task is done."""
        ...

    @property
    def is_loading(self) -> bool:
        """Whether what it works with is being loaded, in the middle of a task too; asked from another thread."""
        ...

    def prepare(self) -> bool:
        """Get ready, such as by loading a model; False when that cannot be done yet and should be tried again."""
        ...

    def rest(self) -> None:
        """Give back what is only needed while there is something to do."""
        ...


def keep_file(store: ContentStore, path: Path) -> Artifact:
    """A file's content in the store."""
    content = path.read_bytes()
    return Artifact(
        sha256=store.put(content), bytes=len(content), media_type=_MEDIA_TYPES[path.suffix], filename=path.name
    )
