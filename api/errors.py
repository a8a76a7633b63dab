"""Which error ends the program with which exit code: the one table, and the errors that only `api/` raises.

    FableverseError
    ├── UsageError         the command line contradicts itself
    ├── InvalidConfiguration   the configuration file or an environment variable has what cannot be used
    ├── LockMismatch       a book cannot be drawn again as its lock says
    ├── NoBook             a folder holds no book, or a damaged one
    ├── BookChanged        a book was edited while a command worked on it
    ├── ClusterError       the cluster that pictures are to be drawn on cannot be used
    ├── ServiceError       the service cannot do what a request asks; its tree is in api/service/errors.py
    └── OutputError        the place where something is to be written cannot be used

Knows nothing of printing: `api/execution.py` shows the messages.
"""

import errno
from typing import TypeVar

from api.exit_codes import BAD_INPUT, BROKEN_PIPE, DISK, INTERRUPTED, MODEL, STORY, UNEXPECTED, USAGE
from concepts.errors import ConceptError, DamagedLexicon, FableverseError
from generator.errors import GeneratorError, InvalidSlide, OutOfMemory
from generator.memory import said_of_memory
from story.errors import BookError, InvalidRequest, StoryError

Known = TypeVar("Known", bound=FableverseError)


class UsageError(FableverseError):
    """Raised while the command line is read; the person corrects the command."""


class InvalidConfiguration(FableverseError):
    """Raised by `Settings.read`; the person corrects the file or variable."""


class LockMismatch(FableverseError):
    """Raised before anything is drawn when a lock does not fit story, bank or model; the message says what differs."""


class NoBook(FableverseError):
    """Raised when a finished book is read; the person names another folder or restores the file."""


class BookChanged(FableverseError):
    """Raised before a book is replaced that was edited meanwhile; the person gives the same command again."""


class ClusterError(FableverseError):
    """Raised when a cluster is connected to; the person starts it, or corrects address or token."""


class ServiceError(FableverseError):
    """Root of what only the service raises; answered over HTTP."""


class OutputError(FableverseError):
    """Raised by everything that writes results; the person names another place or makes room."""


_EXIT_CODES: dict[type[BaseException], int] = {
    UsageError: USAGE,
    InvalidConfiguration: USAGE,
    InvalidSlide: USAGE,
    ServiceError: USAGE,
    ConceptError: BAD_INPUT,
    InvalidRequest: BAD_INPUT,
    LockMismatch: BAD_INPUT,
    NoBook: BAD_INPUT,
    BookChanged: BAD_INPUT,
    BookError: BAD_INPUT,
    StoryError: STORY,
    DamagedLexicon: MODEL,
    GeneratorError: MODEL,
    ClusterError: MODEL,
    OutputError: DISK,
    KeyboardInterrupt: INTERRUPTED,
    BrokenPipeError: BROKEN_PIPE,
}

_DISK_ADVICE = {
    errno.ENOSPC: "the disk is full. Make room or write elsewhere.",
    errno.EDQUOT: "your share of the disk is used up. Make room or write elsewhere.",
    errno.EROFS: "that file system cannot be written to. Write elsewhere.",
    errno.EACCES: "you have no permission to. Change the permissions or write elsewhere.",
    errno.EPERM: "you have no permission to. Change the permissions or write elsewhere.",
    errno.ENOENT: "it does not exist. Check the path.",
    errno.ENOTDIR: "a part of the path is a file, not a folder. Check the path.",
    errno.EISDIR: "it is a folder, not a file. Check the path.",
    errno.EEXIST: "something of that name stands there. Choose another name.",
    errno.ENAMETOOLONG: "the name is too long. Choose a shorter one.",
    errno.EFBIG: "the file would be larger than allowed. Raise the limit or write elsewhere.",
    errno.EIO: "the disk reports a fault. Check it or write elsewhere.",
    errno.EMFILE: "too many files are open. Raise the limit (ulimit -n).",
}


def exit_code_of(error: BaseException) -> int:
    """The exit code of the nearest class in the table; `UNEXPECTED` when none of the error's classes is in it."""
    for cls in type(error).__mro__:
        if cls in _EXIT_CODES:
            return _EXIT_CODES[cls]
    return UNEXPECTED


def notes_of(error: BaseException) -> tuple[str, ...]:
    """What was added to an error on its way, such as what is kept of the work that it stopped."""
    return tuple(getattr(error, "__notes__", ()))


def as_memory_error(error: Exception) -> OutOfMemory | None:
    """What an error that says that memory ran out means for a person; None when it says nothing of that."""
    said = said_of_memory(error)
    if said is None:
        return None
    known = OutOfMemory(
        f"Memory ran out ({said}). End other programs, allow this one more memory where it has a limit (ulimit -v), or "
        "name a smaller model."
    )
    return _noted(known, error)


def as_output_error(error: Exception) -> OutputError | None:
    """What an operating system's error about a file means for a person; None when it is none about files."""
    if not isinstance(error, OSError) or error.errno not in _DISK_ADVICE:
        return None
    named = repr(str(error.filename)) if error.filename is not None else "A file"
    known = OutputError(f"{named} could not be read or written: {_DISK_ADVICE[error.errno]}")
    return _noted(known, error)


def _noted(known: Known, error: Exception) -> Known:
    """What an error means, with the error's own notes."""
    for note in notes_of(error):
        known.add_note(note)
    return known
