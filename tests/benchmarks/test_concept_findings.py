"""What a table is said to show is what its rows show."""

from benchmarks.concepts.cases import Task
from benchmarks.concepts.findings import findings
from benchmarks.concepts.summary import Row

TITLES = {"full": "TokenVerse", "omg": "OMG", "break_a_scene": "Break-A-Scene"}


def row(method: str, cp_pf: float, *, task: Task = "full") -> Row:
    low, high = cp_pf - 0.1, cp_pf + 0.1
    return Row(task=task, method=method, cp=cp_pf, pf=1.0, cp_pf=cp_pf, low=low, high=high, leakage=0.0, pictures=4)


def ablation(*values: float) -> list[Row]:
    names = ("text_embedding", "m_plus", "m_plus_block", "full")
    return [row(name, value) for name, value in zip(names, values, strict=True)]


def test_the_order_of_the_ablation_is_said_to_hold_where_it_does() -> None:
    (holds, _) = findings([*ablation(0.1, 0.2, 0.3, 0.3), row("prompt", 0.0)], TITLES)
    assert (
        "order of the ablation holds: text_embedding 0.100, m_plus 0.200, m_plus_block 0.300, TokenVerse 0.3" in holds
    )
    (fails, _) = findings([*ablation(0.1, 0.3, 0.2, 0.4), row("prompt", 0.0)], TITLES)
    assert "order of the ablation does not hold" in fails


def test_a_baseline_that_is_ahead_is_named() -> None:
    rows = [row("full", 0.6), row("break_a_scene", 0.7), row("omg", 0.9), row("full_joint", 0.95), row("prompt", 0.1)]
    assert findings(rows, TITLES) == (
        "Full task: TokenVerse is behind Break-A-Scene 0.700 with intervals that overlap, OMG 0.900.",
    )


def test_a_lead_names_the_next() -> None:
    rows = [row("full", 0.6, task="composition"), *(row(name, 0.5, task="composition") for name in ("omg", "m"))]
    assert findings(rows, TITLES) == ("Composition: TokenVerse is ahead of every baseline, the next being OMG 0.500.",)


def test_pictures_that_are_guided_are_compared_with_baselines_too() -> None:
    rows = [row(name, value, task="composition") for name, value in (("full", 0.6), ("full_guided", 0.8), ("omg", 0.7))]
    assert findings(rows, {**TITLES, "full_guided": "Guided"}) == (
        "Composition: TokenVerse is behind OMG 0.700 with intervals that overlap.",
        "Composition: Guided is ahead of every baseline, the next being OMG 0.700.",
    )


def test_rows_without_tokenverse_or_without_a_baseline_claim_nothing() -> None:
    assert findings([row("omg", 0.6)], TITLES) == ()
    assert findings([row("full", 0.6), row("m_plus", 0.5)], TITLES) == ()
