"""What can go wrong between an idea and a written book.

    FableverseError
    └── StoryError
        ├── InvalidRequest
        │   ├── InvalidScript
        │   └── UnsafeRequest
        ├── LanguageModelError
        │   ├── LanguageModelUnreachable
        │   ├── StoryNotWritten
        │   ├── BudgetExceeded
        │   └── ModerationUnavailable
        └── BookError
            └── NarrationError

Knows nothing of exit codes or screens: `api/errors.py` maps these to them. A language model's bad answer is no
error (`story/writer.py` repairs it or fills in and says so in a warning).
"""

from concepts.errors import FableverseError


class StoryError(FableverseError):
    """Root of everything `story/` raises; `api/` catches it and shows its message."""


class InvalidRequest(StoryError):
    """The request for a story contradicts itself. Raised by writers; the person changes idea, cast, pages or age."""


class InvalidScript(InvalidRequest):
    """A ready script cannot be read, or no picture be drawn of a page. The person corrects the script or its cast."""


class UnsafeRequest(InvalidRequest):
    """An idea, a prompt or a concept is not for children. The message names the reason; the person asks for another."""


class LanguageModelError(StoryError):
    """The language model cannot be used as it is configured. The person changes the model's name, key or address."""


class LanguageModelUnreachable(LanguageModelError):
    """The endpoint gave no answer (network, time-out, server error). The person tries again or does without it."""


class StoryNotWritten(LanguageModelError):
    """The language model answered, but nothing that a story could be made of, in a language nobody else here knows."""


class BudgetExceeded(LanguageModelError):
    """The next call could pass the budget. The person raises it; what is written is kept and goes on from there."""


class ModerationUnavailable(LanguageModelError):
    """The endpoint that judges texts gave no verdict, so none is let through. The person tries again."""


class BookError(StoryError):
    """The book cannot be written from these pages and pictures. Raised by `story/book.py`."""


class NarrationError(BookError):
    """A book cannot be read aloud: no voice, or no usable recording. The person installs or names one."""
