"""The search for each method's learning rate, so that no method loses for want of a suitable one.

    python -m benchmarks.concepts.rates --methods m,text_embedding

Every candidate learns the same few pictures, which are none of the benchmark's, for as many steps as in the benchmark,
or with `--quick` as in its `--quick`. What each rate reached is written to `rates.json`, and the benchmark takes the
one with the highest CP·PF at its effort. Methods that learn the same alone share one rate. What is learnt and drawn is
kept, as in the benchmark.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.concepts.benchmark import RATES_PATH, Plan, make_plan_cases, read_rates
from benchmarks.concepts.cases import Case
from benchmarks.concepts.methods import METHODS
from benchmarks.concepts.processes import RunnerSetup, default_workers, learn_and_draw
from benchmarks.concepts.protocol import EFFORTS, Method
from concepts.files import write_whole
from generator.model_folder import POCKET
from pocket.probe import load_probe

TUNING_SEED = 777
SEEDS = (1, 2, 3)


def search(method: Method, cases: Sequence[Case], *, setup: RunnerSetup, num_workers: int) -> dict[str, float]:
    """CP·PF of each of a method's learning rates, by the rate as text."""
    reached: dict[str, float] = {}
    for rate in method.rates:
        with_rate = replace(setup, rates=((method.alone, rate),))
        runner = with_rate.make()
        learn_and_draw(runner, with_rate, [method.name], cases, num_workers=num_workers, tell=print)
        scores = [each.score for case in cases for each in runner.run_case(method, case)]
        cp, pf = (float(np.mean(values)) for values in zip(*((s.cp, s.pf) for s in scores), strict=True))
        reached[f"{rate:g}"] = round(cp * pf, 4)
    return reached


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
        reached = search(METHODS[name], cases, setup=setup, num_workers=options.workers)
        print(name, reached, flush=True)
        found = read_rates()
        found[effort] = dict(sorted((found.get(effort, {}) | {name: reached}).items()))
        write_whole(RATES_PATH, f"{json.dumps(found, indent=2)}\n".encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
