"""How a book looks, apart from its words and pictures. Knows no edition."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from story.errors import BookError
from story.schema import WholeNumber
from story.templates import Templates

PrintSize = Literal["square", "a4"]


class Design(BaseModel):
    """What a person chooses of a book's looks; all editions follow it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: str = "spread"
    """A file of `templates/book/layouts/`."""
    theme: str = "paper"
    """A file of `templates/book/themes/`."""
    panels: WholeNumber = Field(default=4, ge=2, le=6)
    """Most pictures on a page of a comic."""
    dyslexia: bool = Field(default=False, strict=True)
    """Plain letters, wider spacing, nothing justified or italic."""
    large_print: bool = Field(default=False, strict=True)
    """Letters half as large again, if the longest word then fits its column; fewer panels on a comic's page."""
    print_size: PrintSize = "square"
    """Of `book-print.pdf`: 8.5 × 8.5 inches, or A4."""


def check_design(design: Design, templates: Templates) -> None:
    """Raises `BookError` unless the templates have the design's layout and theme."""
    for what, name, known in (
        ("layout", design.layout, templates.choices("book/layouts", ".html.j2")),
        ("theme", design.theme, templates.choices("book/themes", ".css")),
    ):
        if name not in known:
            raise BookError(
                f"There is no {what} {name!r}: there are {', '.join(known)}. Name one of them, or add yours."
            )
