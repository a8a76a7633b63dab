"""What a table says of the paper's two claims, in sentences: the order of its ablation, and the lead over baselines."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product

from benchmarks.concepts.cases import Task
from benchmarks.concepts.differences import Difference
from benchmarks.concepts.summary import TITLES, Row

OURS = "full"
ABLATION = ("text_embedding", "m_plus", "m_plus_block", OURS)
"""In the order in which the paper's Fig. 10 finds them better and better."""
GUIDED = "full_guided"
OWN = ("m_plus", "m_plus_block", OURS, "full_concept_mod", "full_no_aug", "full_joint", GUIDED)
"""TokenVerse with something left out or added; everything else is a baseline."""
OF_PAPER: Mapping[Task, float] = {"composition": 0.3235, "decomposition": 0.5004, "full": 0.4546}
"""Source: TokenVerse (arXiv:2501.12224), Table 2."""
LEADS: tuple[Task, ...] = ("composition", "full")
"""Tasks in which the paper reports to be ahead of every baseline."""


def pairs_to_compare(methods: Sequence[str]) -> list[tuple[str, str]]:
    """Which methods are to be compared: ours with all others, and the steps of the ablation with each other."""
    pairs = [(ours, other) for ours in (OURS, GUIDED) for other in methods if other != ours]
    steps = [(after, before) for before, after in pairwise(ABLATION)]
    return [pair for pair in dict.fromkeys([*pairs, *steps]) if set(pair) <= set(methods)]


def findings(rows: Sequence[Row], compared: Sequence[Difference], titles: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for each claim that the rows say something of.

    Args:
        rows: Of the table.
        compared: The pairs of `pairs_to_compare`.
        titles: Of the methods by name.
    """
    found = {(row.task, row.method): row for row in rows}
    sentences: list[str] = []
    amounts = {(each.task, each.method, each.other): each for each in compared}
    steps = [amounts.get(("full", after, before)) for before, after in pairwise(ABLATION)]
    if all(steps):
        first = _named(found[("full", ABLATION[0])], titles)
        rest = [f"{_named(found[('full', step.method)], titles)}, more by {_amount(step)}" for step in steps if step]
        holds = all(step.value >= 0 for step in steps if step)
        order = "; ".join([first, *rest])
        sentences.append(f"The paper's order of the ablation {'holds' if holds else 'does not hold'}: {order}.")
    for task, method in product(LEADS, (OURS, GUIDED)):
        against = [each for each in compared if (each.task, each.method) == (task, method) and each.other not in OWN]
        if against:
            sentences.append(_lead(found[(task, method)], found, against, titles))
    reached = [
        f"{TITLES[task].lower()} {found[(task, OURS)].cp_pf:.3f} ({value:.3f})"
        for task, value in OF_PAPER.items()
        if (task, OURS) in found
    ]
    if reached:
        sentences.append(
            f"{titles.get(OURS, OURS)}, and in brackets what the paper reports of it, judged by a language model on "
            f"other pictures and so on another scale: {', '.join(reached)}."
        )
    return tuple(sentences)


def _lead(
    ours: Row, found: Mapping[tuple[Task, str], Row], against: Sequence[Difference], titles: Mapping[str, str]
) -> str:
    ahead = [each for each in against if each.value <= 0]
    told = ahead or [min(against, key=lambda each: each.value)]
    said = ", ".join(f"less {_named(found[(ours.task, each.other)], titles)} it is {_amount(each)}" for each in told)
    place = "not ahead" if ahead else "ahead"
    return f"{TITLES[ours.task]}: {_named(ours, titles)} is {place} of every baseline; {said}."


def _amount(difference: Difference) -> str:
    chance = ", which may be chance" if difference.may_be_chance else ""
    return f"{difference.value:.3f} (95 %: {difference.low:.2f} to {difference.high:.2f}{chance})"


def _named(row: Row, titles: Mapping[str, str]) -> str:
    return f"{titles.get(row.method, row.method)} {row.cp_pf:.3f}"
