"""How the last pages of a fixed size are shared out: who was in the book, and how it was made.

Lengths are in rem, hundredths of the page's width; they are those of `templates/book/paged/leaf.css`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from story.editions.letters import count_lines
from story.editions.parting import parted_text
from story.editions.view import BookView, CastView, ColophonView

_MARGINS_REM = 16
_THE_END_REM = 8.4
_HEADING_REM = 9.5
_FEW_MEMBERS = 4
_COLOPHON_WIDTH_REM = 72


@dataclass(frozen=True)
class _Figures:
    """How the members of a cast are set."""

    columns: int
    width: float
    picture: float
    """Height, with its border and the space below."""
    name: float
    """Size of the letters."""
    word: float

    def height(self, member: CastView) -> float:
        """Rem that a member takes, with the space below."""
        names = count_lines(member.name, self.width / self.name) * self.name
        words = count_lines(member.word, self.width / self.word) * self.word
        return (self.picture if member.portrait else 0) + 1.35 * (names + words) + 3


def cast_on_leaves(book: BookView, height_rem: float) -> tuple[tuple[CastView, ...], ...]:
    """Who is named on each leaf, the first of which also says that the story ends; one leaf at least.

    Args:
        book: Its cast.
        height_rem: Of a leaf.
    """
    name, word = (3.6, 3.6) if book.large_print else (2.8, 2.4)
    is_small = len(book.cast) > _FEW_MEMBERS
    figures = _Figures(3, 24, 14 if is_small else 19, name, word)
    if is_small and not book.large_print:
        figures = _Figures(4, 18, 14, name, word)
    rows = [book.cast[index : index + figures.columns] for index in range(0, len(book.cast), figures.columns)]
    leaves: list[list[CastView]] = [[]]
    left = height_rem - _MARGINS_REM - _THE_END_REM - _HEADING_REM
    for row in rows:
        needed = max(map(figures.height, row))
        if needed > left and leaves[-1]:
            leaves.append([])
            left = height_rem - _MARGINS_REM
        leaves[-1] += row
        left -= needed
    return tuple(map(tuple, leaves))


def colophon_on_leaves(book: BookView, height_rem: float) -> tuple[tuple[ColophonView, ...], ...]:
    """Lines on each leaf; a value longer than its leaf goes on below the same label.

    Args:
        book: Its colophon.
        height_rem: Of a leaf.
    """
    leaves: list[list[ColophonView]] = [[]]
    room = height_rem - _MARGINS_REM - _HEADING_REM
    waiting = list(reversed(book.colophon))
    while waiting:
        line = waiting.pop()
        if _colophon_height([*leaves[-1], line], book.large_print) <= room:
            leaves[-1].append(line)
            continue
        if not leaves[-1]:
            here, line = _parted_line(line, room, book.large_print)
            leaves[-1].append(here)
        waiting.append(line)
        leaves.append([])
    return tuple(map(tuple, leaves))


def _colophon_height(lines: Sequence[ColophonView], large_print: bool) -> float:
    label_size, value_size = (3.6, 3.6) if large_print else (2.2, 2.5)
    return sum(
        1.6
        + 1.4 * label_size * count_lines(line.label, _COLOPHON_WIDTH_REM / label_size)
        + 1.4 * value_size * count_lines(line.value, _COLOPHON_WIDTH_REM / value_size)
        for line in lines
    )


def _parted_line(line: ColophonView, room: float, large_print: bool) -> tuple[ColophonView, ColophonView]:
    head, tail = parted_text(
        line.value, lambda text: _colophon_height([replace(line, value=text)], large_print) <= room
    )
    return replace(line, value=head), replace(line, value=tail)
