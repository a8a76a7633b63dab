"""What the service asks of an engine of durable jobs, so that the engine can be another one."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Step = Callable[[], Coroutine[Any, Any, str]]
"""A part of a workflow: done again when nobody knows that it was done, so doing it twice has to do no harm. Returns a
word that says how it went; what it made lies in the service's own tables."""


class Steps(Protocol):
    """Runs the steps of one workflow and remembers those that are done."""

    async def run(self, name: str, step: Step) -> str:
        """What the step returned, now or in an earlier life of the process."""
        ...


Workflow = Callable[[str, Steps], Awaitable[None]]
"""What is done for a job of this id, the same steps in the same order every time."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a job; the engine knows jobs by these."""

    job_id: str
    number: int


AttemptState = Literal["unknown", "going", "over", "astray"]
"""How an engine has an attempt."""


class JobEngine(Protocol):
    """Carries workflows on through crashes. One per process; `launch` before anything else, `close` at the end."""

    def launch(self) -> None:
        """Go on with every workflow that an earlier life of the process left, and take new ones."""
        ...

    def start(self, attempt: Attempt) -> None:
        """Begin a workflow; one that has begun is not begun twice."""
        ...

    def states(self, attempts: Sequence[Attempt]) -> Sequence[AttemptState]:
        """How each attempt stands; the engine will not go on with those "astray", such as another version's."""
        ...

    def close(self) -> None:
        """Stop where it stands; what is unfinished goes on after the next launch."""
        ...
