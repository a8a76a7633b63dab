"""Learns and draws in several processes at once, each with its share of the cores.

A batch of few small pictures hardly keeps two threads busy, so a process per core needs less time than one with all of
them. Processes share nothing but the runner's folder; what they leave there, a `Runner` reads.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from multiprocessing import active_children, get_context
from pathlib import Path

import psutil
import torch

from benchmarks.concepts.cases import BenchSource, Case
from benchmarks.concepts.methods import METHODS
from benchmarks.concepts.protocol import Effort, Workbench
from benchmarks.concepts.run import Runner, Tell
from generator.errors import OutOfMemory
from generator.loading import load_model
from pocket.probe import load_probe

BYTES_PER_WORKER = 2 * 2**30


@dataclass(frozen=True, kw_only=True)
class RunnerSetup:
    """All that a process needs to make a `Runner` of its own."""

    model: str
    """As `load_model` takes it."""
    effort: Effort
    seed: int
    folder: Path
    rates: tuple[tuple[str, float], ...]
    seeds: tuple[int, ...]

    def make(self) -> Runner:
        """A runner with a model that is loaded for it."""
        return Runner(
            bench=Workbench(model=load_model(self.model), effort=self.effort, cache_dir=self.folder, seed=self.seed),
            probe=load_probe(),
            folder=self.folder,
            rates=dict(self.rates),
            seeds=self.seeds,
        )


def learn_and_draw(
    runner: Runner,
    setup: RunnerSetup,
    methods: Sequence[str],
    cases: Sequence[Case],
    *,
    num_workers: int,
    tell: Tell,
) -> None:
    """Have all learnt and drawn that methods lack of some cases, if by more than one process.

    Args:
        runner: For whom it is.
        setup: The runner's.
        methods: Names, of the table.
        cases: To be drawn.
        num_workers: Processes that do it; with one the runner is left to do it itself.
        tell: Told of each step.

    Raises:
        OutOfMemory: A process was killed; what is done is kept.
    """
    undrawn = [(METHODS[name], case) for name in methods for case in cases]
    undrawn = [(method, case) for method, case in undrawn if not runner.is_drawn(method, case)]
    if num_workers == 1 or not undrawn:
        return
    lessons = {each.key: each for method, case in undrawn if method.rates for each in runner.lessons(method, case)}
    others = set(active_children())
    pool = ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"))
    share = (setup, max(1, (os.cpu_count() or 1) // num_workers))
    try:
        learning = [
            pool.submit(_learn, *share, lesson.method.name, lesson.sources)
            for lesson in lessons.values()
            if runner.seconds(lesson) is None
        ]
        _follow(learning, "learnt", tell)
        _follow([pool.submit(_draw, *share, method.name, case) for method, case in undrawn], "drawn", tell)
    except BrokenProcessPool as error:
        raise OutOfMemory(
            f"One of {num_workers} processes that learn and draw was killed, as happens when memory runs out. What is "
            "done is kept: run the command again with fewer, such as --workers 1."
        ) from error
    except BaseException:  # whatever it is, nobody waits for what is begun; files are written whole
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def default_workers() -> int:
    """A process per core, as far as memory goes; one where there is a GPU, which they would share."""
    if torch.cuda.is_available():
        return 1
    return max(1, min(os.cpu_count() or 1, psutil.virtual_memory().available // BYTES_PER_WORKER))


def _follow(futures: Sequence[Future[str]], done: str, tell: Tell) -> None:
    for number, future in enumerate(as_completed(futures), start=1):
        tell(f"{done} {number} of {len(futures)}: {future.result()}")


@cache
def _runner(setup: RunnerSetup, threads: int) -> Runner:
    """This process's own, made at its first task."""
    torch.set_num_threads(threads)
    return setup.make()


def _learn(setup: RunnerSetup, threads: int, method: str, sources: tuple[BenchSource, ...]) -> str:
    runner = _runner(setup, threads)
    runner.learn(runner.lesson(METHODS[method], sources))
    return METHODS[method].title


def _draw(setup: RunnerSetup, threads: int, method: str, case: Case) -> str:
    _runner(setup, threads).draw_case(METHODS[method], case)
    return METHODS[method].title
