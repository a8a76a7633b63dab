"""What templates are told of a book. Knows no file format: where a picture is found is the edition's to say."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from story.book import Book, BookPage, BookPicture, BookText, Line, Sentence
from story.editions.balloons import Balloon, place_balloons
from story.languages import Direction, primary_language
from story.palette import Palette
from story.templates import Templates

_SHORT_TEXT_CHARACTERS = 150
_LONG_TEXT_CHARACTERS = 380
_DENSE_LANGUAGES = frozenset("ja ko zh".split())
"""Written in syllables or words, so that a character weighs about two letters."""

_COLOPHON_KEYS = {
    "Idea": "idea",
    "Written by": "written_by",
    "Drawn by": "drawn_by",
    "Seed": "seed",
    "Made with": "made_with",
}
"""Keys of `labels.json` by what books' records call the lines of the colophon."""
_ENGLISH_VALUES = frozenset(("written_by", "drawn_by", "made_with"))
"""Lines whose values are the program's own words."""

Address = Callable[[BookPicture], str]
"""Where an edition's reader finds a picture."""


@dataclass(frozen=True)
class PictureView:
    """A picture as an edition shows it."""

    uri: str
    width: int
    height: int
    alt: str
    calm: Literal["top", "bottom"]


@dataclass(frozen=True)
class TextView:
    """The words of a page in one language."""

    language: str
    direction: Direction
    paragraphs: tuple[tuple[Sentence, ...], ...]
    length: Literal["short", "medium", "long"]


@dataclass(frozen=True)
class BalloonView:
    """A line of speech on a picture; lengths are hundredths of the picture's width."""

    left: float
    top: float
    width: float
    height: float
    radius: float
    size: float
    tail: str
    name: str
    sentence: Sentence


@dataclass(frozen=True)
class PageView:
    """One page of the story."""

    number: int
    label: str
    texts: tuple[TextView, ...]
    picture: PictureView
    balloons: tuple[BalloonView, ...]
    read: float


@dataclass(frozen=True)
class CastView:
    """One concept on the last page."""

    name: str
    word: str
    portrait: PictureView | None


@dataclass(frozen=True)
class ColophonView:
    """One line of how the book was made."""

    label: str
    label_language: str
    """Empty where it is not known, as of labels that are not the book's own."""
    value: str
    value_language: str
    """Empty where it is not known, as of an idea."""


@dataclass(frozen=True)
class BookView:
    """The variable `book` of every template; `templates/README.md` says what each field is."""

    title: str
    second_title: str
    language: str
    direction: Direction
    second_language: str | None
    second_direction: Direction | None
    labels: Mapping[str, str]
    labels_language: str
    palette: Palette
    layout: str
    dyslexia: bool
    large_print: bool
    cover: PictureView
    pages: tuple[PageView, ...]
    cast: tuple[CastView, ...]
    colophon: tuple[ColophonView, ...]


def view_of(book: Book, templates: Templates, *, address: Address, has_balloons: bool = False) -> BookView:
    """The book as templates see it, its pictures at their addresses.

    Speech is in balloons if there are any. Without them, and where one has no place, it follows the text.

    Raises:
        BookError: The labels are missing.
    """
    labels_language, labels = _labels(book.language, templates)
    return BookView(
        title=book.title,
        second_title=book.second_title,
        language=book.language,
        direction=book.direction,
        second_language=book.second_language,
        second_direction=book.second_direction,
        labels=labels,
        labels_language=labels_language,
        palette=book.palette,
        layout=book.design.layout,
        dyslexia=book.design.dyslexia,
        large_print=book.design.large_print,
        cover=_picture(book.cover, address),
        pages=tuple(_page(page, len(book.pages), labels, address, has_balloons=has_balloons) for page in book.pages),
        cast=tuple(
            CastView(
                name=member.name,
                word=member.word,
                portrait=_picture(member.portrait, address) if member.portrait else None,
            )
            for member in book.cast
        ),
        colophon=tuple(_colophon_line(*line, labels, labels_language) for line in book.colophon),
    )


def _picture(picture: BookPicture, address: Address) -> PictureView:
    width, height = picture.image.size
    return PictureView(uri=address(picture), width=width, height=height, alt=picture.alt, calm=picture.calm)


def _page(page: BookPage, count: int, labels: Mapping[str, str], address: Address, *, has_balloons: bool) -> PageView:
    balloons, below = _balloons(page) if has_balloons else ((), page.speech)
    first, *others = page.texts
    first = replace(first, paragraphs=(*first.paragraphs, *((_as_words(line),) for line in below)))
    return PageView(
        number=page.number,
        label=labels["page"].format(number=page.number, count=count),
        texts=tuple(
            TextView(language=text.language, direction=text.direction, paragraphs=text.paragraphs, length=_length(text))
            for text in (first, *others)
        ),
        picture=_picture(page.picture, address),
        balloons=balloons,
        read=round(page.number / (count + 1), 3),
    )


def _balloons(page: BookPage) -> tuple[tuple[BalloonView, ...], tuple[Line, ...]]:
    """The speech in balloons, and what has none."""
    width, height = page.picture.image.size
    faces = [(face.concept, face.box) for face in page.picture.faces]
    placed, below = place_balloons(page.speech, faces, height=height / width, direction=page.texts[0].direction)
    return tuple(_balloon(balloon) for balloon in placed), below


def _balloon(balloon: Balloon) -> BalloonView:
    box = balloon.box
    corners = " L ".join(f"{100 * x:.2f} {100 * y:.2f}" for x, y in balloon.tail)
    return BalloonView(
        left=round(100 * box.left, 3),
        top=round(100 * box.top, 3),
        width=round(100 * (box.right - box.left), 3),
        height=round(100 * (box.bottom - box.top), 3),
        radius=round(100 * balloon.size, 3),
        size=round(100 * balloon.size, 3),
        tail=f"M {corners} Z",
        name=balloon.line.name,
        sentence=balloon.line.sentence,
    )


def _as_words(line: Line) -> Sentence:
    return replace(line.sentence, text=f"{line.name}: {line.sentence.text}")


def _length(text: BookText) -> Literal["short", "medium", "long"]:
    size = text.size * (2 if primary_language(text.language) in _DENSE_LANGUAGES else 1)
    return "short" if size <= _SHORT_TEXT_CHARACTERS else "medium" if size <= _LONG_TEXT_CHARACTERS else "long"


def _labels(language: str, templates: Templates) -> tuple[str, Mapping[str, str]]:
    """The book's own few words in the story's language, or in English, and which of the two it is."""
    known = json.loads(templates.text("book/labels.json"))
    primary = primary_language(language)
    return (primary, known[primary]) if primary in known else ("en", known["en"])


def _colophon_line(label: str, value: str, labels: Mapping[str, str], language: str) -> ColophonView:
    """The line with its label in the book's language, where it is one of the book's own."""
    key = _COLOPHON_KEYS.get(label, "")
    return ColophonView(
        label=labels.get(key, label),
        label_language=language if key in labels else "en" if key else "",
        value=value,
        value_language="en" if key in _ENGLISH_VALUES else "",
    )
