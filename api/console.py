"""What a person sees while something takes long: on standard error, so that standard output stays the result.

Knows rich and nothing of what is done meanwhile. Where standard error is no terminal, plain lines replace the bars.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text


class Advance(Protocol):
    """Told how much is done, in units of the total, what is being done now, and a detail that changes all the time."""

    def __call__(self, done: int, doing: str, detail: str = "") -> None: ...


class Reporter:
    """Writes progress and notes to standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def note(self, message: str) -> None:
        """One line of plain text, never read as markup."""
        self._console.print(Text(message))

    @contextmanager
    def progress(self, total: int) -> Iterator[Advance]:
        """A bar with elapsed and remaining time until the body ends, or a line for each new thing that is done."""
        if self._console.is_terminal:
            with self._bar() as bar:
                task = bar.add_task("", total=total)

                def advance(done: int, doing: str, detail: str = "") -> None:
                    bar.update(task, completed=done, description=f"{doing}{detail}")

                yield advance
            return
        last = ""

        def tell(done: int, doing: str, detail: str = "") -> None:
            nonlocal last
            del done, detail
            if doing != last:
                last = doing
                self.note(doing)

        yield tell

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
