"""From scores to a table: means, intervals by bootstrap, and the forms in which they are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.concepts.cases import TASKS, Task
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
    """Of `cp_pf`: the lower end of a 95 % interval, as if cases were independent, which those that share a picture are
    not. Two rows are compared by their `Difference`."""
    high: float
    leakage: float
    """Share of what the sources show, and neither concept nor prompt asks for, that is in the pictures."""
    pictures: int


def summarise(drawn: Sequence[Drawn], *, seed: int = 0) -> list[Row]:
    """A row for each task and method that has pictures, in the order of the tasks and of the pictures."""
    methods = list(dict.fromkeys(each.method for each in drawn))
    rows: list[Row] = []
    for task in TASKS:
        for method in methods:
            own = [each for each in drawn if each.task_and_method == (task, method)]
            if own:
                rows.append(_row(task, method, own, np.random.default_rng(seed)))
    return rows


def _row(task: Task, method: str, drawn: Sequence[Drawn], rng: np.random.Generator) -> Row:
    cases = list(dict.fromkeys(each.case.name for each in drawn))
    scores = [np.array([(each.score.cp, each.score.pf) for each in drawn if each.case.name == case]) for case in cases]
    cp, pf = np.concatenate(scores).mean(0)
    products: list[float] = []
    for _ in range(RESAMPLES):
        chosen = [scores[i] for i in rng.integers(len(scores), size=len(scores))]
        resampled = np.concatenate([own[rng.integers(len(own), size=len(own))] for own in chosen])
        products.append(float(np.prod(resampled.mean(0))))
    low, high = np.percentile(products, INTERVAL)
    leaks = [leak.leaked for each in drawn for leak in each.score.leaks]
    return Row(
        task=task,
        method=method,
        cp=float(cp),
        pf=float(pf),
        cp_pf=float(cp * pf),
        low=float(low),
        high=float(high),
        leakage=float(np.mean(leaks)) if leaks else 0.0,
        pictures=len(drawn),
    )


def leakage_by_kind(drawn: Sequence[Drawn]) -> dict[str, dict[str, float]]:
    """For each method and kind of concept, the share of leaks from pictures that gave a concept of that kind alone."""
    found: dict[str, dict[str, list[bool]]] = {}
    for each in drawn:
        for source in each.case.sources:
            kinds = {concept.kind for concept in each.case.concepts if concept in source.concepts}
            if len(kinds) == 1:
                leaks = [leak.leaked for leak in each.score.leaks if leak.source == source.name]
                found.setdefault(each.method, {}).setdefault(kinds.pop(), []).extend(leaks)
    return {
        method: {kind: float(np.mean(leaks)) for kind, leaks in kinds.items() if leaks}
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


def kinds_as_markdown(kept: Mapping[str, Mapping[ConceptKind, float]], titles: Mapping[str, str]) -> str:
    """CP by kind of concept, a row a method."""
    kinds = sorted({kind for of_method in kept.values() for kind in of_method})
    lines = [f"| CP of | {' | '.join(kinds)} |", f"|---|{'---|' * len(kinds)}"]
    for method, of_kind in kept.items():
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
