"""From scores to a table: means, intervals by bootstrap, and the forms in which they are kept.

Rows follow from what each method is worth in each case, which the JSON file has, so they can be made of that again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.concepts.cases import TASKS, Case, Task
from benchmarks.concepts.run import Drawn
from concepts.schema import ConceptKind

RESAMPLES = 2000
INTERVAL = (2.5, 97.5)
TITLES: dict[Task, str] = {"composition": "Composition", "decomposition": "Decomposition", "full": "Full task"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method in one task."""

    task: Task
    method: str
    cp: float
    pf: float
    cp_pf: float
    """Product of the means, as in the paper's Table 2."""
    low: float
    """Of `cp_pf`: the lower end of a 95 % interval over cases, as if they were independent, which those that share a
    picture are not. Two rows are compared by their `Difference`."""
    high: float
    num_cases: int


Worth = Mapping[str, Mapping[str, tuple[float, float]]]
"""CP and PF by case and method, means over seeds."""


def scores_by_case(drawn: Sequence[Drawn]) -> dict[str, dict[str, tuple[float, float]]]:
    """What each method is worth in each case."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for each in drawn:
        found.setdefault(each.case.name, {}).setdefault(each.method, []).append((each.score.cp, each.score.pf))
    return {
        case: {method: tuple(np.mean(scores, axis=0).tolist()) for method, scores in methods.items()}
        for case, methods in found.items()
    }


def worth_in(task: Task, cases: Sequence[Case], scores: Worth, method: str) -> NDArray[np.float64]:
    """CP and PF `(cases, 2)` of a method in the cases of a task, where it has any."""
    names = [case.name for case in cases if case.task == task]
    return np.array([scores[name][method] for name in names if method in scores.get(name, {})]).reshape(-1, 2)


def summarise(cases: Sequence[Case], scores: Worth, *, seed: int = 0) -> list[Row]:
    """A row for each task and method, in the order of the tasks and of the methods in the scores."""
    methods = list(dict.fromkeys(method for case in cases for method in scores.get(case.name, {})))
    rows: list[Row] = []
    for task, method in product(TASKS, methods):
        own_C2 = worth_in(task, cases, scores, method)
        if own_C2.size:
            rows.append(_row(task, method, own_C2, np.random.default_rng(seed)))
    return rows


def _row(task: Task, method: str, own_C2: NDArray[np.float64], rng: np.random.Generator) -> Row:
    cp, pf = own_C2.mean(axis=0)
    resampled = own_C2[rng.integers(len(own_C2), size=(RESAMPLES, len(own_C2)))]
    low, high = np.percentile(resampled.mean(axis=1).prod(axis=-1), INTERVAL)
    return Row(
        task=task,
        method=method,
        cp=float(cp),
        pf=float(pf),
        cp_pf=float(cp * pf),
        low=float(low),
        high=float(high),
        num_cases=len(own_C2),
    )


ByKind = Mapping[str, Mapping[ConceptKind, float]]
"""Something measured by method and kind of concept."""


def leakage_by_kind(drawn: Sequence[Drawn]) -> dict[str, dict[ConceptKind, float]]:
    """For each method and kind of concept, the share of leaks from pictures that gave a concept of that kind alone."""
    found: dict[str, dict[ConceptKind, list[bool]]] = {}
    for each in drawn:
        for source in each.case.sources:
            kinds = {concept.kind for concept in each.case.concepts if concept in source.concepts}
            if len(kinds) == 1:
                leaks = [leak.leaked for leak in each.score.leaks if leak.source == source.name]
                found.setdefault(each.method, {}).setdefault(kinds.pop(), []).extend(leaks)
    return {
        method: {kind: float(np.mean(leaks)) for kind, leaks in sorted(kinds.items()) if leaks}
        for method, kinds in found.items()
    }


def kept_by_kind(drawn: Sequence[Drawn]) -> dict[str, dict[ConceptKind, float]]:
    """For each method and kind of concept, how far concepts of that kind are preserved, over all tasks."""
    found: dict[str, dict[ConceptKind, list[float]]] = {}
    for each in drawn:
        for concept, kept in zip(each.case.concepts, each.score.kept, strict=True):
            found.setdefault(each.method, {}).setdefault(concept.kind, []).append(kept)
    return {
        method: {kind: float(np.mean(values)) for kind, values in sorted(kinds.items())}
        for method, kinds in found.items()
    }


def as_markdown(rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """The table in the form of the paper's Table 2, the interval behind each product."""
    tasks = [task for task in TASKS if any(row.task == task for row in rows)]
    methods = list(dict.fromkeys(row.method for row in rows))
    found = {(row.task, row.method): row for row in rows}
    heads = [cell for task in tasks for cell in (f"{TITLES[task]} CP", "PF", "CP·PF (95 %)")]
    lines = [f"| Method | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for method in methods:
        cells: list[str] = []
        for task in tasks:
            row = found.get((task, method))
            cells += ["", "", ""] if row is None else [f"{row.cp:.3f}", f"{row.pf:.3f}", _product(row)]
        lines.append(f"| {titles.get(method, method)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def kinds_as_markdown(what: str, found: ByKind, titles: Mapping[str, str]) -> str:
    """A row a method and a column a kind of concept; `what` is measured."""
    kinds = sorted({kind for of_method in found.values() for kind in of_method})
    lines = [f"| {what} | {' | '.join(kinds)} |", f"|---|{'---|' * len(kinds)}"]
    for method, of_kind in found.items():
        cells = [f"{of_kind[kind]:.2f}" if kind in of_kind else "" for kind in kinds]
        lines.append(f"| {titles.get(method, method)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def as_json(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """`{task: {method: {"cp", "pf", "cp_pf", "low", "high"}}}`, each rounded to four places."""
    tasks: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        values = {name: round(getattr(row, name), 4) for name in ("cp", "pf", "cp_pf", "low", "high")}
        tasks.setdefault(row.task, {})[row.method] = values
    return tasks


def _product(row: Row) -> str:
    return f"{row.cp_pf:.3f} ({row.low:.2f} to {row.high:.2f})"
