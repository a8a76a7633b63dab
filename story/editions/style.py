"""Styles put together: the book's colours, its theme, what the edition needs, the layout's own."""

from story.book import Book
from story.editions.paged import Sheet
from story.templates import Templates


def paged_style(book: Book, templates: Templates, *, rem: str, sheet: Sheet, bleed_rem: float) -> str:
    """The style of leaves of a fixed size.

    Args:
        book: Its colours and design.
        templates: Where themes and layouts are.
        rem: A hundredth of a leaf's width as a CSS length.
        sheet: The leaf's size.
        bleed_rem: How far beyond the leaf its ground reaches, to be cut off.

    Raises:
        BookError: A file is missing.
    """
    palette = book.palette
    values = (
        f"html {{ font-size: {rem}; }}\n:root {{ --leaf-height: {sheet.height_rem}rem; --bleed: {bleed_rem}rem; "
        f"--cloth: {palette.cloth}; --cloth-deep: {palette.cloth_deep}; --foil: {palette.foil}; "
        f"--accent-on-light: {palette.accent_on_light}; --accent-on-dark: {palette.accent_on_dark}; }}"
    )
    design = book.design
    files = (f"themes/{design.theme}.css", "paged/leaf.css", f"layouts/{design.layout}.paged.css")
    return "\n".join([values, *(templates.text(f"book/{name}") for name in files)])
