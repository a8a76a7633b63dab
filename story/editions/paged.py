"""The book as leaves of a fixed size, one side each: what the fixed EPUB and both PDFs show.

Lengths are in rem, hundredths of a leaf's width. Knows no file format.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from story.design import Design
from story.editions.endings import cast_on_leaves, colophon_on_leaves
from story.editions.fit import Room, Words, large_size_of, part_words, size_of
from story.editions.layout import Group, Layout, groups_of
from story.editions.panels import Grid, grid_of
from story.editions.view import BookView, CastView, ColophonView, PageView

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
    cast: tuple[CastView, ...] = ()
    """Of "end": who is named here."""
    colophon: tuple[ColophonView, ...] = ()
    """Of "colophon": the lines that stand here."""
    goes_on: bool = False
    """Of "end" and "colophon": whether it goes on from the leaf before."""


@dataclass(frozen=True)
class Sheet:
    """The size of a leaf."""

    height_rem: float
    """Its width is 100."""


SQUARE = Sheet(100)
_MORE_WIDTH_REM = 84
_MORE_RESERVED_REM = 22
"""Of a leaf's height, above and below words that stand alone on it."""


def leaves_of(book: BookView, layout: Layout, sheet: Sheet, design: Design) -> tuple[Leaf, ...]:
    """All leaves in reading order, from the cover to the colophon."""
    size = _text_size(book, layout, sheet, design)
    leaves = [Leaf(name="cover", kind="cover", label=book.labels["cover"], place="recto")]
    for group in groups_of(book, layout):
        leaves += _group_leaves(group, layout, size, sheet, design)
    return (*leaves, *_last_leaves(book, sheet))


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


def _text_size(book: BookView, layout: Layout, sheet: Sheet, design: Design) -> float:
    """Of the letters of all pages, in rem: what the fullest page allows."""

    def words_of(view: BookView) -> list[Words]:
        return [_words(page, group, layout, sheet) for group in groups_of(view, layout) for page in group.pages]

    plain = words_of(replace(book, large_print=False))
    size = size_of(plain, dyslexia=design.dyslexia, small=layout.has_panels)
    return large_size_of(size, words_of(book), dyslexia=design.dyslexia) if design.large_print else size


def _words(page: PageView, group: Group, layout: Layout, sheet: Sheet) -> Words:
    room = Room(layout.words_width, sheet.height_rem - layout.words_reserved)
    if layout.has_panels:
        room = grid_of(len(group.pages), sheet.height_rem).words
    return Words(page.texts, room, Room(_MORE_WIDTH_REM, sheet.height_rem - _MORE_RESERVED_REM))


def _group_leaves(group: Group, layout: Layout, size_rem: float, sheet: Sheet, design: Design) -> Iterator[Leaf]:
    """The sides that a group has by its layout, then what does not fit them."""
    pieces = [
        part_words(_words(page, group, layout, sheet), size_rem, dyslexia=design.dyslexia) for page in group.pages
    ]
    shown = tuple(replace(page, texts=first) for page, (first, *_) in zip(group.pages, pieces, strict=True))
    for index, side in enumerate(layout.sides):
        yield Leaf(
            name=f"page-{group.number:02}" + (f"-{side}" if index else ""),
            kind="page",
            label="" if index else group.label,
            place="any" if len(layout.sides) == 1 else "recto" if index else "verso",
            pages=shown,
            side=side,
            text_rem=size_rem,
            grid=grid_of(len(group.pages), sheet.height_rem) if layout.has_panels else None,
        )
    for page, (_, *others) in zip(group.pages, pieces, strict=True):
        for number, texts in enumerate(others, start=1):
            yield Leaf(
                name=f"page-{page.number:02}-more-{number}",
                kind="more",
                label="",
                pages=(replace(page, texts=texts),),
                text_rem=size_rem,
            )


def _last_leaves(book: BookView, sheet: Sheet) -> Iterator[Leaf]:
    """Who was in the book, then how it was made, each on as many leaves as it takes."""
    for number, cast in enumerate(cast_on_leaves(book, sheet.height_rem)):
        name, label = (f"end-more-{number}", "") if number else ("end", book.labels["end"])
        yield Leaf(name=name, kind="end", label=label, cast=cast, goes_on=number > 0)
    for number, entries in enumerate(colophon_on_leaves(book, sheet.height_rem)):
        name = f"colophon-more-{number}" if number else "colophon"
        yield Leaf(name=name, kind="colophon", label="", colophon=entries, goes_on=number > 0)
