"""Where words are parted that are too many for one page: between sentences, and within one that is longer than a page.

Knows no sizes: whoever calls says what fits.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from story.book import Sentence

Paragraphs = Sequence[Sequence[Sentence]]
_JOINER = "\u200d"


def parted(paragraphs: Paragraphs, fits: Callable[[Paragraphs, int], bool]) -> tuple[Paragraphs, ...]:
    """The paragraphs in pieces, one at least, that lose no letter.

    Args:
        paragraphs: Each the sentences of one paragraph.
        fits: Whether paragraphs fit the piece of that number, from 0.
    """
    pieces: list[list[list[Sentence]]] = [[]]
    waiting = [(sentence, index == 0) for each in paragraphs for index, sentence in enumerate(each)]
    waiting.reverse()
    while waiting:
        sentence, begins = waiting.pop()
        number, piece = len(pieces) - 1, pieces[-1]
        longer = [*piece, [sentence]] if begins or not piece else [*piece[:-1], [*piece[-1], sentence]]
        if fits(longer, number):
            pieces[-1] = longer
            continue
        if piece:
            waiting.append((sentence, begins))
        else:
            head, tail = _parted_sentence(sentence, lambda part, number=number: fits([[part]], number))
            pieces[-1] = [[head]]
            if not tail:
                continue
            waiting.append((tail, True))
        pieces.append([])
    return tuple(pieces)


def parted_text(text: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    """The longest beginning that fits, and the rest: parted at a line's end, else at a space, else between letters.

    The beginning has one letter at least, whether that fits or not; the rest is empty where all fits.
    """
    if fits(text):
        return text, ""
    kinds = (_ends(text, "\n"), _ends(text, None), _ends_of_letters(text))
    ends = next((ends for ends in kinds if ends and fits(text[: ends[0]].rstrip())), kinds[-1])
    end = ends[max(1, bisect_right(ends, False, key=lambda end: not fits(text[:end].rstrip()))) - 1]
    return text[:end].rstrip() or text[:end], text[end:].lstrip()


def _parted_sentence(sentence: Sentence, fits: Callable[[Sentence], bool]) -> tuple[Sentence, Sentence | None]:
    """As `parted_text`. A recording is marked on the first part, so that it is played once."""
    head, tail = parted_text(sentence.text, lambda text: fits(replace(sentence, text=text, gap="")))
    if not tail:
        return sentence, None
    return replace(sentence, text=head, gap=""), replace(sentence, text=tail, is_recorded=False)


def _ends(text: str, space: str | None) -> list[int]:
    """Where words begin behind white space, or behind that one character."""
    return [
        index
        for index in range(1, len(text))
        if not text[index].isspace() and (text[index - 1] == space if space else text[index - 1].isspace())
    ]


def _ends_of_letters(text: str) -> list[int]:
    """Where letters end, with the marks that belong to them."""
    return [
        index
        for index in range(1, len(text) + 1)
        if index == len(text)
        or (unicodedata.category(text[index])[0] != "M" and _JOINER not in (text[index], text[index - 1]))
    ]
