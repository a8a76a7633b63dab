"""What both EPUB editions share: manifest, spine, metadata, navigation, pictures as files."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    overlay: "Overlay | None" = None
    """Who reads it, where it is read aloud."""

    @property
    def seconds(self) -> float:
        """How long that takes."""
        return sum(clip.stop - clip.start for clip in self.overlay.clips) if self.overlay else 0.0


@dataclass(frozen=True)
class OverlayClip:
    """When a sentence of a document is said."""

    sentence: str
    audio: str
    """Where the recording lies."""
    start: float
    stop: float


@dataclass(frozen=True)
class Overlay:
    """What is said while a document is shown."""

    id: str
    clips: tuple[OverlayClip, ...]


@dataclass(frozen=True)
class Resource:
    """One file of the manifest."""

    id: str
    href: str
    media_type: str
    data: bytes
    properties: str = ""
    overlay: str = ""
    """Id of the overlay that reads a document aloud."""


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
    parts = [_with_overlay(part, book) for part in parts]
    documents = [
        Resource(
            id=part.name,
            href=f"{part.name}.xhtml",
            media_type=XHTML,
            data=part.document.encode(),
            properties="svg" if "<svg " in part.document else "",
            overlay=part.overlay.id if part.overlay else "",
        )
        for part in parts
    ]
    sheet = Resource("style", "style.css", "text/css", style.encode())
    resources = [*documents, sheet, *_pictures(book), *_sounds(book, parts, templates)]
    variables = {
        "book": view,
        "parts": parts,
        "resources": resources,
        "rendition": layout,
        "narrator": book.narrator,
        "seconds": sum(part.seconds for part in parts),
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


def _with_overlay(part: Part, book: Book) -> Part:
    """The document with what is said of the sentences that it has."""
    clips = tuple(
        OverlayClip(sentence=sentence, audio=f"audio/{page.recording.name}", start=start, stop=stop)
        for page in book.pages
        if page.recording
        for sentence, start, stop in page.recording.clips
        if f'id="{sentence}"' in part.document
    )
    return replace(part, overlay=Overlay(id=f"{part.name}-overlay", clips=clips)) if clips else part


def _sounds(book: Book, parts: Sequence[Part], templates: Templates) -> list[Resource]:
    """Recordings, and the overlays that say when which sentence is heard."""
    used = {clip.audio for part in parts if part.overlay for clip in part.overlay.clips}
    recordings = [page.recording for page in book.pages if page.recording and f"audio/{page.recording.name}" in used]
    overlays = [
        Resource(
            id=part.overlay.id,
            href=f"{part.name}.smil",
            media_type="application/smil+xml",
            data=templates.render("book/epub/overlay.smil.j2", part=part).encode(),
        )
        for part in parts
        if part.overlay
    ]
    sounds = [
        Resource(
            id=f"audio-{each.name.removesuffix('.mp3')}",
            href=f"audio/{each.name}",
            media_type="audio/mpeg",
            data=each.data,
        )
        for each in recordings
    ]
    return [*overlays, *sounds]


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
