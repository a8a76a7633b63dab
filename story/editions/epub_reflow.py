"""The EPUB whose text flows: for small screens, large letters and screen readers."""

from story.book import Book
from story.editions.publication import Part, picture_address, publish
from story.editions.view import view_of
from story.templates import Templates

_DOCUMENT = "book/epub/reflow.xhtml.j2"


def epub_reflow_edition(book: Book, templates: Templates) -> bytes:
    """The whole `book-reflow.epub`, an EPUB 3.3. Equal arguments give equal bytes.

    Raises:
        BookError: A template cannot be used.
    """
    view = view_of(book, templates, address=picture_address)

    def part(name: str, kind: str, label: str, page: object = None) -> Part:
        document = templates.render(_DOCUMENT, book=view, kind=kind, label=label, page=page)
        return Part(name=name, label=label, document=document)

    parts = [
        part("cover", "cover", view.labels["cover"]),
        *(part(f"page-{page.number:02}", "page", page.label, page) for page in view.pages),
        part("end", "end", view.labels["end"]),
    ]
    style = templates.text("book/epub/reflow.css")
    return publish(book, view, parts, style=style, layout="reflowable", templates=templates)
