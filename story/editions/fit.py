"""Which size of letters lets words fit a box, and how they go on where even the smallest does not.

Pages of a fixed size cannot grow with their words, and where they are read nothing measures letters. So sizes are
estimated, on the safe side. Lengths are in hundredths of the page's width, called rem.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from story.book import Sentence
from story.editions.letters import count_lines, words_em
from story.editions.parting import Paragraphs, parted
from story.editions.view import TextView
from story.languages import primary_language

_SIZES = (5.2, 4.8, 4.4, 4.1, 3.8, 3.5, 3.2, 2.9, 2.6, 2.4)
_SMALL_SIZES = (2.15, 1.9)
_LARGER = 1.5
_LEAST_LARGE = 3.6
"""Rem. On a page 8.5 inches wide, 2.4 rem are 14.7 points and 3.6 rem are 22."""
_PARAGRAPH_GAP = 0.75
_DYSLEXIA_WIDTH = 1.32
"""Of plain, widely set letters, in widths of the others."""


@dataclass(frozen=True)
class Room:
    """Room for words, in rem."""

    width: float
    height: float
    gutter: float = 4
    """What each of two columns loses to the space around it."""


@dataclass(frozen=True)
class Words:
    """The words of a page, and where they stand."""

    texts: Sequence[TextView]
    """One, or two side by side."""
    room: Room
    more_room: Room
    """Of each further page, should they be too many."""


def size_of(pages: Sequence[Words], *, dyslexia: bool, small: bool = False) -> float:
    """The largest size at which the words of all pages fit, no word being wider than its column; else the smallest.

    Args:
        pages: One at least.
        dyslexia: Letters are set wider and lines farther apart.
        small: Smaller sizes than those of pages with one picture are allowed, too.
    """
    sizes = _SIZES + _SMALL_SIZES if small else _SIZES
    widest = _size_for_longest_words(pages, sizes[-1], dyslexia)
    return next(
        (size for size in sizes if size <= widest and all(_fit(words, size, dyslexia) for words in pages)), sizes[-1]
    )


def large_size_of(size: float, pages: Sequence[Words], *, dyslexia: bool) -> float:
    """The size for weak eyes: half as large again, or as large as the longest word can be in its column; 3.6 at least.

    Args:
        size: That of the same book for other eyes.
        pages: What is set in it.
        dyslexia: As for `size_of`.
    """
    widest = _size_for_longest_words(pages, size, dyslexia)
    return round(max(min(_LARGER * size, widest), _LEAST_LARGE), 2)


def part_words(words: Words, size: float, *, dyslexia: bool) -> tuple[tuple[TextView, ...], ...]:
    """The words in pieces that fit a page each, the first of which is the page's own; texts side by side go on so."""

    def pieces_of(text: TextView) -> tuple[TextView, ...]:
        def fits(paragraphs: Paragraphs, number: int) -> bool:
            room = words.more_room if number else words.room
            column = _column_width(room, len(words.texts))
            return _height(paragraphs, text.language, size, column, dyslexia) <= room.height

        return tuple(
            replace(text, paragraphs=tuple(map(tuple, paragraphs))) for paragraphs in parted(text.paragraphs, fits)
        )

    columns = [pieces_of(text) for text in words.texts]
    return tuple(
        tuple(pieces[index] for pieces in columns if index < len(pieces)) for index in range(max(map(len, columns)))
    )


def line_height(language: str, *, dyslexia: bool) -> float:
    """Of lines, as a multiple of the letters' size; Arabic letters reach farther up and down."""
    return 1.85 if dyslexia or primary_language(language) in ("ar", "fa", "ur") else 1.55


def _fit(words: Words, size: float, dyslexia: bool) -> bool:
    column = _column_width(words.room, len(words.texts))
    return all(
        _height(text.paragraphs, text.language, size, column, dyslexia) <= words.room.height for text in words.texts
    )


def _size_for_longest_words(pages: Sequence[Words], least: float, dyslexia: bool) -> float:
    """The largest size at which every word fits its column, but those that do not at the least size: they are cut."""
    sizes = (
        _column_width(words.room, len(words.texts)) / width / _wider(dyslexia)
        for words in pages
        for text in words.texts
        for paragraph in text.paragraphs
        for width in words_em(_joined(paragraph))
        if width
    )
    return min((size for size in sizes if size >= least), default=float("inf"))


def _column_width(room: Room, num_texts: int) -> float:
    return room.width if num_texts == 1 else room.width / num_texts - room.gutter


def _height(paragraphs: Paragraphs, language: str, size: float, width: float, dyslexia: bool) -> float:
    """Rem that the paragraphs take, estimated on the high side."""
    column_em = width / size / _wider(dyslexia)
    lines = sum(count_lines(_joined(paragraph), column_em) for paragraph in paragraphs)
    gaps = _PARAGRAPH_GAP * max(0, len(paragraphs) - 1)
    return size * (lines * line_height(language, dyslexia=dyslexia) + gaps)


def _joined(paragraph: Sequence[Sentence]) -> str:
    return "".join(sentence.text + sentence.gap for sentence in paragraph)


def _wider(dyslexia: bool) -> float:
    return _DYSLEXIA_WIDTH if dyslexia else 1.0
