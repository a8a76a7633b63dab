"""The edition for presses: bleed, boxes, 300 dots an inch, padded to a number of pages that can be bound.

It is the inside of the book; a press takes the outer cover as a file of its own. Colours are RGB.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil

import pikepdf
from PIL import Image

from story.book import Book, BookPicture
from story.design import PrintSize
from story.editions.html import data_uri
from story.editions.layout import layout_of
from story.editions.paged import Leaf, aligned, blank_leaf, leaves_of
from story.editions.pdf import HEIGHTS_IN, WIDTHS_IN, page_style, render_pdf, save_pdf, sheet_of
from story.editions.view import view_of
from story.templates import Templates

DPI = 300
_JPEG_QUALITY = 92
_POINTS_PER_IN = 72


@dataclass(frozen=True)
class Press:
    """What a kind of press wants."""

    bleed_in: float
    """Beyond the trimmed page, to be cut off."""
    bleeds_in_gutter: bool
    """Whether there is bleed on the side where pages are bound, too."""
    min_pages: int
    multiple: int
    """Of which the number of pages must be one."""


PRESSES: dict[PrintSize, Press] = {
    # Kindle Direct Publishing's paperback: no bleed in the gutter, 24 pages at least.
    "square": Press(bleed_in=0.125, bleeds_in_gutter=False, min_pages=24, multiple=2),
    # A European press that folds sheets of four pages.
    "a4": Press(bleed_in=3 / 25.4, bleeds_in_gutter=True, min_pages=8, multiple=4),
}


def print_pdf_edition(book: Book, templates: Templates) -> bytes:
    """The whole `book-print.pdf`. Equal arguments give equal bytes.

    Raises:
        BookError: A template cannot be used, or WeasyPrint's libraries are missing.
    """
    press, size = PRESSES[book.design.print_size], book.design.print_size
    layout = layout_of(book.design, templates)
    address = partial(_jpeg_uri, width_px=_dots(WIDTHS_IN[size], press), height_px=_dots(HEIGHTS_IN[size], press))
    view = view_of(book, templates, address=address, has_balloons=layout.has_balloons)
    leaves = padded(aligned(leaves_of(view, layout, sheet_of(book.design), book.design)), press)
    styles = page_style(book, templates, bleed_in=press.bleed_in)
    data = render_pdf(book, view, leaves, styles=styles, templates=templates, variant=None)
    with pikepdf.open(io.BytesIO(data)) as pdf:
        for key in ("/Outlines", "/Names", "/PageMode"):
            if key in pdf.Root:
                del pdf.Root[key]
        for index, page in enumerate(pdf.pages):
            is_right_hand = (index % 2 == 0) is (book.direction == "ltr")
            _set_boxes(page, press, size, gutter="left" if is_right_hand else "right")
        return save_pdf(pdf)


def padded(leaves: Sequence[Leaf], press: Press) -> tuple[Leaf, ...]:
    """The leaves, with blank ones at the end until the press can bind them."""
    count = max(len(leaves), press.min_pages)
    count += -count % press.multiple
    return (*leaves, *(blank_leaf(number) for number in range(len(leaves), count)))


def _set_boxes(page: pikepdf.Page, press: Press, size: PrintSize, *, gutter: str) -> None:
    """Shift the page's origin to the corner of what is printed, and say where it is cut."""
    bleed = press.bleed_in * _POINTS_PER_IN
    left = bleed if press.bleeds_in_gutter or gutter == "right" else 0
    right = bleed if press.bleeds_in_gutter or gutter == "left" else 0
    width, height = WIDTHS_IN[size] * _POINTS_PER_IN, HEIGHTS_IN[size] * _POINTS_PER_IN
    page.contents_add(f"q 1 0 0 1 {left:.4f} {bleed:.4f} cm\n".encode(), prepend=True)
    page.contents_add(b"\nQ")
    printed = _box(0, 0, left + width + right, height + 2 * bleed)
    page.mediabox = page.cropbox = printed
    page.obj.BleedBox = printed
    page.obj.TrimBox = _box(left, bleed, left + width, bleed + height)
    if "/ArtBox" in page.obj:
        del page.obj["/ArtBox"]


def _box(*corners: float) -> pikepdf.Array:
    return pikepdf.Array([round(corner, 4) for corner in corners])


def _dots(length_in: float, press: Press) -> int:
    """Dots along a side of the page with its bleed."""
    return ceil((length_in + 2 * press.bleed_in) * DPI)


def _jpeg_uri(picture: BookPicture, *, width_px: int, height_px: int) -> str:
    """The picture at a press's resolution, even where it covers the whole page of so many dots with its bleed."""
    image = picture.image
    scale = max(width_px / image.width, height_px / image.height)
    if scale > 1:
        image = image.resize((ceil(image.width * scale), ceil(image.height * scale)), Image.Resampling.LANCZOS)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=_JPEG_QUALITY, subsampling=0, dpi=(DPI, DPI))
    return data_uri("image/jpeg", jpeg.getvalue())
