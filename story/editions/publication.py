"""What both EPUB editions share: manifest, spine, metadata, navigation, pictures as files."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid5

from story.book import Book, BookPicture
from story.editions.view import BookView
from story.editions.zipped import zip_epub
from story.templates import Templates

XHTML = "application/xhtml+xml"


@dataclass(frozen=True)
class Part:
    """One document in reading order."""

    name: str
    """Of its file, without ending; fit for an XML id."""
    label: str
    """In the table of contents; empty for a document that is not listed."""
    document: str
    place: str = ""
    """The spine's properties, such as "page-spread-left"."""


@dataclass(frozen=True)
class Resource:
    """One file of the manifest."""

    id: str
    href: str
    media_type: str
    data: bytes
    properties: str = ""


def picture_address(picture: BookPicture) -> str:
    """Where a picture lies in an EPUB."""
    return f"pictures/{picture.name}.png"


def publish(
    book: Book,
    view: BookView,
    parts: Sequence[Part],
    *,
    style: str,
    layout: str,
    templates: Templates,
) -> bytes:
    """The whole EPUB of these documents.

    Args:
        book: Its pictures and identity.
        view: The same book as the documents' templates saw it.
        parts: The documents in reading order, the cover's first.
        style: Of all documents.
        layout: `rendition:layout`, "pre-paginated" or "reflowable".
        templates: Of package and navigation.

    Raises:
        BookError: A template cannot be used.
    """
    documents = [
        Resource(
            id=part.name,
            href=f"{part.name}.xhtml",
            media_type=XHTML,
            data=part.document.encode(),
            properties="svg" if "<svg " in part.document else "",
        )
        for part in parts
    ]
    resources = [*documents, Resource("style", "style.css", "text/css", style.encode()), *_pictures(book)]
    variables = {
        "book": view,
        "parts": parts,
        "resources": resources,
        "rendition": layout,
        "identifier": uuid5(book.identifier, layout).urn,
        "modified": book.modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return zip_epub(
        {
            "package.opf": templates.render("book/epub/package.opf.j2", **variables).encode(),
            "nav.xhtml": templates.render("book/epub/nav.xhtml.j2", book=view, parts=parts).encode(),
            **{resource.href: resource.data for resource in resources},
        }
    )


def _pictures(book: Book) -> list[Resource]:
    portraits = [member.portrait for member in book.cast if member.portrait]
    pictures = [book.cover, *(page.picture for page in book.pages), *portraits]
    return [
        Resource(
            id=f"picture-{picture.name}",
            href=picture_address(picture),
            media_type="image/png",
            data=png_of(picture),
            properties="cover-image" if picture is book.cover else "",
        )
        for picture in pictures
    ]


def png_of(picture: BookPicture) -> bytes:
    """The picture as a PNG file: every reading system shows one, which is not yet so of WebP."""
    png = io.BytesIO()
    picture.image.save(png, "PNG", optimize=True)
    return png.getvalue()
