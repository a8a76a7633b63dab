"""The edition for reading on screens and printing at home: a tagged PDF after PDF/UA-1.

Knows nothing of presses; `print_pdf.py` does.
"""

import io
from collections.abc import Sequence
from types import ModuleType

import pikepdf
from markupsafe import Markup
from PIL import ImageFile

from story.book import Book, BookPicture
from story.design import Design, PrintSize
from story.editions.html import data_uri
from story.editions.layout import layout_of
from story.editions.paged import Leaf, Sheet, aligned, leaves_of
from story.editions.pdf_languages import carry_languages, name_languages
from story.editions.publication import png_of
from story.editions.style import paged_style
from story.editions.view import BookView, view_of
from story.errors import BookError
from story.templates import Templates

WIDTHS_IN: dict[PrintSize, float] = {"square": 8.5, "a4": 210 / 25.4}
HEIGHTS_IN: dict[PrintSize, float] = {"square": 8.5, "a4": 297 / 25.4}

_ONE_LEAF_A_PAGE = """
@page {{ size: {width}in {height}in; margin: 0; {more} }}
.leaf {{ break-after: page; }}
.leaf:last-child {{ break-after: auto; }}
.leaf[aria-label] {{ bookmark-level: 1; bookmark-label: attr(aria-label); }}
h1, h2 {{ bookmark-level: none; }}
"""


def pdf_edition(book: Book, templates: Templates) -> bytes:
    """The whole `book.pdf`, its pages as large as `Design.print_size` says. Equal arguments give equal bytes.

    Raises:
        BookError: A template cannot be used, or WeasyPrint's libraries are missing.
    """
    layout = layout_of(book.design, templates)
    view = view_of(book, templates, address=_png_uri, has_balloons=layout.has_balloons)
    leaves = leaves_of(view, layout, sheet_of(book.design), book.design)
    styles = page_style(book, templates, bleed_in=0)
    data = render_pdf(book, view, aligned(leaves), styles=styles, templates=templates, variant="pdf/ua-1")
    return _as_open_book(data, book)


def _png_uri(picture: BookPicture) -> str:
    return data_uri("image/png", png_of(picture))


def sheet_of(design: Design) -> Sheet:
    """The leaf of a design's print size."""
    return Sheet(round(100 * HEIGHTS_IN[design.print_size] / WIDTHS_IN[design.print_size], 3))


def page_style(book: Book, templates: Templates, *, bleed_in: float) -> str:
    """The style of one leaf a page, with so many inches of bleed on all sides."""
    size = book.design.print_size
    rem_in = WIDTHS_IN[size] / 100
    style = paged_style(
        book, templates, rem=f"{rem_in:.6f}in", sheet=sheet_of(book.design), bleed_rem=round(bleed_in / rem_in, 3)
    )
    more = f"bleed: {bleed_in:.6f}in;" if bleed_in else ""
    return style + _ONE_LEAF_A_PAGE.format(
        width=round(WIDTHS_IN[size], 6), height=round(HEIGHTS_IN[size], 6), more=more
    )


def load_weasyprint() -> ModuleType:
    """WeasyPrint, which is loaded only where a PDF is made, as it needs libraries that pip does not install.

    Raises:
        BookError: They are missing.
    """
    try:
        import weasyprint
    except OSError as error:
        raise BookError(
            f"A PDF needs the Pango library, which cannot be loaded: {error}. Install it "
            "(Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0), or leave PDF out."
        ) from error
    # WeasyPrint has Pillow take pictures that are cut short for whole, wherever else in the process they are opened.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    return weasyprint


def render_pdf(
    book: Book, view: BookView, leaves: Sequence[Leaf], *, styles: str, templates: Templates, variant: str | None
) -> bytes:
    """The leaves as a PDF, all letters embedded.

    Raises:
        BookError: A template cannot be used, or WeasyPrint's libraries are missing.
    """
    weasyprint = load_weasyprint()
    html = templates.render(
        "book/paged/pdf.html.j2",
        book=view,
        leaves=leaves,
        styles=Markup(styles),
        modified=book.modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    rendered = io.BytesIO()
    document = weasyprint.HTML(string=html)
    languages = carry_languages(document.etree_element) if variant else {}
    document.write_pdf(rendered, pdf_identifier=book.identifier.bytes, pdf_variant=variant)
    if not languages:
        return rendered.getvalue()
    with pikepdf.open(rendered) as pdf:
        name_languages(pdf, languages)
        return save_pdf(pdf)


def save_pdf(pdf: pikepdf.Pdf) -> bytes:
    """The bytes of a PDF, always the same for the same content."""
    saved = io.BytesIO()
    pdf.save(saved, deterministic_id=True)
    return saved.getvalue()


def _as_open_book(data: bytes, book: Book) -> bytes:
    """Viewers lay the leaves side by side as in the bound book, and turn them in its direction."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        pdf.Root.PageLayout = pikepdf.Name.TwoPageRight
        if book.direction == "rtl":
            pdf.Root.ViewerPreferences.Direction = pikepdf.Name.R2L
        return save_pdf(pdf)
