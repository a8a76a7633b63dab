"""The book as leaves of a fixed size, one side each: what the fixed EPUB and both PDFs show.

Lengths are in rem, hundredths of a leaf's width. Knows no file format.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from story.design import Design
from story.editions.fit import Box, fit_words
from story.editions.view import BookView, PageView
from story.errors import BookError
from story.templates import Templates

Place = Literal["verso", "recto", "any"]
"""Which half of an open book a leaf wants to be on; verso is the one that is read first."""


@dataclass(frozen=True)
class Leaf:
    """One side of one leaf."""

    name: str
    """Fit for a file and an XML id, unique in the book."""
    kind: Literal["cover", "page", "more", "end", "colophon", "blank"]
    """Of a page, "more" is what follows when its words do not fit it."""
    label: str
    """In tables of contents; empty for a leaf that is not listed."""
    place: Place = "any"
    page: PageView | None = None
    """Of "page" and "more", with the words that stand on this leaf."""
    side: str = ""
    """Of "page": one of the layout's sides."""
    text_rem: float = 0.0
    """Size of the letters."""


@dataclass(frozen=True)
class Sheet:
    """The size of a leaf."""

    height_rem: float
    """Its width is 100."""


SQUARE = Sheet(100)


def leaves_of(book: BookView, sheet: Sheet, design: Design, templates: Templates) -> tuple[Leaf, ...]:
    """All leaves in reading order, from the cover to the colophon.

    Raises:
        BookError: The layout's template does not say how it is to be used.
    """
    sides, room = _layout(design, sheet, templates)
    leaves = [Leaf(name="cover", kind="cover", label=book.labels["cover"], place="recto")]
    for page in book.pages:
        fitted = fit_words(page.texts, room, dyslexia=design.dyslexia, large_print=design.large_print)
        on_page = replace(page, texts=fitted.pieces[0])
        for index, side in enumerate(sides):
            place: Place = "any" if len(sides) == 1 else "recto" if index else "verso"
            leaves.append(
                Leaf(
                    name=f"page-{page.number:02}" + (f"-{side}" if index else ""),
                    kind="page",
                    label="" if index else page.label,
                    place=place,
                    page=on_page,
                    side=side,
                    text_rem=fitted.size_rem,
                )
            )
        for number, texts in enumerate(fitted.pieces[1:], start=1):
            name, more = f"page-{page.number:02}-more-{number}", replace(page, texts=texts)
            leaves.append(Leaf(name=name, kind="more", label="", page=more, text_rem=fitted.size_rem))
    return (
        *leaves,
        Leaf(name="end", kind="end", label=book.labels["end"]),
        Leaf(name="colophon", kind="colophon", label=""),
    )


def aligned(leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
    """The leaves with blank ones between them, so that in a bound book each is on the half it wants.

    The first leaf is a recto, as in every book.
    """
    placed: list[Leaf] = []
    for leaf in leaves:
        is_recto = len(placed) % 2 == 0
        if leaf.place not in ("any", "recto" if is_recto else "verso"):
            placed.append(blank_leaf(len(placed)))
        placed.append(leaf)
    return tuple(placed)


def blank_leaf(number: int) -> Leaf:
    """An empty leaf; `number` tells it from others."""
    return Leaf(name=f"blank-{number}", kind="blank", label="")


def _layout(design: Design, sheet: Sheet, templates: Templates) -> tuple[Sequence[str], Box]:
    """The sides of a layout's page and the room it leaves for words, as its template sets them."""
    name = f"book/layouts/{design.layout}.html.j2"
    sides, words = templates.value(name, "sides", None), templates.value(name, "words", None)
    if not (isinstance(sides, list) and len(sides) in (1, 2)) or not (isinstance(words, list) and len(words) == 2):
        raise BookError(
            f"The template {name!r} must set sides, a list of one or two names, and words, a list of the width that "
            "words have and the height that they have not, in hundredths of the page's width. Add what is missing."
        )
    return sides, Box(words[0], sheet.height_rem - words[1])
