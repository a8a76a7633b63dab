"""What a table says of the paper's two claims, in sentences: the order of its ablation, and the lead over baselines."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product

from benchmarks.concepts.cases import Task
from benchmarks.concepts.summary import TITLES, Row

OURS = "full"
ABLATION = ("text_embedding", "m_plus", "m_plus_block", OURS)
"""In the order in which the paper's Fig. 10 finds them better and better."""
GUIDED = "full_guided"
OWN = ("m_plus", "m_plus_block", OURS, "full_no_aug", "full_joint", GUIDED)
"""TokenVerse with something left out or added; everything else is a baseline."""
LEADS: tuple[Task, ...] = ("composition", "full")
"""Tasks in which the paper reports to be ahead of every baseline."""


def findings(rows: Sequence[Row], titles: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each claim that the rows say something of; `titles` are the methods' by name."""
    found = {(row.task, row.method): row for row in rows}
    sentences: list[str] = []
    ablation = [found[("full", method)] for method in ABLATION if ("full", method) in found]
    if len(ablation) == len(ABLATION):
        holds = all(before.cp_pf <= after.cp_pf for before, after in pairwise(ablation))
        order = ", ".join(_named(row, titles) for row in ablation)
        sentences.append(f"The paper's order of the ablation {'holds' if holds else 'does not hold'}: {order}.")
    for task, method in product(LEADS, (OURS, GUIDED)):
        ours = found.get((task, method))
        others = [row for row in rows if row.task == task and row.method not in OWN]
        if ours is not None and others:
            sentences.append(_lead(ours, others, titles))
    return tuple(sentences)


def _lead(ours: Row, others: Sequence[Row], titles: Mapping[str, str]) -> str:
    task, name = TITLES[ours.task], titles.get(ours.method, ours.method)
    ahead = [row for row in others if row.cp_pf >= ours.cp_pf]
    if not ahead:
        second = max(others, key=lambda row: row.cp_pf)
        return f"{task}: {name} is ahead of every baseline, the next being {_named(second, titles)}."
    said = ", ".join(
        f"{_named(row, titles)}{'' if row.low > ours.high else ' with intervals that overlap'}" for row in ahead
    )
    return f"{task}: {name} is behind {said}."


def _named(row: Row, titles: Mapping[str, str]) -> str:
    return f"{titles.get(row.method, row.method)} {row.cp_pf:.3f}"
