"""`fableverse bench concepts`: methods of personalisation compared on Pocket.

The benchmark itself lives in `benchmarks/`, which only this file of `api/` imports, and only when the command runs.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from api.console import Reporter
from api.errors import UsageError
from api.outcome import Outcome

MIN_SOURCES = 2


def compare_methods(
    *,
    quick: bool,
    methods: Sequence[str],
    tasks: Sequence[str],
    num_sources: int | None,
    seed: int,
    model: str,
    num_workers: int | None,
    cache_dir: Path,
    results_dir: Path,
    beside: Sequence[Path],
    reporter: Reporter,
) -> Outcome:
    """Runs the benchmark, or what is left of it, and prints its table; empty `methods` or `tasks` are all.

    `num_workers` processes learn and draw; None is as many as suit the machine. Methods that are not run have the rows
    of the tables `beside`, where there are any.
    """
    try:
        from benchmarks.concepts.benchmark import QUICK_PLAN as quick_plan
        from benchmarks.concepts.benchmark import Plan, run_benchmark, write_results
        from benchmarks.concepts.cases import TASKS
        from benchmarks.concepts.measured import UnusableTable
        from benchmarks.concepts.methods import METHODS
        from benchmarks.concepts.processes import default_workers
        from benchmarks.concepts.report import write_report
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The benchmark draws its own pictures and needs the package {error.name!r}, which is not installed. "
            "Install the extra: pip install 'fableverse[bench]', in a clone of the repository."
        ) from error
    _check_names(methods, METHODS, "method", "--methods")
    _check_names(tasks, TASKS, "task", "--tasks")
    if num_sources is not None and num_sources < MIN_SOURCES:
        raise UsageError(
            f"--cases {num_sources} is too few: composition joins the concepts of two pictures. Give {MIN_SOURCES} "
            "or more."
        )
    if num_workers is not None and num_workers < 1:
        raise UsageError(f"--workers {num_workers} is too few: give 1 or more processes.")
    plan = quick_plan if quick else Plan()
    plan = replace(
        plan,
        methods=tuple(name for name in METHODS if name in methods) or plan.methods,
        tasks=tuple(task for task in TASKS if task in tasks) or plan.tasks,
        num_sources=num_sources or plan.num_sources,
        seed=seed,
    )
    workers = num_workers or default_workers()
    try:
        results = run_benchmark(
            plan, model=model, folder=cache_dir, num_workers=workers, beside=beside, tell=reporter.note
        )
    except UnusableTable as error:
        raise UsageError(f"--beside: {error}") from error
    report = results_dir / f"{plan.stem}.html"
    paths = [*write_results(results, results_dir), report]
    write_report(results, report)
    return Outcome(lines=(results.markdown(), "", *(str(path) for path in paths)), data=results.as_json())


def _check_names(given: Sequence[str], known: Collection[str], what: str, option: str) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        raise UsageError(f"{option}: there is no {what} {unknown[0]!r}. There are {', '.join(known)}.")
