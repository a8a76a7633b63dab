"""What a layout's template says of itself, and which pages of the story stand together by it."""

from collections.abc import Sequence
from dataclasses import dataclass

from story.design import Design
from story.editions.view import BookView, PageView
from story.errors import BookError
from story.templates import Templates


@dataclass(frozen=True)
class Layout:
    """What `layouts/NAME.html.j2` sets at its top level."""

    sides: tuple[str, ...]
    """One name for a single page, two for an open spread, the one read first before the other."""
    words_width: float
    """Of words on a page of a fixed size, in hundredths of its width."""
    words_reserved: float
    """What words leave of a page's height for all else, in the same measure."""
    max_pages: int
    """How many pages of the story stand on one page at most; if more than one, they are panels."""
    has_panels: bool
    """Whether pages of the story are panels, even where one stands alone."""
    has_balloons: bool
    """Whether speech stands in balloons on the pictures."""


@dataclass(frozen=True)
class Group:
    """The pages of the story that stand on one page of the book."""

    number: int
    """Of the first of them."""
    label: str
    read: float
    """Share of the book that lies behind."""
    pages: tuple[PageView, ...]


def layout_of(design: Design, templates: Templates) -> Layout:
    """The design's layout.

    Raises:
        BookError: Its template cannot be used or does not say what it must.
    """
    name = f"book/layouts/{design.layout}.html.j2"
    sides, words = templates.value(name, "sides", None), templates.value(name, "words", None)
    max_pages = templates.value(name, "max_pages", 1)
    if (
        not (isinstance(sides, list) and len(sides) in (1, 2))
        or not (isinstance(words, list) and len(words) == 2)
        or not (isinstance(max_pages, int) and max_pages >= 1)
    ):
        raise BookError(
            f"The template {name!r} must set sides, a list of one or two names, and words, a list of the width that "
            "words have and the height that they have not, in hundredths of the page's width; max_pages, if set, is a "
            "whole number from 1. Add or correct that."
        )
    return Layout(
        sides=tuple(map(str, sides)),
        words_width=float(words[0]),
        words_reserved=float(words[1]),
        max_pages=min(max_pages, design.panels),
        has_panels=max_pages > 1,
        has_balloons=bool(templates.value(name, "balloons", False)),
    )


def groups_of(book: BookView, layout: Layout) -> tuple[Group, ...]:
    """All pages of the story in groups as equal as can be.

    In large print two panels share a page at most, one where two did, so that pictures grow with their balloons.
    """
    count, most = len(book.pages), layout.max_pages
    if book.large_print:
        most = min(2, most - 1) if most > 1 else 1
    num_groups = -(-count // most)
    bounds = [index * count // num_groups for index in range(num_groups + 1)]
    return tuple(_group(book.pages[start:stop], book) for start, stop in zip(bounds[:-1], bounds[1:], strict=True))


def _group(pages: Sequence[PageView], book: BookView) -> Group:
    first, last = pages[0], pages[-1]
    several = book.labels["pages"].format(first=first.number, last=last.number, count=len(book.pages))
    label = first.label if first is last else several
    return Group(number=first.number, label=label, read=last.read, pages=tuple(pages))
