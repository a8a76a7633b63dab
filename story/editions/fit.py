"""Which size of letters lets words fit a box, and where they are parted when none does.

Pages of a fixed size cannot grow with their words, and where they are read nothing measures letters. So sizes are
estimated from counts of characters, on the safe side. Lengths are in hundredths of the page's width, called rem.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from story.book import Sentence
from story.editions.letters import width_em
from story.editions.view import TextView
from story.languages import primary_language

_SIZES = (5.2, 4.8, 4.4, 4.1, 3.8, 3.5, 3.2, 2.9, 2.6, 2.4)
_LARGE_SIZES = (6.2, 5.7, 5.2, 4.8, 4.4, 4.0, 3.6)
"""Rem. On a page 8.5 inches wide, 2.4 rem are 14.7 points and 3.6 rem are 22."""
_SMALL_SIZES = (2.15, 1.9)
_PARAGRAPH_GAP = 0.75
_DYSLEXIA_WIDTH = 1.32
"""Of plain, widely set letters, in widths of the others."""


@dataclass(frozen=True)
class Room:
    """Room for words, in rem."""

    width: float
    height: float


@dataclass(frozen=True)
class Fitted:
    """Words in pieces that fit one box each, all at one size."""

    size_rem: float
    pieces: tuple[tuple[TextView, ...], ...]
    """For each box the texts in it: one, or two side by side."""


def fit_words(
    texts: Sequence[TextView], room: Room, *, dyslexia: bool, large_print: bool, small: bool = False
) -> Fitted:
    """The largest size at which all words fit the box; words too many for the smallest go on in further boxes.

    Args:
        texts: One text, or two that stand side by side.
        room: Of one piece.
        dyslexia: Letters are set wider and lines farther apart.
        large_print: Sizes are those for weak eyes.
        small: Smaller sizes than those of pages with one picture are allowed, too.
    """
    column = Room((room.width - 4 * (len(texts) - 1)) / len(texts), room.height)
    sizes = _LARGE_SIZES if large_print else _SIZES + _SMALL_SIZES if small else _SIZES
    for size in sizes:
        if all(_height(text.paragraphs, text.language, size, column, dyslexia) <= column.height for text in texts):
            return Fitted(size, (tuple(texts),))
    columns = [_parted(text, sizes[-1], column, dyslexia) for text in texts]
    pieces = tuple(
        tuple(pieces[index] for pieces in columns if index < len(pieces)) for index in range(max(map(len, columns)))
    )
    return Fitted(sizes[-1], pieces)


def line_height(language: str, *, dyslexia: bool) -> float:
    """Of lines, as a multiple of the letters' size; Arabic letters reach farther up and down."""
    return 1.85 if dyslexia or primary_language(language) in ("ar", "fa", "ur") else 1.55


def _parted(text: TextView, size: float, room: Room, dyslexia: bool) -> list[TextView]:
    """The text in pieces of whole sentences that fit; a sentence longer than a box has one to itself."""
    pieces: list[list[list[Sentence]]] = [[]]
    for paragraph in text.paragraphs:
        is_new = True
        for sentence in paragraph:
            trial = [*pieces[-1], [sentence]] if is_new else [*pieces[-1][:-1], [*pieces[-1][-1], sentence]]
            if pieces[-1] and _height(trial, text.language, size, room, dyslexia) > room.height:
                pieces.append([[sentence]])
            else:
                pieces[-1] = trial
            is_new = False
    return [
        TextView(
            language=text.language,
            direction=text.direction,
            paragraphs=tuple(tuple(paragraph) for paragraph in piece),
            length=text.length,
        )
        for piece in pieces
    ]


def _height(paragraphs: Sequence[Sequence[Sentence]], language: str, size: float, room: Room, dyslexia: bool) -> float:
    """Rem that the paragraphs take, estimated on the high side."""
    lines, wider = 0, _DYSLEXIA_WIDTH if dyslexia else 1.0
    for paragraph in paragraphs:
        words = "".join(sentence.text + sentence.gap for sentence in paragraph)
        lines += sum(max(1, ceil(width_em(line) * wider * size / room.width)) for line in words.split("\n"))
    gaps = _PARAGRAPH_GAP * max(0, len(paragraphs) - 1)
    return size * (lines * line_height(language, dyslexia=dyslexia) + gaps)
