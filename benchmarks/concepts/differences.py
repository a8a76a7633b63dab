"""How far one method is ahead of another on the same cases and seeds, with an interval that chance explains.

Two rows of the table share sources, prompts and noise, so their own intervals say little of their difference: a hard
case is hard for both. Here both are resampled together. Source pictures that several cases share are resampled as if
each case had its own, so intervals are somewhat too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.concepts.cases import TASKS, Task
from benchmarks.concepts.run import Drawn
from benchmarks.concepts.summary import INTERVAL, RESAMPLES


@dataclass(frozen=True, kw_only=True)
class Difference:
    """CP·PF of one method less that of another in one task."""

    task: Task
    method: str
    other: str
    value: float
    low: float
    """The lower end of a 95 % interval, by bootstrap over cases and, within each, seeds."""
    high: float

    @property
    def may_be_chance(self) -> bool:
        return self.low <= 0 <= self.high


def differences(drawn: Sequence[Drawn], pairs: Sequence[tuple[str, str]], *, seed: int = 0) -> list[Difference]:
    """The first method of each pair against the second, by task, where both have pictures."""
    found: list[Difference] = []
    for task, (method, other) in product(TASKS, pairs):
        own, theirs = (_scores(drawn, task, name) for name in (method, other))
        if own.size and theirs.size:
            found.append(_difference(task, method, other, own, theirs, np.random.default_rng(seed)))
    return found


def scores_by_case(drawn: Sequence[Drawn]) -> dict[str, dict[str, tuple[float, float]]]:
    """CP and PF by case and method, means over seeds."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for each in drawn:
        found.setdefault(each.case.name, {}).setdefault(each.method, []).append((each.score.cp, each.score.pf))
    return {
        case: {method: tuple(np.mean(scores, axis=0).tolist()) for method, scores in methods.items()}
        for case, methods in found.items()
    }


def _scores(drawn: Sequence[Drawn], task: Task, method: str) -> NDArray[np.float64]:
    """CP and PF `(cases, seeds, 2)`, cases by name and seeds in order."""
    own = sorted(
        (each for each in drawn if each.task_and_method == (task, method)), key=lambda each: (each.case.name, each.seed)
    )
    num_cases = len({each.case.name for each in own})
    scores = np.array([(each.score.cp, each.score.pf) for each in own])
    return scores.reshape(num_cases, -1, 2) if num_cases else scores


def _difference(
    task: Task,
    method: str,
    other: str,
    own: NDArray[np.float64],
    theirs: NDArray[np.float64],
    rng: np.random.Generator,
) -> Difference:
    both = np.stack([own, theirs])
    num_cases, num_seeds = own.shape[:2]
    resampled = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        cases = rng.integers(num_cases, size=(num_cases, 1))
        seeds = rng.integers(num_seeds, size=(num_cases, num_seeds))
        resampled[number] = _lead(both[:, cases, seeds])
    low, high = np.percentile(resampled, INTERVAL)
    return Difference(task=task, method=method, other=other, value=_lead(both), low=float(low), high=float(high))


def _lead(both: NDArray[np.float64]) -> float:
    """Of `(2, cases, seeds, 2)`."""
    own, theirs = both.mean(axis=(1, 2)).prod(axis=-1)
    return float(own - theirs)
