"""Learning rates that were found, and the search for them."""

import pytest

from benchmarks.concepts.benchmark import methods_at_edge
from benchmarks.concepts.found_rates import best_rate, is_at_edge, rate_beyond, rates_of, read_rates
from benchmarks.concepts.protocol import FULL_EFFORT, QUICK_EFFORT, Effort
from benchmarks.concepts.rates import MOST_RATES, search


def test_a_rate_is_the_best_of_its_effort() -> None:
    found = {"full": {"m": {"0.1": 0.2, "0.03": 0.4}}, "quick": {"m": {"0.1": 0.3, "0.03": 0.2}}}
    assert best_rate(rates_of(found, FULL_EFFORT)["m"]) == 0.03
    assert best_rate(rates_of(found, QUICK_EFFORT)["m"]) == 0.1
    assert rates_of(found, Effort(steps=2)) == {}


@pytest.mark.parametrize(
    ("reached", "beyond"),
    [
        ({"0.3": 0.6, "0.6": 0.7, "0.15": 0.5}, 1.2),
        ({"0.3": 0.2, "0.1": 0.3, "0.03": 0.4}, 0.009),
        ({"0.3": 0.2, "0.1": 0.1, "1": 0.3}, 3.3),
    ],
)
def test_beyond_an_edge_comes_a_rate_as_many_times_as_far(reached: dict[str, float], beyond: float) -> None:
    assert is_at_edge(reached)
    assert rate_beyond(reached) == beyond


def test_a_best_rate_between_others_is_at_no_edge() -> None:
    assert not is_at_edge({"0.3": 0.4, "0.1": 0.3, "1": 0.3})


def test_the_search_goes_on_beyond_an_edge_until_it_gets_worse() -> None:
    """The best is 4.8, and what is given ends at 0.6."""
    reached = search((0.3, 0.6, 0.15), lambda rate: -abs(rate - 4.8))
    assert list(reached) == ["0.3", "0.6", "0.15", "1.2", "2.4", "4.8", "9.6"]
    assert best_rate(reached) == 4.8
    assert list(search((0.3, 0.1, 1.0), lambda rate: -abs(rate - 0.3))) == ["0.3", "0.1", "1"]
    assert len(search((1.0, 2.0), lambda rate: rate)) == MOST_RATES


def test_rates_at_an_edge_are_told_of_what_learnt_by_them() -> None:
    """In full only M+; `dreambooth_lora` is between, and a rate of an earlier search is no edge of this one."""
    found = rates_of(read_rates(), FULL_EFFORT)
    rates = {"m_plus": 0.6, "dreambooth_lora": 0.003, "omg": 0.003, "full_no_aug": 0.3, "telepathy": 0.6}
    assert methods_at_edge(rates, found) == ("m_plus",)
    assert methods_at_edge({"m_plus": 0.3}, found) == ()
    quick = rates_of(read_rates(), QUICK_EFFORT)
    best = {name: best_rate(reached) for name, reached in quick.items()}
    assert set(methods_at_edge(best, quick)) == {"concept_express", "full_no_aug", "m_plus"}
