"""The learning rates that were found for methods: what each tried one reached, and whether one beyond may be better.

`rates.py` searches them and writes `rates.json`.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.concepts.protocol import EFFORTS, Effort

RATES_PATH = Path(__file__).parent / "rates.json"
Reached = Mapping[str, float]
"""The CP·PF that each learning rate reached in a search, by the rate as text."""
Rates = dict[str, dict[str, dict[str, float]]]
"""`Reached` by effort and by what methods learn alone."""


def read_rates() -> Rates:
    """What was found in all searches."""
    return json.loads(RATES_PATH.read_text(encoding="utf-8"))


def rates_of(found: Rates, effort: Effort) -> Mapping[str, Reached]:
    """What was found at an effort, nothing where it was not searched at; which rate is best depends on how long it
    learns."""
    return next((found[name] for name, each in EFFORTS.items() if each == effort and name in found), {})


def best_rate(reached: Reached) -> float:
    """The rate that reached most."""
    return float(max(reached, key=reached.__getitem__))


def is_at_edge(reached: Reached) -> bool:
    """Whether the best is the lowest or the highest rate that was tried, so that one beyond may be better."""
    tried = [float(rate) for rate in reached]
    return best_rate(reached) in (min(tried), max(tried))


def rate_beyond(reached: Reached) -> float:
    """The rate beyond the edge that the best is at, as many times as far as its neighbour is; of two digits."""
    tried = sorted((float(rate) for rate in reached), reverse=best_rate(reached) == min(map(float, reached)))
    return float(f"{tried[-1] * tried[-1] / tried[-2]:.2g}")
