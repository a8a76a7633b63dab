"""One book, whatever edition it is made into: words, pictures, who is in it, how it looks.

Knows nothing of HTML, EPUB or PDF (`story/editions/` does), of language models or of how a picture was drawn.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

from PIL import Image, ImageFilter, ImageStat

from concepts.pictures import open_picture
from concepts.schema import ConceptCard
from story.design import Design
from story.errors import BookError
from story.languages import Direction, direction_of
from story.palette import Palette, palette_of
from story.schema import Face, Page, Story
from story.sentences import paragraphs_of, sentences_of

BOOK_FILENAME = "book.html"
STORY_FILENAME = "story.json"

_PORTRAIT_PX = 256
_NO_CHARACTER = re.compile(r"[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class BookPicture:
    """A picture of the book: pixels alone, without what its file said of itself."""

    name: str
    """Its file's name without ending: "cover", "page-01", "cast-rusty"."""
    image: Image.Image
    """RGB."""
    alt: str
    faces: tuple[Face, ...] = ()
    """Where they are known."""

    @property
    def calm(self) -> Literal["top", "bottom"]:
        """Where a panel hides less: the lower part, unless it has clearly more edges than the upper one."""
        small = self.image.convert("L").resize((64, 64), Image.Resampling.BOX).filter(ImageFilter.FIND_EDGES)
        upper, lower = (ImageStat.Stat(small.crop(part)).mean[0] for part in ((1, 1, 63, 26), (1, 38, 63, 63)))
        return "top" if lower > 1.2 * upper + 1.5 else "bottom"


@dataclass(frozen=True)
class Sentence:
    """Words that are read aloud at one go."""

    id: str
    """Unique in the book and fit for an XML id: "p1-s2", and "p1-t2" in the second language."""
    text: str
    gap: str
    """White space between this sentence and the next, so that a paragraph can be put together again exactly."""
    is_recorded: bool = False
    """Whether the page's recording has it."""


@dataclass(frozen=True)
class Line:
    """What somebody says."""

    speaker: str
    """Concept id."""
    name: str
    """Of the speaker, for people."""
    sentence: Sentence


@dataclass(frozen=True)
class BookText:
    """The words of a page in one language."""

    language: str
    direction: Direction
    paragraphs: tuple[tuple[Sentence, ...], ...]

    @property
    def size(self) -> int:
        """Characters, for the size of the type."""
        return sum(len(sentence.text + sentence.gap) for paragraph in self.paragraphs for sentence in paragraph)


@dataclass(frozen=True)
class PageRecording:
    """A page read aloud."""

    name: str
    """Its file's name."""
    data: bytes
    """MP3."""
    clips: tuple[tuple[str, float, float], ...]
    """Id of each sentence and when it is said, from second to second, in the order of saying."""


@dataclass(frozen=True)
class BookPage:
    """One page of the story."""

    number: int
    """From 1."""
    texts: tuple[BookText, ...]
    """In the book's language, then in its second one where it has two."""
    picture: BookPicture
    speech: tuple[Line, ...]
    """Said after the text; in the book's language."""
    recording: PageRecording | None = None


@dataclass(frozen=True)
class CastMember:
    """A concept that is named on the last page."""

    name: str
    word: str
    portrait: BookPicture | None


@dataclass(frozen=True)
class Book:
    """All that any edition is made from."""

    title: str
    second_title: str
    """In the second language; empty where there is none."""
    language: str
    direction: Direction
    second_language: str | None
    second_direction: Direction | None
    palette: Palette
    cover: BookPicture
    pages: tuple[BookPage, ...]
    cast: tuple[CastMember, ...]
    colophon: tuple[tuple[str, str], ...]
    """Label and value of each line on how the book was made."""
    design: Design
    identifier: UUID
    """Which book it is; the same after its words were edited."""
    modified: datetime
    """When its words were last changed, with a time zone."""
    narrator: str = ""
    """Who reads it; empty where there are no recordings."""


def book_of(
    story: Story,
    pictures: Sequence[Path],
    *,
    cast: Sequence[ConceptCard],
    colophon: Mapping[str, str],
    identifier: UUID,
    modified: datetime,
    portraits: Mapping[str, Path] | None = None,
    design: Design | None = None,
    faces: Mapping[str, Sequence[Face]] | None = None,
) -> Book:
    """The book of a story and its pictures. All words are taken as plain text, less what no document may hold.

    Args:
        story: What is read.
        pictures: The cover's picture, then one for each page.
        cast: Who is named on the last page, in this order; by the story's own names where it has a line-up.
        colophon: How the book was made, in this order.
        identifier: Which book it is.
        modified: When its words were last changed, with a time zone.
        portraits: A picture by concept id for members of the cast; those without one are only named.
        design: How it looks; by default as `Design()`.
        faces: Where faces are, by the picture's name, for pictures of which it is known.

    Raises:
        BookError: The number of pictures is not the number of scenes, or title or an alternative text is blank.
        UnreadablePicture: A picture or portrait cannot be read.
    """
    _check_told(story)
    if len(pictures) != len(story.scenes):
        raise BookError(
            f"{len(pictures)} pictures for {story.title!r}, which has a cover and {len(story.pages)} pages: "
            f"a book takes one picture for each. Give {len(story.scenes)}, the cover's first."
        )
    names = ["cover", *(f"page-{number:02}" for number in range(1, len(pictures)))]
    known = faces or {}
    opened = [
        BookPicture(
            name=name, image=_pixels(open_picture(path)), alt=_plain(scene.alt), faces=tuple(known.get(name, ()))
        )
        for name, path, scene in zip(names, pictures, story.scenes, strict=True)
    ]
    names = {card.id: card.name for card in cast}
    names |= {member.concept: member.name for member in story.lineup if member.concept}
    return Book(
        title=_plain(story.title),
        second_title=_plain(story.second_title),
        language=story.language,
        direction=direction_of(story.language),
        second_language=story.second_language,
        second_direction=direction_of(story.second_language) if story.second_language else None,
        palette=palette_of(opened[0].image),
        cover=opened[0],
        pages=tuple(
            BookPage(
                number=number,
                texts=_texts_of(page, story, number),
                picture=picture,
                speech=_speech_of(page, names, number),
            )
            for number, (page, picture) in enumerate(zip(story.pages, opened[1:], strict=True), start=1)
        ),
        cast=tuple(_member(card, names[card.id], (portraits or {}).get(card.id)) for card in cast),
        colophon=tuple((_plain(label), _plain(value)) for label, value in colophon.items()),
        design=design or Design(),
        identifier=identifier,
        modified=modified,
    )


def _check_told(story: Story) -> None:
    """Editions are found by their title and say that every picture is described, so neither may be blank."""
    if not _plain(story.title).strip():
        raise BookError(
            f"The story has no title, and every book needs one. Write one as `title` in {STORY_FILENAME}, "
            "or with fableverse book edit DIR --title."
        )
    blank = [number for number, scene in enumerate(story.scenes) if not _plain(scene.alt).strip()]
    if blank:
        places = ", ".join(f"page {number}" if number else "the cover" for number in blank)
        raise BookError(
            f"There is no alternative text for {places}: whoever cannot see the picture is told nothing of it. Say "
            f"what it shows as `alt` of its scene in {STORY_FILENAME}, or with fableverse book edit DIR "
            f"--page {blank[0]} --alt."
        )


def _texts_of(page: Page, story: Story, number: int) -> tuple[BookText, ...]:
    first = _text_of(page.text, story.language, f"p{number}-s")
    if story.second_language is None:
        return (first,)
    return (first, _text_of(page.second_text, story.second_language, f"p{number}-t"))


def _speech_of(page: Page, names: Mapping[str, str], number: int) -> tuple[Line, ...]:
    return tuple(
        Line(
            speaker=spoken.speaker,
            name=_plain(names.get(spoken.speaker, spoken.speaker)),
            sentence=Sentence(id=f"p{number}-l{index}", text=_plain(spoken.text), gap=""),
        )
        for index, spoken in enumerate(page.speech, start=1)
    )


def _text_of(text: str, language: str, prefix: str) -> BookText:
    paragraphs: list[tuple[Sentence, ...]] = []
    count = 0
    for paragraph in paragraphs_of(_plain(text)):
        sentences = sentences_of(paragraph)
        paragraphs.append(
            tuple(
                Sentence(id=f"{prefix}{count + offset}", text=words, gap=gap)
                for offset, (words, gap) in enumerate(sentences, start=1)
            )
        )
        count += len(sentences)
    return BookText(language=language, direction=direction_of(language), paragraphs=tuple(paragraphs))


def _member(card: ConceptCard, name: str, portrait: Path | None) -> CastMember:
    if portrait is None:
        return CastMember(name=_plain(name), word=_plain(card.word), portrait=None)
    image = open_picture(portrait)
    image.thumbnail((_PORTRAIT_PX, _PORTRAIT_PX), Image.Resampling.LANCZOS)
    picture = BookPicture(name=f"cast-{card.id}", image=_pixels(image), alt="")
    return CastMember(name=_plain(name), word=_plain(card.word), portrait=picture)


def _pixels(image: Image.Image) -> Image.Image:
    """The pixels alone: what Pillow carries along from a file, such as its texts, stays behind."""
    return Image.frombytes("RGB", image.size, image.convert("RGB").tobytes())


def _plain(text: str) -> str:
    """Text without the characters that XML forbids, which would make an EPUB unreadable."""
    return _NO_CHARACTER.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
