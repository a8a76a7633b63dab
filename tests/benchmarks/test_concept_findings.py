"""What a table is said to show is what its rows and their differences show."""

from benchmarks.concepts.cases import Task
from benchmarks.concepts.differences import Difference
from benchmarks.concepts.findings import findings, pairs_to_compare
from benchmarks.concepts.summary import Row

TITLES = {"full": "TokenVerse", "full_guided": "Guided", "omg": "OMG", "break_a_scene": "Break-A-Scene"}


def row(method: str, cp_pf: float, task: Task) -> Row:
    ends = {"low": cp_pf - 0.1, "high": cp_pf + 0.1}
    return Row(task=task, method=method, cp=cp_pf, pf=1.0, cp_pf=cp_pf, **ends, num_cases=4)


def found_in(values: dict[str, float], *, task: Task = "full") -> tuple[str, ...]:
    """Of rows whose differences are all uncertain by 0.15."""
    compared = [
        Difference(
            task=task, method=method, other=other, value=value, low=value - 0.15, high=value + 0.15, num_cases=20
        )
        for method, other in pairs_to_compare(list(values))
        for value in [values[method] - values[other]]
    ]
    return findings([row(method, value, task) for method, value in values.items()], compared, TITLES)


def ablation(*values: float) -> dict[str, float]:
    return dict(zip(("text_embedding", "m_plus", "m_plus_block", "full"), values, strict=True))


def test_the_order_of_the_ablation_is_said_to_hold_where_it_does() -> None:
    (holds, *_) = found_in(ablation(0.1, 0.2, 0.4, 0.4))
    assert holds == (
        "The paper's order of the ablation holds: text_embedding 0.100; "
        "m_plus 0.200, more by 0.100 (95 %: -0.05 to 0.25, which may be chance); "
        "m_plus_block 0.400, more by 0.200 (95 %: 0.05 to 0.35); "
        "TokenVerse 0.400, more by 0.000 (95 %: -0.15 to 0.15, which may be chance)."
    )
    (fails, *_) = found_in(ablation(0.1, 0.3, 0.2, 0.4))
    assert "order of the ablation does not hold" in fails


def test_baselines_that_are_ahead_are_named_and_so_is_chance() -> None:
    values = {"full": 0.6, "break_a_scene": 0.7, "omg": 0.9, "full_joint": 0.95, "prompt": 0.1}
    assert found_in(values)[:-1] == (
        "Full task: TokenVerse 0.600 is not ahead of every baseline; "
        "less Break-A-Scene 0.700 it is -0.100 (95 %: -0.25 to 0.05, which may be chance), "
        "less OMG 0.900 it is -0.300 (95 %: -0.45 to -0.15).",
    )


def test_a_lead_names_the_next_and_says_what_may_be_chance() -> None:
    (near, _) = found_in({"full": 0.6, "omg": 0.5, "m": 0.4}, task="composition")
    assert near == (
        "Composition: TokenVerse 0.600 is ahead of every baseline; "
        "less OMG 0.500 it is 0.100 (95 %: -0.05 to 0.25, which may be chance)."
    )
    (far, _) = found_in({"full": 0.6, "omg": 0.2}, task="composition")
    assert far.endswith("less OMG 0.200 it is 0.400 (95 %: 0.25 to 0.55).")


def test_pictures_that_are_guided_are_compared_with_baselines_too() -> None:
    behind, ahead, _ = found_in({"full": 0.6, "full_guided": 0.8, "omg": 0.7}, task="composition")
    assert behind.startswith("Composition: TokenVerse 0.600 is not ahead of every baseline; less OMG")
    assert ahead.startswith("Composition: Guided 0.800 is ahead of every baseline; less OMG")


def test_rows_without_tokenverse_or_without_a_baseline_claim_nothing() -> None:
    assert found_in({"omg": 0.6}) == ()
    assert found_in({"full": 0.6, "m_plus": 0.5})[:-1] == ()


def test_the_papers_own_figures_stand_beside_ours_with_their_judge() -> None:
    assert found_in({"full": 0.6})[-1] == (
        "TokenVerse, and in brackets what the paper reports of it, judged by a language model on other pictures and so "
        "on another scale: full task 0.600 (0.455)."
    )
    assert found_in({"omg": 0.6}) == ()
