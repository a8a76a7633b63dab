"""Story and pictures in, one self-contained HTML file out.

Knows nothing of language models, concepts' directions or how a picture was drawn. Equal arguments give equal bytes:
nothing here asks for the time, the machine or chance.
"""

import base64
import hashlib
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from concepts.pictures import open_picture
from concepts.schema import ConceptCard
from story.errors import BookError
from story.languages import primary_language
from story.palette import Palette, palette_of
from story.schema import Page, Story

TEMPLATES_DIR = Path(__file__).resolve().parent.parent / "templates"
BOOK_FILENAME = "book.html"
STORY_FILENAME = "story.json"

_WEBP_QUALITY = 92
_MAX_ENLARGEMENT = 2
_PORTRAIT_PX = 256
_SHORT_TEXT_CHARACTERS = 150
_LONG_TEXT_CHARACTERS = 380


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture inside the page: its bytes as a data URI, its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class CoverView:
    """What the template knows of the cover."""

    picture: EmbeddedPicture
    alt: str


@dataclass(frozen=True)
class PageView:
    """What the template knows of one page."""

    number: int
    label: str
    paragraphs: tuple[str, ...]
    length: Literal["short", "medium", "long"]
    picture: EmbeddedPicture
    alt: str
    read: float


@dataclass(frozen=True)
class CastView:
    """What the template knows of one concept on the last page."""

    name: str
    word: str
    portrait: EmbeddedPicture | None


@dataclass(frozen=True)
class BookContext:
    """Every variable of `templates/book/book.html.j2`; `templates/README.md` says what each is."""

    title: str
    language: str
    direction: str
    labels: Mapping[str, str]
    labels_language: str
    palette: Palette
    plate_max_px: int
    grain: str
    styles: Markup
    script: Markup
    script_sha256: str
    cover: CoverView
    pages: tuple[PageView, ...]
    cast: tuple[CastView, ...]
    colophon: tuple[tuple[str, str], ...]


def write_book(
    story: Story,
    pictures: Sequence[Path],
    out_dir: Path,
    *,
    cast: Sequence[ConceptCard],
    colophon: Mapping[str, str],
    portraits: Mapping[str, Path] | None = None,
    templates_dir: Path = TEMPLATES_DIR,
) -> Path:
    """Write `book.html` and `story.json` into `out_dir` (made when missing); returns the path of `book.html`.

    The book needs no other file, no network and no script. Each file appears whole or not at all, and the book
    last, so a `book.html` always has its `story.json`. All words are taken as plain text.

    Args:
        story: What is read; the words of `story.json` are exactly these.
        pictures: The cover's picture, then one for each page.
        out_dir: A folder that the caller may write; other files in it are left alone.
        cast: Who is named on the last page, in this order.
        colophon: Label and value of each line on how the book was made, in this order.
        portraits: A picture by concept id for members of the cast; those without one are only named.
        templates_dir: The folder that holds `book/`.

    Raises:
        BookError: The number of pictures is not the number of scenes.
        UnreadablePicture: A picture or portrait cannot be read.
        OSError: A file cannot be written.
    """
    context = book_context(
        story, pictures, cast=cast, colophon=colophon, portraits=portraits or {}, templates_dir=templates_dir
    )
    template = _environment(templates_dir).get_template("book/book.html.j2")
    html = template.render({field.name: getattr(context, field.name) for field in fields(context)})
    out_dir.mkdir(parents=True, exist_ok=True)
    _write_whole(out_dir / STORY_FILENAME, story.model_dump_json(indent=2) + "\n")
    _write_whole(out_dir / BOOK_FILENAME, html)
    return out_dir / BOOK_FILENAME


def book_context(
    story: Story,
    pictures: Sequence[Path],
    *,
    cast: Sequence[ConceptCard],
    colophon: Mapping[str, str],
    portraits: Mapping[str, Path],
    templates_dir: Path,
) -> BookContext:
    """Everything the template is given; arguments and errors as in `write_book`."""
    if len(pictures) != len(story.scenes):
        raise BookError(
            f"{len(pictures)} pictures for {story.title!r}, which has a cover and {len(story.pages)} pages: "
            f"a book takes one picture for each. Give {len(story.scenes)}, the cover's first."
        )
    opened = [open_picture(path) for path in pictures]
    embedded = [_embed(picture) for picture in opened]
    labels_language, labels = _labels(story.language, templates_dir)
    script = (templates_dir / "book" / "book.js").read_text(encoding="utf-8")
    grain = base64.b64encode((templates_dir / "book" / "grain.png").read_bytes()).decode("ascii")
    return BookContext(
        title=story.title,
        language=story.language,
        direction=story.direction,
        labels=labels,
        labels_language=labels_language,
        palette=palette_of(opened[0]),
        plate_max_px=_MAX_ENLARGEMENT * max(picture.width for picture in embedded),
        grain=f"data:image/png;base64,{grain}",
        styles=Markup((templates_dir / "book" / "book.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii"),
        cover=CoverView(picture=embedded[0], alt=story.cover.alt),
        pages=tuple(
            _page_view(page, picture, number=number, count=len(story.pages), labels=labels)
            for number, (page, picture) in enumerate(zip(story.pages, embedded[1:], strict=True), start=1)
        ),
        cast=tuple(_cast_view(card, portraits.get(card.id)) for card in cast),
        colophon=tuple(colophon.items()),
    )


def _page_view(page: Page, picture: EmbeddedPicture, *, number: int, count: int, labels: Mapping[str, str]) -> PageView:
    paragraphs = tuple(part.strip() for part in re.split(r"\n\s*\n", page.text) if part.strip())
    size = len(page.text)
    return PageView(
        number=number,
        label=labels["page"].format(number=number, count=count),
        paragraphs=paragraphs,
        length="short" if size <= _SHORT_TEXT_CHARACTERS else "medium" if size <= _LONG_TEXT_CHARACTERS else "long",
        picture=picture,
        alt=page.scene.alt,
        read=round(number / (count + 1), 3),
    )


def _cast_view(card: ConceptCard, portrait: Path | None) -> CastView:
    if portrait is None:
        return CastView(name=card.name, word=card.word, portrait=None)
    picture = open_picture(portrait)
    picture.thumbnail((_PORTRAIT_PX, _PORTRAIT_PX), Image.Resampling.LANCZOS)
    return CastView(name=card.name, word=card.word, portrait=_embed(picture))


def _embed(picture: Image.Image) -> EmbeddedPicture:
    webp, png = io.BytesIO(), io.BytesIO()
    plain = Image.frombytes("RGB", picture.size, picture.convert("RGB").tobytes())
    plain.save(webp, "WEBP", quality=_WEBP_QUALITY, method=6)
    plain.save(png, "PNG", optimize=True)
    kind, data = min(("webp", webp.getvalue()), ("png", png.getvalue()), key=lambda candidate: len(candidate[1]))
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return EmbeddedPicture(uri=uri, width=picture.width, height=picture.height)


def _labels(language: str, templates_dir: Path) -> tuple[str, Mapping[str, str]]:
    """The book's own few words in the story's language, or in English, and which of the two it is."""
    known = json.loads((templates_dir / "book" / "labels.json").read_text(encoding="utf-8"))
    primary = primary_language(language)
    return (primary, known[primary]) if primary in known else ("en", known["en"])


def _environment(templates_dir: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(templates_dir),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _write_whole(path: Path, text: str) -> None:
    """Put a file in place in one step: whoever looks sees the old file or the new one, never a part."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
