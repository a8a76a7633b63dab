"""The whole benchmark: cases drawn, methods run, a table, JSON and a report written.

Runs on the model that is loaded, with the shipped probe as judge.
"""

import json
import logging
import os
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image
from pydantic import JsonValue

from benchmarks.concepts.cases import TASKS, Case, Task, make_cases, make_sources
from benchmarks.concepts.differences import Difference, differences
from benchmarks.concepts.findings import findings, pairs_to_compare
from benchmarks.concepts.found_rates import Reached, best_rate, is_at_edge, rates_of, read_rates
from benchmarks.concepts.measured import Measured, Setting, read_table
from benchmarks.concepts.methods import METHODS
from benchmarks.concepts.methods.prompt import IN_WORDS
from benchmarks.concepts.processes import RunnerSetup, learn_and_draw
from benchmarks.concepts.protocol import FULL_EFFORT, QUICK_EFFORT, Effort
from benchmarks.concepts.run import Drawn, Runner, Tell
from benchmarks.concepts.scores import judge_accuracy, reads_true, score
from benchmarks.concepts.summary import (
    ByKind,
    Row,
    as_json,
    as_markdown,
    kept_by_kind,
    kinds_as_markdown,
    leakage_by_kind,
    scores_by_case,
    summarise,
)
from concepts.files import write_whole
from generator.model_folder import POCKET
from pocket.probe import Probe, Reading, load_probe, read_pictures
from pocket.world.drawing import draw_scene
from pocket.world.schema import Scene

logger = logging.getLogger(__name__)

LIMITS = (
    "Each lesson was learnt once, so intervals leave out chance in learning: two runs of TokenVerse's recipe differed "
    "by 0.03 to 0.06 in a task (docs/LOG.md). Joint methods' rates were searched on single pictures. The shipped model "
    "was never trained on the first figures' combinations of kind, colour, pose and place as first figures, but on all "
    "of them as second ones."
)
METHOD_TITLES = {method.name: method.title for method in (*METHODS.values(), IN_WORDS)}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is run."""

    methods: tuple[str, ...] = tuple(METHODS)
    tasks: tuple[Task, ...] = TASKS
    num_sources: int = 20
    """Single-concept pictures, and as many multi-concept ones."""
    seeds_per_case: int = 8
    seed: int = 0
    effort: Effort = FULL_EFFORT

    @property
    def stem(self) -> str:
        """What its results are called; no part of a table takes the place of a whole one."""
        return {Plan(): "concepts", QUICK_PLAN: "concepts-quick"}.get(self, "concepts-part")


QUICK_PLAN = Plan(num_sources=4, seeds_per_case=2, effort=QUICK_EFFORT)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What the judge itself is worth, by clean renders of what the cases ask for."""

    accuracy: dict[str, float]
    """Share of attributes read as they are."""
    clean: dict[Task, tuple[float, float]]
    """CP and PF of a perfect picture, by task: the most that a method can reach."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that was measured."""

    plan: Plan
    cases: tuple[Case, ...]
    judge: Judge
    drawn: tuple[Drawn, ...]
    """By this run; rows of earlier tables have none."""
    measured: Measured
    rates_at_edge: tuple[str, ...]
    """Methods whose learning rate was the lowest or the highest of those tried."""
    rows: tuple[Row, ...]
    compared: tuple[Difference, ...]
    """TokenVerse, without and with guidance, with every other row, and the steps of its ablation with each other."""
    in_words: tuple[Row, ...]
    """What the model draws when it is told the looks in words, by task."""
    kept: ByKind
    """CP by method, what is told in words among them, and by kind of concept."""
    model_name: str
    model_fingerprint: str

    def setup(self) -> str:
        """What was run, on what, when, in a sentence or two."""
        effort = self.plan.effort
        searched = self.measured.learning_rates_searched
        blind = [METHOD_TITLES.get(name, name) for name in self.measured.learning_rates if name not in searched]
        said = f" Learning rates not searched for: {', '.join(blind)}." if blind else ""
        if self.rates_at_edge:
            edges = (
                f"{METHOD_TITLES.get(name, name)} ({self.measured.learning_rates[name]:g})"
                for name in self.rates_at_edge
            )
            said += f" At an edge of the learning rates tried, so that a better one may lie beyond: {'; '.join(edges)}."
        return (
            f"{len(self.cases)} cases, {self.plan.seeds_per_case} seeds each, {effort.steps} steps of batches of "
            f"{effort.batch_size} for a picture or, where a method is joint, for all of a case, on {self.model_name} "
            f"({self.model_fingerprint[:12]}); {_here_and_now()}.{said}"
            f"{self._said_of_earlier()} {LIMITS}"
        )

    def _said_of_earlier(self) -> str:
        """Where and when rows of earlier tables were measured, a sentence each."""
        by_place: dict[str, list[str]] = {}
        for name, place in self.measured.measured_on.items():
            if name not in self.plan.methods:
                by_place.setdefault(place, []).append(METHOD_TITLES.get(name, name))
        return "".join(f" Of an earlier table ({place}): {'; '.join(titles)}." for place, titles in by_place.items())

    def told(self) -> str:
        """What comes of words alone, by task."""
        return "; ".join(
            f"{row.task} CP {row.cp:.3f}, PF {row.pf:.3f}, CP·PF {row.cp_pf:.3f} ({row.low:.2f} to {row.high:.2f})"
            for row in self.in_words
        )

    def findings(self) -> tuple[str, ...]:
        """What comes of the paper's claims, a sentence each."""
        return findings(self.rows, self.compared, METHOD_TITLES)

    def markdown(self) -> str:
        """Judge, table, what comes of the paper's claims, machine."""
        accuracy = ", ".join(f"{name} {value:.2f}" for name, value in self.judge.accuracy.items())
        clean = "; ".join(f"{task} CP {cp:.3f}, PF {pf:.3f}" for task, (cp, pf) in self.judge.clean.items())
        table = as_markdown(self.rows, METHOD_TITLES)
        return (
            f"Judge, share read rightly on clean renders: {accuracy}.\n\n"
            f"A perfect picture scores: {clean}.\n\n"
            f"Told the looks in words, the model scores: {self.told()}.\n\n{table}\n\n"
            f"{kinds_as_markdown('CP of', self.kept, METHOD_TITLES)}\n\n"
            f"{kinds_as_markdown('Leaked beside', self.measured.leakage, METHOD_TITLES)}\n\n"
            + "".join(f"{sentence}\n\n" for sentence in self.findings())
            + self.setup()
        )

    def as_json(self) -> dict[str, JsonValue]:
        """What the JSON file holds."""
        document = {
            "benchmark": "concepts",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": _machine(),
            "model": {"name": self.model_name, "fingerprint": self.model_fingerprint},
            "seed": self.plan.seed,
            "seeds_per_case": self.plan.seeds_per_case,
            "effort": asdict(self.plan.effort),
            "cases": {task: sum(case.task == task for case in self.cases) for task in self.plan.tasks},
            "judge": {
                "accuracy": _rounded(self.judge.accuracy),
                "clean": {
                    task: {"cp": round(cp, 4), "pf": round(pf, 4)} for task, (cp, pf) in self.judge.clean.items()
                },
            },
            "tasks": as_json(self.rows),
            "differences": [_rounded_difference(each) for each in self.compared],
            "in_words": {task: rows[IN_WORDS.name] for task, rows in as_json(self.in_words).items()},
            **self.measured.as_json(),
            "kept": {method: _rounded(kinds) for method, kinds in self.kept.items()},
        }
        return json.loads(json.dumps(document))


def make_plan_cases(plan: Plan, probe: Probe) -> tuple[Case, ...]:
    """The cases of a plan, from source pictures that the judge reads as they are."""

    def accept(scene: Scene) -> bool:
        return reads_true(scene, _read(probe, [scene])[0])

    single, multi = (
        make_sources(plan.num_sources, multi=multi, seed=plan.seed, accept=accept) for multi in (False, True)
    )
    return make_cases(single, multi, seed=plan.seed, tasks=plan.tasks)


def run_benchmark(
    plan: Plan,
    *,
    model: str = POCKET,
    folder: Path,
    num_workers: int = 1,
    beside: Sequence[Path] = (),
    tell: Tell = logger.info,
) -> Results:
    """Run what a plan asks for.

    Args:
        plan: What is run.
        model: As `load_model` takes it.
        folder: What it keeps of an earlier run is not done again.
        num_workers: Processes that learn and draw.
        beside: JSON files of earlier runs, whose rows are taken for methods that the plan lacks.
        tell: Told of each step.

    Raises:
        UnusableTable: A file is none, or its rows mean something else.
    """
    probe = load_probe()
    cases = make_plan_cases(plan, probe)
    found = rates_of(read_rates(), plan.effort)
    searched = {name: best_rate(reached) for name, reached in found.items()}
    setup = RunnerSetup(
        model=model,
        effort=plan.effort,
        seed=plan.seed,
        folder=folder,
        rates=tuple(searched.items()),
        seeds=tuple(plan.seed * 1000 + number for number in range(plan.seeds_per_case)),
    )
    runner = setup.make()
    bench = runner.bench
    judge = assess_judge(cases, probe)
    setting = Setting(
        fingerprint=bench.model.fingerprint,
        seed=plan.seed,
        seeds_per_case=plan.seeds_per_case,
        effort=plan.effort,
        clean=judge.clean,
    )
    tables = [read_table(path, setting, cases) for path in beside]
    learn_and_draw(runner, setup, plan.methods, cases, num_workers=num_workers, tell=tell)
    drawn = [each for name in plan.methods for each in runner.run(METHODS[name], cases, tell=tell)]
    told = runner.run(IN_WORDS, cases, tell=tell)
    measured = _measured(runner, plan, cases, drawn, searched)
    for table in tables:
        measured = measured.beside(table, order=METHODS)
    return Results(
        plan=plan,
        cases=cases,
        judge=judge,
        drawn=tuple(drawn),
        measured=measured,
        rates_at_edge=methods_at_edge(measured.learning_rates, found),
        rows=tuple(summarise(cases, measured.by_case, seed=plan.seed)),
        compared=tuple(differences(cases, measured.by_case, pairs_to_compare(measured.methods), seed=plan.seed)),
        in_words=tuple(summarise(cases, scores_by_case(told), seed=plan.seed)),
        kept={**measured.kept, **kept_by_kind(told)},
        model_name=bench.model.name,
        model_fingerprint=bench.model.fingerprint,
    )


def methods_at_edge(rates: Mapping[str, float], found: Mapping[str, Reached]) -> tuple[str, ...]:
    """Methods that learnt by the best of the rates tried, with no worse one on its other side.

    Args:
        rates: Learning rates by method.
        found: What was found at the effort, by what methods learn alone.
    """
    edges = {name: best_rate(reached) for name, reached in found.items() if is_at_edge(reached)}
    alone = {name: METHODS[name].alone for name in rates if name in METHODS}
    return tuple(name for name, of in alone.items() if of in edges and rates[name] == edges[of])


def assess_judge(cases: Sequence[Case], probe: Probe) -> Judge:
    """The judge on the pictures that the world draws of what the cases want."""
    wanted = [case.wanted for case in cases]
    readings = _read(probe, wanted)
    clean: dict[Task, tuple[float, float]] = {}
    for task in dict.fromkeys(case.task for case in cases):
        scores = [
            score(case, reading, _read(probe, [source.scene for source in case.sources]))
            for case, reading in zip(cases, readings, strict=True)
            if case.task == task
        ]
        clean[task] = (_mean([each.cp for each in scores]), _mean([each.pf for each in scores]))
    return Judge(accuracy=judge_accuracy(wanted, readings), clean=clean)


def write_results(results: Results, folder: Path) -> list[Path]:
    """JSON and Markdown in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    data, table = (folder / f"{results.plan.stem}.{ending}" for ending in ("json", "md"))
    write_whole(data, f"{json.dumps(results.as_json(), indent=2)}\n".encode())
    write_whole(table, f"{results.markdown()}\n".encode())
    return [data, table]


def _measured(
    runner: Runner, plan: Plan, cases: Sequence[Case], drawn: Sequence[Drawn], searched: Collection[str]
) -> Measured:
    learnt = [name for name in plan.methods if METHODS[name].rates]
    return Measured(
        by_case=scores_by_case(drawn),
        kept=kept_by_kind(drawn),
        leakage=leakage_by_kind(drawn),
        learning_rates={name: runner.rate(METHODS[name]) for name in learnt},
        learning_rates_searched={name for name in plan.methods if METHODS[name].alone in searched},
        learning_cpu_seconds=_learning_seconds(runner, plan, cases),
        measured_on=dict.fromkeys(plan.methods, _here_and_now()),
    )


def _learning_seconds(runner: Runner, plan: Plan, cases: Sequence[Case]) -> dict[str, float]:
    means: dict[str, float] = {}
    for name in plan.methods:
        method = METHODS[name]
        lessons = {lesson.key: lesson for case in cases for lesson in runner.lessons(method, case)}
        seconds = [taken for lesson in lessons.values() if (taken := runner.seconds(lesson)) is not None]
        if seconds:
            means[name] = _mean(seconds)
    return means


def _read(probe: Probe, scenes: Sequence[Scene]) -> list[Reading]:
    return read_pictures(probe, [Image.fromarray(draw_scene(scene)) for scene in scenes])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def _rounded_difference(difference: Difference) -> dict[str, JsonValue]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(difference).items()}


def _here_and_now() -> str:
    return f"{_machine()}; {datetime.now(UTC):%Y-%m-%d}"


def _machine() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"
