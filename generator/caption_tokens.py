"""Which text token belongs to which word of the source caption, in the caption and in texts that repeat its words.

The directions being learnt are rows of a table, one row per token of the caption. A paraphrase and the two-part prompt
hold the same words at other places; `CaptionTokens.locate` says which row goes to which of their tokens. Knows nothing
of tensors: token positions and row numbers only.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from generator.errors import DirectionMismatch

TokenLocator = Callable[[str, int, int], Sequence[int]]
"""Positions of the text tokens that hold any of the characters `[start, stop)` of a prompt."""

_UNIT = re.compile(r"[^\W_]+|[^\w\s]|_")


@dataclass(frozen=True)
class Placement:
    """Table rows laid over the tokens of one prompt: row `rows[i]` goes to token `positions[i]`."""

    positions: tuple[int, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class _Unit:
    """A run of letters and digits, or a single mark, with the tokens that hold it."""

    text: str
    start: int
    stop: int
    positions: tuple[int, ...]


@dataclass(frozen=True)
class CaptionTokens:
    """The caption's units in order; unit `i` owns as many table rows, from `first_rows[i]` on, as it has tokens."""

    units: tuple[_Unit, ...]
    first_rows: tuple[int, ...]
    num_rows: int

    @classmethod
    def read(cls, caption: str, locate_tokens: TokenLocator) -> Self:
        """Give every token that holds a word or a mark of the caption a row of its own, in the caption's order."""
        units = _read_units(caption, locate_tokens, 0, len(caption))
        first_rows: list[int] = []
        num_rows = 0
        for unit in units:
            first_rows.append(num_rows)
            num_rows += len(unit.positions)
        return cls(units=units, first_rows=tuple(first_rows), num_rows=num_rows)

    def rows_of(self, start: int, stop: int) -> tuple[int, ...]:
        """Rows of the caption's characters `[start, stop)`, in the order of their tokens."""
        return tuple(
            row
            for unit, first_row in zip(self.units, self.first_rows, strict=True)
            if unit.start < stop and start < unit.stop
            for row in range(first_row, first_row + len(unit.positions))
        )

    def locate(
        self, text: str, locate_tokens: TokenLocator, *, start: int, stop: int, required_rows: frozenset[int]
    ) -> Placement:
        """Lay the rows over the caption's words as they stand in the characters `[start, stop)` of another text.

        Words are paired in the longest shared runs first, so that the "a" of "a fox" stays with its fox when phrases
        change places. Words that the caption lacks, and words that fall into another number of tokens, get no row.

        Raises:
            DirectionMismatch: A row of `required_rows` finds no token.
        """
        found = _read_units(text, locate_tokens, start, stop)
        pairs = _pair_units([unit.text for unit in self.units], [unit.text for unit in found])
        placed: dict[int, int] = {}
        for own_index, found_index in pairs:
            own, other = self.units[own_index], found[found_index]
            if len(own.positions) == len(other.positions):
                first_row = self.first_rows[own_index]
                placed.update({position: first_row + i for i, position in enumerate(other.positions)})
        if missing := required_rows - set(placed.values()):
            words = sorted({unit.text for unit, row in self._units_with_rows() if row in missing})
            raise DirectionMismatch(
                f"The words {words!r} of the caption name a concept, but {text[start:stop]!r} does not contain them in "
                "the same tokens. A paraphrase must repeat each concept's word exactly as the caption writes it."
            )
        positions = sorted(placed)
        return Placement(positions=tuple(positions), rows=tuple(placed[position] for position in positions))

    def _units_with_rows(self) -> list[tuple[_Unit, int]]:
        return [
            (unit, first_row + i)
            for unit, first_row in zip(self.units, self.first_rows, strict=True)
            for i in range(len(unit.positions))
        ]


@dataclass(frozen=True)
class NumberedTokens:
    """A caption's tokens in a table that several captions share: local row `i` is row `numbers[i]` of the table."""

    tokens: CaptionTokens
    numbers: tuple[int, ...]
    required_rows: frozenset[int]
    """Local rows of the concepts' words, which every text must hold."""

    def locate(self, text: str, locate_tokens: TokenLocator, *, start: int, stop: int) -> Placement:
        """As `CaptionTokens.locate`, in rows of the shared table."""
        local = self.tokens.locate(text, locate_tokens, start=start, stop=stop, required_rows=self.required_rows)
        return Placement(local.positions, tuple(self.numbers[row] for row in local.rows))


def _read_units(text: str, locate_tokens: TokenLocator, start: int, stop: int) -> tuple[_Unit, ...]:
    """Units of `text[start:stop]`; a token that holds parts of two units belongs to the first."""
    units: list[_Unit] = []
    taken: set[int] = set()
    for match in _UNIT.finditer(text, start, stop):
        positions = tuple(p for p in locate_tokens(text, *match.span()) if p not in taken)
        taken.update(positions)
        units.append(_Unit(match.group().casefold(), *match.span(), positions))
    return tuple(units)


def _pair_units(own: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of indices with equal text, each index once; longest runs first, then the earliest."""
    pairs: list[tuple[int, int]] = []
    free_own, free_other = set(range(len(own))), set(range(len(other)))

    def run_length(i: int, j: int) -> int:
        length = 0
        while i + length in free_own and j + length in free_other and own[i + length] == other[j + length]:
            length += 1
        return length

    while True:
        runs = ((run_length(i, j), -i, -j) for i in free_own for j in free_other if own[i] == other[j])
        length, i, j = max(runs, default=(0, 0, 0))
        if not length:
            return pairs
        for step in range(length):
            pairs.append((step - i, step - j))
            free_own.remove(step - i)
            free_other.remove(step - j)
