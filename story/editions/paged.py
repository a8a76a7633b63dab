"""The book as leaves of a fixed size, one side each: what the fixed EPUB and both PDFs show.

Lengths are in rem, hundredths of a leaf's width. Knows no file format.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from story.design import Design
from story.editions.fit import Fitted, Room, fit_words
from story.editions.layout import Group, Layout, groups_of
from story.editions.panels import Grid, grid_of
from story.editions.view import BookView, PageView

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
    pages: tuple[PageView, ...] = ()
    """Of "page" and "more": the story's pages on this leaf, with the words that stand on it."""
    side: str = ""
    """Of "page": one of the layout's sides."""
    text_rem: float = 0.0
    """Size of the letters."""
    grid: Grid | None = None
    """How panels share it, if it has any."""


@dataclass(frozen=True)
class Sheet:
    """The size of a leaf."""

    height_rem: float
    """Its width is 100."""


SQUARE = Sheet(100)


def leaves_of(book: BookView, layout: Layout, sheet: Sheet, design: Design) -> tuple[Leaf, ...]:
    """All leaves in reading order, from the cover to the colophon."""
    room = Room(layout.words_width, sheet.height_rem - layout.words_reserved)
    leaves = [Leaf(name="cover", kind="cover", label=book.labels["cover"], place="recto")]
    groups = groups_of(book, layout)
    fits: dict[int, Fitted] = {}
    for group in groups:
        is_comic = layout.max_pages > 1
        words = grid_of(len(group.pages), sheet.height_rem).words if is_comic else room
        for page in group.pages:
            fits[page.number] = fit_words(
                page.texts, words, dyslexia=design.dyslexia, large_print=design.large_print, small=is_comic
            )
    # All pages of a book have letters of one size: the fullest page's.
    size = min(fitted.size_rem for fitted in fits.values())
    for group in groups:
        leaves += _group_leaves(group, layout, fits, size, sheet)
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


def _group_leaves(
    group: Group, layout: Layout, fits: Mapping[int, Fitted], size_rem: float, sheet: Sheet
) -> Iterator[Leaf]:
    """The sides that a group has by its layout, then what does not fit them."""
    shown = tuple(replace(page, texts=fits[page.number].pieces[0]) for page in group.pages)
    for index, side in enumerate(layout.sides):
        yield Leaf(
            name=f"page-{group.number:02}" + (f"-{side}" if index else ""),
            kind="page",
            label="" if index else group.label,
            place="any" if len(layout.sides) == 1 else "recto" if index else "verso",
            pages=shown,
            side=side,
            text_rem=size_rem,
            grid=grid_of(len(group.pages), sheet.height_rem) if layout.max_pages > 1 else None,
        )
    for page in group.pages:
        for number, texts in enumerate(fits[page.number].pieces[1:], start=1):
            more = replace(page, texts=texts)
            yield Leaf(
                name=f"page-{page.number:02}-more-{number}",
                kind="more",
                label="",
                pages=(more,),
                text_rem=size_rem,
            )
