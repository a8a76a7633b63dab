"""Tables of modulations of all pages of a book, computed in one go by the first page that is drawn.

Where the adaptive norms are off the device, a table fetches them all, 6.5 GB at FLUX.1's size; so a book fetches them
once. Its tables wait in the computer's memory (there 0.4 GB a page, of eight tokens of concepts and 28 steps), and each
page has its own on the device while it is drawn. Knows not how a table is computed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from generator.directions import TokenRows

Steps = dict[float, list[Tensor]]
"""By noise level what each adaptive norm makes of it, `(B, R, W)`, and temb last."""
Compute = Callable[[Mapping[str, Any], TokenRows, Callable[[Tensor], Tensor]], Steps]
"""Given a pass's arguments, rows, and what is done with each tensor as soon as it is computed."""


class BookTables:
    """Tables of several prompts of one length that are drawn by the same settings, one after the other."""

    def __init__(self, rows: TokenRows, pooled: Tensor) -> None:
        """Take the rows of all prompts, and their pooled embeddings `(B, ·)`."""
        self.rows = rows
        self.pooled = pooled
        self._steps: Steps = {}

    def pages(self, items: range) -> "Pages":
        """Some that go through the model together."""
        return Pages(self, items)

    def steps(self, arguments: Mapping[str, Any], levels: list[float], items: range, compute: Compute) -> Steps:
        """Those of some prompts, on the device of a pass that is given its arguments; computed for all if need be."""
        pooled = arguments["pooled_projections"]
        if [*self._steps] != levels:
            guidance = arguments.get("guidance")
            of_all = {
                **arguments,
                "pooled_projections": self.pooled.to(pooled),
                "guidance": None if guidance is None else guidance[:1].expand(len(self.pooled)),
            }
            computed = compute(of_all, self.rows, Tensor.cpu)
            self._steps = {level: computed[level] for level in levels}
        return {
            level: [rows[items.start : items.stop].to(pooled.device) for rows in of_norms]
            for level, of_norms in self._steps.items()
        }


@dataclass(frozen=True)
class Pages:
    """Those prompts of a book that the passes of one attachment are of."""

    book: BookTables
    items: range

    @property
    def rows(self) -> TokenRows:
        """Theirs, as many for each as for all others of the book."""
        of_book, items = self.book.rows, slice(self.items.start, self.items.stop)
        return replace(
            of_book,
            positions=of_book.positions[items],
            offsets=of_book.offsets[items],
            activated=None if of_book.activated is None else of_book.activated[items],
        )
