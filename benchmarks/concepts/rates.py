"""The search for each method's learning rate, so that none loses for want of a suitable one among those tried.

    python -m benchmarks.concepts.rates --methods m,text_embedding

Every candidate learns the same few pictures, which are none of the benchmark's, for as many steps as in the benchmark,
or with `--quick` as in its `--quick`. While the best is the lowest or the highest, one beyond it is tried, up to
`MOST_RATES` in all; tables name methods whose rate is at an edge all the same. What each rate reached is written to
`rates.json`, and the benchmark takes the one with the highest CP·PF at its effort. Methods that learn the same alone
share one rate. What is learnt and drawn is kept, as in the benchmark.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.concepts.benchmark import Plan, make_plan_cases
from benchmarks.concepts.cases import Case
from benchmarks.concepts.found_rates import RATES_PATH, is_at_edge, rate_beyond, read_rates
from benchmarks.concepts.methods import METHODS
from benchmarks.concepts.processes import RunnerSetup, default_workers, learn_and_draw
from benchmarks.concepts.protocol import EFFORTS, Method
from concepts.files import write_whole
from generator.model_folder import POCKET
from generator.recipe import LearningError
from pocket.probe import load_probe

TUNING_SEED = 777
SEEDS = (1, 2, 3)
MOST_RATES = 8


def search(rates: Sequence[float], score: Callable[[float], float]) -> dict[str, float]:
    """What each learning rate reached, by the rate as text: of those given, and of others while the best is at an edge.

    Args:
        rates: Two or more.
        score: CP·PF of a rate.
    """
    reached = {f"{rate:g}": score(rate) for rate in rates}
    while is_at_edge(reached) and len(reached) < MOST_RATES:
        beyond = rate_beyond(reached)
        reached[f"{beyond:g}"] = score(beyond)
    return reached


def scored(method: Method, cases: Sequence[Case], *, setup: RunnerSetup, num_workers: int) -> Callable[[float], float]:
    """CP·PF of a method by its learning rate; 0 where learning failed at it."""

    def score(rate: float) -> float:
        with_rate = replace(setup, rates=((method.alone, rate),))
        runner = with_rate.make()
        try:
            learn_and_draw(runner, with_rate, [method.name], cases, num_workers=num_workers, tell=print)
            scores = [each.score for case in cases for each in runner.run_case(method, case)]
        except LearningError as error:
            print(method.name, rate, error, flush=True)
            return 0.0
        cp, pf = (float(np.mean(values)) for values in zip(*((s.cp, s.pf) for s in scores), strict=True))
        return round(cp * pf, 4)

    return score


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.concepts.rates", description=__doc__.splitlines()[0])
    searched = [name for name, method in METHODS.items() if method.rates and method.alone == name]
    parser.add_argument("--methods", default=",".join(searched), metavar="NAME,NAME")
    parser.add_argument("--quick", action="store_true", help="for the short runs of `--quick`")
    parser.add_argument("--pictures", type=int, default=2, metavar="N", help="pictures with two concepts to learn")
    parser.add_argument("--cache", type=Path, default=Path("out/bench-concepts"), metavar="DIR")
    parser.add_argument("--workers", type=int, default=default_workers(), metavar="N", help="processes that do it")
    options = parser.parse_args(argv)
    plan = Plan(num_sources=options.pictures, seed=TUNING_SEED, tasks=("decomposition",))
    cases = make_plan_cases(plan, load_probe())
    effort = "quick" if options.quick else "full"
    setup = RunnerSetup(
        model=POCKET, effort=EFFORTS[effort], seed=TUNING_SEED, folder=options.cache, rates=(), seeds=SEEDS
    )
    for name in options.methods.split(","):
        method = METHODS[name]
        reached = search(method.rates, scored(method, cases, setup=setup, num_workers=options.workers))
        print(name, reached, flush=True)
        found = read_rates()
        found[effort] = dict(sorted((found.get(effort, {}) | {name: reached}).items()))
        write_whole(RATES_PATH, f"{json.dumps(found, indent=2)}\n".encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
