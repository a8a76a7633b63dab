"""One HTML file with tables and pictures: sources, what is wanted, and a row for each method, like the paper's figures.

Pictures are inside the file, as JPEG, so that it can be sent and kept as it is.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from benchmarks.concepts.benchmark import METHOD_TITLES, Results
from benchmarks.concepts.cases import Case, Task
from benchmarks.concepts.methods import METHODS
from benchmarks.concepts.summary import TITLES, ByKind, Row
from concepts.files import write_whole
from concepts.schema import BoundPrompt
from pocket.world.drawing import draw_scene
from story.templates import Templates

TEMPLATE = "bench/concepts.html.j2"
CASES_SHOWN = 4
"""Of each task: the first ones, whatever they look like."""
PICTURES_SHOWN = 4
"""Of each case and method: the first seeds'."""
SIDE, QUALITY = 192, 80
"""Of a picture in the report, in pixels, and of its JPEG."""


def write_report(results: Results, path: Path) -> None:
    """Write the report of a run."""
    variables = report_variables(results)
    write_whole(path, Templates().render(TEMPLATE, **variables).encode())


def report_variables(results: Results) -> dict[str, object]:
    """Every variable of the template."""
    return {
        "setup": results.setup(),
        "findings": results.findings(),
        "accuracy": [(name, f"{value:.2f}") for name, value in results.judge.accuracy.items()],
        "tasks": [_task(results, task) for task in results.judge.clean],
        "kinds": sorted({kind for of_kind in results.kept.values() for kind in of_kind}),
        "kept": _by_kind(results.kept),
        "leakage": _by_kind(results.measured.leakage),
        "methods": [_method(results, name) for name in results.measured.methods if name in METHODS],
    }


def _task(results: Results, task: Task) -> dict[str, object]:
    cp, pf = results.judge.clean[task]
    rows = [row for row in results.rows if row.task == task]
    best = max((row.cp_pf for row in rows), default=0.0)
    return {
        "title": TITLES[task],
        "clean_cp": f"{cp:.3f}",
        "clean_pf": f"{pf:.3f}",
        "told": next(f"{row.cp_pf:.3f}" for row in results.in_words if row.task == task),
        "rows": [_row(row, best) for row in rows],
        "cases": [_case(results, case) for case in results.cases if case.task == task][:CASES_SHOWN],
    }


def _by_kind(found: ByKind) -> list[dict[str, object]]:
    return [
        {"title": METHOD_TITLES.get(name, name), "of_kind": {kind: f"{value:.2f}" for kind, value in of_kind.items()}}
        for name, of_kind in found.items()
    ]


def _row(row: Row, best: float) -> dict[str, object]:
    numbers = {name: f"{getattr(row, name):.3f}" for name in ("cp", "pf", "cp_pf")}
    ends = {name: f"{getattr(row, name):.2f}" for name in ("low", "high")}
    return {
        **numbers,
        **ends,
        "title": METHOD_TITLES.get(row.method, row.method),
        "cases": row.num_cases,
        "is_best": row.cp_pf == best,
    }


def _case(results: Results, case: Case) -> dict[str, object]:
    methods = []
    for name in results.plan.methods:
        drawn = [each for each in results.drawn if each.method == name and each.case == case]
        pictures = [
            {
                "uri": _uri(Image.open(each.path)),
                "seed": each.seed,
                "cp": f"{each.score.cp:.2f}",
                "pf": f"{each.score.pf:.2f}",
            }
            for each in drawn[:PICTURES_SHOWN]
        ]
        if pictures:
            methods.append({"title": METHODS[name].title, "pictures": pictures})
    return {
        "prompt": _parts(case.prompt),
        "sources": [{"uri": _uri(source.picture()), "caption": source.caption} for source in case.sources],
        "wanted": _uri(Image.fromarray(draw_scene(case.wanted))),
        "methods": methods,
    }


def _parts(prompt: BoundPrompt) -> Sequence[dict[str, object]]:
    """The prompt cut where concepts begin and end."""
    parts: list[dict[str, object]] = []
    done = 0
    for mention in sorted(prompt.mentions, key=lambda mention: mention.start):
        parts.append({"text": prompt.prompt[done : mention.start], "is_concept": False})
        parts.append({"text": prompt.prompt[mention.start : mention.stop], "is_concept": True})
        done = mention.stop
    return [*parts, {"text": prompt.prompt[done:], "is_concept": False}]


def _method(results: Results, name: str) -> dict[str, object]:
    method, seconds = METHODS[name], results.measured.learning_cpu_seconds.get(name)
    rate = results.measured.learning_rates.get(name)
    return {
        "title": method.title,
        "source": method.source,
        "rate": None if rate is None else f"{rate:g}{', at an edge of those tried' * (name in results.rates_at_edge)}",
        "seconds": None if seconds is None else f"{seconds:.0f}",
    }


def _uri(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(data, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
