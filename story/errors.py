"""What can go wrong between an idea and a written book.

    FableverseError
    └── StoryError
        ├── InvalidRequest
        ├── LanguageModelError
        │   └── LanguageModelUnreachable
        └── BookError

Knows nothing of exit codes or screens: `api/errors.py` maps these to them. A language model's bad answer is no
error (`story/writer.py` repairs it or fills in and says so in a warning).
"""

from concepts.errors import FableverseError


class StoryError(FableverseError):
    """Root of everything `story/` raises; `api/` catches it and shows its message."""


class InvalidRequest(StoryError):
    """The request for a story contradicts itself. Raised by writers; the person changes idea, cast, pages or age."""


class LanguageModelError(StoryError):
    """The language model cannot be used as it is configured. The person changes the model's name, key or address."""


class LanguageModelUnreachable(LanguageModelError):
    """The endpoint gave no answer (network, time-out, server error). The person tries again or does without it."""


class BookError(StoryError):
    """The book cannot be written from these pages and pictures. Raised by `story/book.py`."""
