"""What can go wrong in the service and nowhere else, and which HTTP status every error of Fableverse has.

FableverseError
├── NotFound             there is no such thing, or it is somebody else's
├── WrongState           the thing is not in a state for what is asked
├── InvalidInput         a value of the request cannot be used
├── EditConflict         the thing was edited by somebody else since it was read
├── MissingPrecondition  an edit does not say which version it is of
├── NotReady             the service cannot take work now
├── TaskFailed           a part of a job ended badly
├── TaskCanceled         a part of a job was called off
├── WorkerLost           what a part of a job was being done by is gone
├── DamagedArtifact      what the store holds is not what was put there
└── UnusableDatabase     the database is another version's, or cannot be opened
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from api.errors import LockMismatch, OutputError, ServiceError, UsageError
from concepts.errors import ConceptError, ConceptExists, DamagedConcept, FableverseError, UnknownConcept
from generator.errors import GeneratorError, InvalidSettings, InvalidSlide, PromptTooLong
from story.errors import BookError, InvalidRequest, ModerationUnavailable, StoryError


class NotFound(ServiceError):
    """Raised for an id that the owner has nothing of; the caller looks the id up again."""


class WrongState(ServiceError):
    """Raised when a job or thing cannot do what is asked in its state; the message says what it can."""


class InvalidInput(ServiceError):
    """Raised when a request is well formed and still cannot be used; the caller corrects it."""


class EditConflict(ServiceError):
    """Raised by an edit of an old version; the caller reads the new one and edits that."""


class MissingPrecondition(ServiceError):
    """Raised by an edit that names no version; the caller sends If-Match with the ETag it read."""


class NotReady(ServiceError):
    """Raised when nothing can be made at present; the caller tries again later."""


class TaskFailed(ServiceError):
    """Raised within a job whose part failed; the job's error tells the caller."""

    def __init__(self, message: str, *, kind: str = "TaskFailed") -> None:
        super().__init__(message)
        self.kind = kind
        """Name of the error that it failed with."""


class TaskCanceled(ServiceError):
    """Raised within a job, and within the work on its part, when it was canceled."""


class WorkerLost(ServiceError):
    """Raised within the work on a part of a job when what does it is gone; somebody else does the part again."""


class DamagedArtifact(ServiceError):
    """Raised by the store for bytes that do not have the hash they are kept under; a retry makes them again."""


class UnusableDatabase(ServiceError):
    """Raised when the service starts; the person uses the version that made the database, or names another one."""


def task_failed(error: Mapping[str, Any] | None) -> TaskFailed:
    """The error of a task or job as it was kept."""
    told = error or {}
    return TaskFailed(
        str(told.get("message", "A part of the job failed.")), kind=str(told.get("type", TaskFailed.__name__))
    )


_STATUSES: Mapping[type[BaseException], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    UnknownConcept: HTTPStatus.NOT_FOUND,
    WrongState: HTTPStatus.CONFLICT,
    ConceptExists: HTTPStatus.CONFLICT,
    DamagedConcept: HTTPStatus.INTERNAL_SERVER_ERROR,
    LockMismatch: HTTPStatus.CONFLICT,
    EditConflict: HTTPStatus.PRECONDITION_FAILED,
    MissingPrecondition: HTTPStatus.PRECONDITION_REQUIRED,
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidSlide: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidSettings: HTTPStatus.UNPROCESSABLE_ENTITY,
    PromptTooLong: HTTPStatus.UNPROCESSABLE_ENTITY,
    ConceptError: HTTPStatus.UNPROCESSABLE_ENTITY,
    BookError: HTTPStatus.UNPROCESSABLE_ENTITY,
    StoryError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ModerationUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    TaskFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    OutputError: HTTPStatus.INSUFFICIENT_STORAGE,
    DamagedArtifact: HTTPStatus.INTERNAL_SERVER_ERROR,
    GeneratorError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(error: BaseException) -> HTTPStatus:
    """The status of the nearest class in the table; 500 when none of the error's classes is in it.

    Of a part of a job it is 422 where it failed with what whoever asked for it can correct.
    """
    if isinstance(error, TaskFailed):
        failed = next((cls for cls in _kinds_of(FableverseError) if cls.__name__ == error.kind), TaskFailed)
        is_theirs = _status_of_kind(failed) < HTTPStatus.INTERNAL_SERVER_ERROR
        return HTTPStatus.UNPROCESSABLE_ENTITY if is_theirs else HTTPStatus.INTERNAL_SERVER_ERROR
    return _status_of_kind(type(error))


def _status_of_kind(kind: type[BaseException]) -> HTTPStatus:
    for cls in kind.__mro__:
        if cls in _STATUSES:
            return _STATUSES[cls]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _kinds_of(cls: type[FableverseError]) -> Iterator[type[FableverseError]]:
    yield cls
    for kind in cls.__subclasses__():
        yield from _kinds_of(kind)
