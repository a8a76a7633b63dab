"""Tells memory that ran out, of a GPU or of the computer, from other errors. Needs no torch."""

from concepts.errors import FableverseError

_SAID = (
    "out of memory",
    "_status_alloc_failed",
    "can't allocate memory",
    "cannot allocate memory",
    "can't start new thread",
)
"""By PyTorch of a GPU's memory, by cuBLAS, cuDNN and their kin, which allocate for themselves, by PyTorch of the
computer's, in a plain RuntimeError as theirs, by the system (ENOMEM), and by Python where it has no stack for a thread,
as loading has several."""


def said_of_memory(error: BaseException) -> str | None:
    """The line in which an error, or what it came from, says that memory ran out; None where none does.

    Errors of ours are no such ones: what they say may be somebody's words.
    """
    cause: BaseException | None = None if isinstance(error, FableverseError) else error
    while cause is not None:
        text = str(cause)
        if isinstance(cause, MemoryError) or any(said in text.lower() for said in _SAID):
            return text.partition("\n")[0] or type(cause).__name__
        cause = cause.__cause__ or cause.__context__
    return None
