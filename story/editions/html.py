"""The edition for browsers: one file that needs no other, no network and no script."""

import base64
import hashlib
import io
from dataclasses import dataclass, fields

from markupsafe import Markup

from story.book import Book, BookPicture
from story.editions.layout import Group, groups_of, layout_of
from story.editions.view import BookView, view_of
from story.templates import Templates

_WEBP_QUALITY = 92
_MAX_ENLARGEMENT = 2


@dataclass(frozen=True)
class HtmlContext:
    """Every variable of `templates/book/book.html.j2`; `templates/README.md` says what each is."""

    book: BookView
    groups: tuple[Group, ...]
    plate_max_px: int
    grain: str
    styles: Markup
    script: Markup
    script_sha256: str


def html_edition(book: Book, templates: Templates) -> bytes:
    """The whole `book.html`, UTF-8. Equal arguments give equal bytes.

    Raises:
        BookError: A template cannot be used.
    """
    context = html_context(book, templates)
    variables = {field.name: getattr(context, field.name) for field in fields(context)}
    return templates.render("book/book.html.j2", **variables).encode("utf-8")


def html_context(book: Book, templates: Templates) -> HtmlContext:
    """Everything the template is given."""
    layout = layout_of(book.design, templates)
    view = view_of(book, templates, address=_smallest_uri, has_balloons=layout.has_balloons)
    script = templates.text("book/book.js")
    pictures = (book.cover, *(page.picture for page in book.pages))
    return HtmlContext(
        book=view,
        groups=groups_of(view, layout),
        plate_max_px=_MAX_ENLARGEMENT * max(picture.image.width for picture in pictures),
        grain=data_uri("image/png", templates.data("book/grain.png")),
        styles=Markup(_styles(book, templates)),
        script=Markup(script),
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
    )


def _styles(book: Book, templates: Templates) -> str:
    design = book.design
    names = (f"themes/{design.theme}.css", "book.css", "print.css", f"layouts/{design.layout}.css")
    return "\n".join(templates.text(f"book/{name}") for name in names)


def _smallest_uri(picture: BookPicture) -> str:
    """The picture itself as an address, in the smaller of two formats."""
    webp, png = io.BytesIO(), io.BytesIO()
    picture.image.save(webp, "WEBP", quality=_WEBP_QUALITY, method=6)
    picture.image.save(png, "PNG", optimize=True)
    kind, data = min(("webp", webp.getvalue()), ("png", png.getvalue()), key=lambda candidate: len(candidate[1]))
    return data_uri(f"image/{kind}", data)


def data_uri(media_type: str, data: bytes) -> str:
    """The data itself as an address."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
