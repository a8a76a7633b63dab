"""Learning and drawing in several processes: what they leave is what one would have made."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks.concepts.benchmark import Plan, make_plan_cases
from benchmarks.concepts.cases import Case
from benchmarks.concepts.methods import METHODS
from benchmarks.concepts.processes import RunnerSetup, learn_and_draw
from benchmarks.concepts.protocol import Effort
from benchmarks.concepts.run import Runner, Tell
from generator.errors import OutOfMemory
from pocket.probe import load_probe

TINY_EFFORT = Effort(steps=2, batch_size=1, pairs_batch_size=1)


@pytest.fixture(scope="module")
def cases() -> tuple[Case, ...]:
    return make_plan_cases(Plan(num_sources=2, seed=4, tasks=("decomposition",)), load_probe())


@pytest.fixture
def setup(tmp_path: Path) -> RunnerSetup:
    return RunnerSetup(model="pocket", effort=TINY_EFFORT, seed=0, folder=tmp_path, rates=(("m", 0.03),), seeds=(7,))


def prepared(
    setup: RunnerSetup, methods: Sequence[str], cases: Sequence[Case], *, num_workers: int, tell: Tell
) -> Runner:
    runner = setup.make()
    learn_and_draw(runner, setup, methods, cases, num_workers=num_workers, tell=tell)
    return runner


def test_processes_leave_nothing_to_do_and_what_one_would_have_made(
    setup: RunnerSetup, cases: tuple[Case, ...], tmp_path: Path
) -> None:
    said: list[str] = []
    runner = prepared(setup, ["prompt", "m"], cases, num_workers=2, tell=said.append)
    assert said[-1].startswith("drawn 4 of 4: ") and sum(line.startswith("learnt") for line in said) == 2
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    drawn = [runner.run_case(METHODS[name], case) for name in ("prompt", "m") for case in cases]
    alone = prepared(replace(setup, folder=tmp_path / "alone"), ["prompt", "m"], cases, num_workers=1, tell=said.append)
    assert len(said) == 6
    expected = [alone.run_case(METHODS[name], case) for name in ("prompt", "m") for case in cases]
    # Fewer threads add up in another order.
    assert [each.score.cp for pictures in drawn for each in pictures] == pytest.approx(
        [each.score.cp for pictures in expected for each in pictures], abs=0.01
    )
    assert {path: path.stat().st_mtime_ns for path in made} == made
    again = prepared(setup, ["prompt", "m"], cases, num_workers=2, tell=said.append)
    assert len(said) == 6
    assert all(again.seconds(lesson) for case in cases for lesson in again.lessons(METHODS["m"], case))


def test_an_interruption_waits_for_nothing(setup: RunnerSetup, cases: tuple[Case, ...]) -> None:
    for_ever = replace(setup, effort=replace(TINY_EFFORT, steps=10**9))

    def interrupt() -> None:
        while len([child for child in workers() if child.cpu_times().user > 3]) < 2:
            time.sleep(0.1)
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    main = threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run side by side it is ignored
    try:
        with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
            pool.submit(interrupt)
            prepared(for_ever, ["m"], cases, num_workers=2, tell=print)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not workers()


def workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_a_killed_process_is_told_and_loses_nothing(setup: RunnerSetup, cases: tuple[Case, ...]) -> None:
    said: list[str] = []

    def kill_one(line: str) -> None:
        said.append(line)
        if len(said) > 1:
            return
        os.kill(workers()[0].pid, signal.SIGKILL)

    with pytest.raises(OutOfMemory, match="--workers 1"):
        prepared(setup, ["m"], cases, num_workers=2, tell=kill_one)
    assert said[0] == "learnt 1 of 2: M, global"
    assert not any(line.startswith("drawn") for line in said)
    runner = prepared(setup, ["m"], cases, num_workers=1, tell=said.append)
    kept = [runner.seconds(lesson) for case in cases for lesson in runner.lessons(METHODS["m"], case)]
    assert any(kept)
