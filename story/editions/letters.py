"""How wide letters are and where lines end, estimated on the safe side: where a page is read, nothing measures them.

Widths are in em, multiples of the letters' size. They are those of DejaVu Serif, the widest of usual letters.
"""

import re
import unicodedata
from math import ceil

_LETTER_WIDTH = 0.6
_CAPITAL_WIDTH = 0.78
_NARROW_WIDTH = 0.4
_SPACE_WIDTH = 0.33
_WIDE_LETTER_WIDTH = 1.0
_NARROW = frozenset("fijlrtI.,;:!'’‘|()[]-")
_BROAD = frozenset("mwMW")
_IDEOGRAPHS = "\u2e80-\u312f\u31a0-\ua4cf\uf900-\ufaff\uff00-\uffef"
"""Chinese and Japanese, whose lines end between any two characters but before a closing mark."""
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese and Khmer, whose lines end between words that nothing parts."""
_UNSPACED_WORD = 8
"""Characters that such a word has at most, nearly always."""
_PART = re.compile(
    rf"\s+|[{_IDEOGRAPHS}][、。，．！？：；」』）…]*|[{_UNSPACED}]{{1,{_UNSPACED_WORD}}}"
    rf"|[^\s\-—{_IDEOGRAPHS}{_UNSPACED}]+[\-—]*|[\-—]+"
)


def width_em(text: str) -> float:
    """How wide a text on one line is, estimated on the high side."""
    return sum(map(_width_em, text))


def words_em(text: str) -> tuple[float, ...]:
    """How wide the parts of a text are that no line's end parts."""
    return tuple(width_em(part) for part in _PART.findall(text) if not part.isspace())


def count_lines(text: str, column_em: float) -> int:
    """Lines that a text takes in a column so many em wide, estimated on the high side; an empty line is one, too.

    What does not fit a line begins the next one, and what is wider than a line is cut.
    """
    return sum(_count_lines(line, column_em) for line in text.split("\n"))


def _count_lines(line: str, column_em: float) -> int:
    count, used = 1, 0.0
    for part in _PART.findall(line):
        width = width_em(part)
        if part.isspace():
            used += width
        elif used + width <= column_em:
            used += width
        else:
            more = max(1, ceil(width / column_em))
            count += more if used else more - 1
            used = width - (more - 1) * column_em
    return count


def _width_em(character: str) -> float:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if character.isspace():
        return _SPACE_WIDTH
    if character in _BROAD or unicodedata.east_asian_width(character) in "WF":
        return _WIDE_LETTER_WIDTH
    if character in _NARROW:
        return _NARROW_WIDTH
    return _CAPITAL_WIDTH if character.isupper() else _LETTER_WIDTH
