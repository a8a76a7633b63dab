"""A book of one page, made into all editions that are wanted before the real one is drawn, and thrown away.

So a fault of a person's own template, or a library that PDFs lack, is told before any time is spent on pictures.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from PIL import Image

from concepts.schema import ConceptCard
from story.book import Book, book_of
from story.design import Design, check_design
from story.editions.formats import EDITIONS, check_formats
from story.schema import Box, Face, Page, Scene, SpokenLine, Story
from story.templates import Templates

_FOX = ConceptCard(id="fox", name="Fox", word="fox", kind="character", caption="a fox")
_FACE = Face(concept="fox", box=Box(left=0.4, top=0.6, right=0.6, bottom=0.8))


def rehearse(
    formats: Sequence[str],
    design: Design,
    templates: Templates,
    *,
    language: str = "en",
    second_language: str | None = None,
) -> None:
    """Make the editions of a small book in memory.

    Args:
        formats: Which editions.
        design: How they look.
        templates: What they look like.
        language: Of their texts.
        second_language: Of a bilingual book.

    Raises:
        BookError: A format, layout or theme is unknown, a template cannot be used, or a PDF's libraries are missing.
    """
    check_design(design, templates)
    book = _small_book(design, language, second_language)
    for name in check_formats(formats):
        EDITIONS[name].make(book, templates)


def _small_book(design: Design, language: str, second_language: str | None) -> Book:
    """A cover and a page on which a fox says a word, with all that templates may show of a book."""
    scene = Scene(prompt="a fox", concepts=("fox",), alt="A fox.")
    second = "Fox." if second_language else ""
    page = Page(text="Fox.", second_text=second, speech=(SpokenLine(speaker="fox", text="Fox."),), scene=scene)
    story = Story(
        title="Fox",
        second_title=second,
        language=language,
        second_language=second_language,
        cover=scene,
        pages=(page,),
    )
    with TemporaryDirectory() as folder:
        picture = Path(folder) / "fox.png"
        Image.new("RGB", (64, 64)).save(picture)
        return book_of(
            story,
            [picture, picture],
            cast=[_FOX],
            colophon={"Idea": "Fox"},
            identifier=UUID(int=0),
            modified=datetime(2026, 1, 1, tzinfo=UTC),
            portraits={"fox": picture},
            design=design,
            faces={"page-01": [_FACE]},
        )
