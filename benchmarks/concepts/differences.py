"""How far one method is ahead of another on the same cases, with an interval that chance explains.

Two rows of the table share sources, prompts and noise, so their own intervals say little of their difference: a hard
case is hard for both. Here the cases of both are resampled together. Source pictures that several cases share are
resampled as if each case had its own, so intervals are somewhat too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.concepts.cases import TASKS, Case, Task
from benchmarks.concepts.summary import INTERVAL, RESAMPLES, Worth, worth_in

FEW_CASES = 5
"""Of fewer an interval by bootstrap is far too narrow, and of one it has no width at all."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """CP·PF of one method less that of another in one task."""

    task: Task
    method: str
    other: str
    value: float
    low: float
    """The lower end of a 95 % interval, by bootstrap over cases."""
    high: float
    num_cases: int

    @property
    def may_be_chance(self) -> bool:
        """Whether other cases may have given none; so few that they say little of others may always."""
        return self.num_cases < FEW_CASES or self.low <= 0 <= self.high


def differences(
    cases: Sequence[Case], scores: Worth, pairs: Sequence[tuple[str, str]], *, seed: int = 0
) -> list[Difference]:
    """The first method of each pair against the second, by task, in the cases that both have."""
    found: list[Difference] = []
    for task, (method, other) in product(TASKS, pairs):
        common = [case for case in cases if {method, other} <= scores.get(case.name, {}).keys()]
        both_2C2 = np.stack([worth_in(task, common, scores, name) for name in (method, other)])
        if both_2C2.size:
            found.append(_difference(task, method, other, both_2C2, np.random.default_rng(seed)))
    return found


def _difference(
    task: Task, method: str, other: str, both_2C2: NDArray[np.float64], rng: np.random.Generator
) -> Difference:
    num_cases = both_2C2.shape[1]
    resampled_2RC2 = both_2C2[:, rng.integers(num_cases, size=(RESAMPLES, num_cases))]
    low, high = np.percentile(_lead(resampled_2RC2), INTERVAL)
    return Difference(
        task=task,
        method=method,
        other=other,
        value=float(_lead(both_2C2)),
        low=float(low),
        high=float(high),
        num_cases=num_cases,
    )


def _lead(both: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of `(2, ..., cases, 2)`: `(...)`."""
    own, theirs = both.mean(axis=-2).prod(axis=-1)
    return own - theirs
