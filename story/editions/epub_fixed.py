"""The EPUB whose pages look the same everywhere: square leaves of a fixed size."""

from story.book import Book
from story.editions.layout import layout_of
from story.editions.paged import SQUARE, Leaf, leaves_of
from story.editions.publication import Part, picture_address, publish
from story.editions.style import paged_style
from story.editions.view import view_of
from story.templates import Templates

_PX_PER_REM = 12
_DOCUMENT = "book/epub/fixed.xhtml.j2"


def epub_fixed_edition(book: Book, templates: Templates) -> bytes:
    """The whole `book.epub`, an EPUB 3.3. Equal arguments give equal bytes.

    Raises:
        BookError: A template cannot be used.
    """
    layout = layout_of(book.design, templates)
    view = view_of(book, templates, address=picture_address, has_balloons=layout.has_balloons)
    leaves = leaves_of(view, layout, SQUARE, book.design)
    width_px, height_px = 100 * _PX_PER_REM, round(SQUARE.height_rem * _PX_PER_REM)
    parts = [
        Part(
            name=leaf.name,
            label=leaf.label,
            document=templates.render(_DOCUMENT, book=view, leaf=leaf, width_px=width_px, height_px=height_px),
            place=_place(leaf, book.direction == "rtl"),
        )
        for leaf in leaves
    ]
    style = paged_style(book, templates, rem=f"{_PX_PER_REM}px", sheet=SQUARE, bleed_rem=0)
    return publish(book, view, parts, style=style, layout="pre-paginated", templates=templates)


def _place(leaf: Leaf, is_rtl: bool) -> str:
    if leaf.kind == "cover":
        return "rendition:page-spread-center"
    if leaf.place == "any":
        return ""
    return "page-spread-left" if (leaf.place == "verso") is not is_rtl else "page-spread-right"
