"""Running methods: what is kept, what a second run does again, and the forms in which results leave."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import JsonValue

from api import exit_codes
from api.cli import main
from benchmarks.concepts.benchmark import (
    QUICK_PLAN,
    Judge,
    Plan,
    Results,
    make_plan_cases,
    methods_at_edge,
)
from benchmarks.concepts.cases import BenchSource, Case
from benchmarks.concepts.differences import differences
from benchmarks.concepts.fitting import token_spans
from benchmarks.concepts.measured import Measured
from benchmarks.concepts.methods import METHODS
from benchmarks.concepts.methods.concept_express import neutral_word
from benchmarks.concepts.protocol import Effort, Learnt, Workbench, draw_prompt
from benchmarks.concepts.run import Drawn, Runner
from benchmarks.concepts.scores import Leak, Score
from benchmarks.concepts.summary import (
    as_json,
    as_markdown,
    kept_by_kind,
    kinds_as_markdown,
    leakage_by_kind,
    scores_by_case,
    summarise,
)
from concepts.lexicon import Lexicon
from generator.loading import FluxModel, load_model
from pocket.probe import load_probe
from tests.conftest import ROOT

PROBE = load_probe()
PLAN = Plan(num_sources=2, seeds_per_case=2, seed=4)
TINY_EFFORT = Effort(steps=2, batch_size=1, pairs_batch_size=1)


@dataclass
class Counting:
    """A method that paints every picture in one colour and counts what it is asked for."""

    name: str = "counting"
    title: str = "Counting"
    source: str = "No paper."
    alone: str = "counting"
    rates: tuple[float, ...] = (1.0,)
    is_joint: bool = False
    is_guided: bool = False
    stops_at: int | None = None
    learnt: list[tuple[str, ...]] = field(default_factory=list)
    drawn: list[int] = field(default_factory=list)

    def settings(self, effort: Effort) -> JsonValue:
        del effort
        return None

    def learn(self, bench: Workbench, sources: Sequence[BenchSource], *, rate: float) -> Learnt:
        del bench
        if self.stops_at is not None and len(self.learnt) == self.stops_at:
            raise KeyboardInterrupt
        self.learnt.append(tuple(source.name for source in sources))
        return {"rate": torch.tensor([rate])}

    def draw(self, bench: Workbench, learnt: Sequence[Learnt], case: Case, seeds: Sequence[int]) -> list[Image.Image]:
        del bench, learnt, case
        self.drawn += seeds
        return [Image.new("RGB", (256, 256), (seed % 256, 100, 100)) for seed in seeds]


@pytest.fixture(scope="module")
def model() -> FluxModel:
    """Pocket, drawing in one step."""
    loaded = load_model()
    return replace(loaded, defaults=replace(loaded.defaults, num_inference_steps=1))


@pytest.fixture(scope="module")
def cases() -> tuple[Case, ...]:
    return make_plan_cases(PLAN, PROBE)


def make_runner(model: FluxModel, folder: Path, **changes: object) -> Runner:
    bench = Workbench(model=model, effort=TINY_EFFORT, cache_dir=folder)
    runner = Runner(bench=bench, probe=PROBE, folder=folder, rates={}, seeds=(7, 8))
    return replace(runner, **changes)


def test_each_picture_is_learnt_once_and_a_second_run_does_nothing(
    model: FluxModel, cases: tuple[Case, ...], tmp_path: Path
) -> None:
    method = Counting()
    first = make_runner(model, tmp_path).run(method, cases)
    assert sorted(method.learnt) == [("multi00",), ("multi01",), ("single00",), ("single01",)]
    assert len(method.drawn) == len(first) == 2 * len(cases)
    again = Counting()
    assert make_runner(model, tmp_path).run(again, cases) == first
    assert (again.learnt, again.drawn) == ([], [])


def test_a_joint_method_learns_all_pictures_of_a_case_at_once(
    model: FluxModel, cases: tuple[Case, ...], tmp_path: Path
) -> None:
    method = Counting(is_joint=True)
    make_runner(model, tmp_path).run(method, cases)
    assert sorted(method.learnt) == [("multi00",), ("multi00", "multi01"), ("multi01",), ("single00", "single01")]


def test_an_interrupted_run_goes_on_where_it_was(model: FluxModel, cases: tuple[Case, ...], tmp_path: Path) -> None:
    whole = make_runner(model, tmp_path / "whole").run(Counting(), cases)
    with pytest.raises(KeyboardInterrupt):
        make_runner(model, tmp_path / "cut").run(Counting(stops_at=2), cases)
    resumed = Counting()
    drawn = make_runner(model, tmp_path / "cut").run(resumed, cases)
    assert len(resumed.learnt) == 2
    assert [each.score for each in drawn] == [each.score for each in whole]
    assert not list((tmp_path / "cut").rglob(".*"))


def test_another_learning_rate_is_learnt_and_drawn_anew(
    model: FluxModel, cases: tuple[Case, ...], tmp_path: Path
) -> None:
    make_runner(model, tmp_path).run(Counting(), cases)
    other = Counting()
    make_runner(model, tmp_path, rates={"counting": 2.0}).run(other, cases)
    assert len(other.learnt) == 4
    assert len(other.drawn) == 2 * len(cases)


def test_a_model_with_other_settings_learns_and_draws_anew(
    model: FluxModel, cases: tuple[Case, ...], tmp_path: Path
) -> None:
    make_runner(model, tmp_path).run(Counting(), cases)
    other = Counting()
    with_two_steps = replace(model, defaults=replace(model.defaults, num_inference_steps=2))
    make_runner(with_two_steps, tmp_path).run(other, cases)
    assert (len(other.learnt), len(other.drawn)) == (4, 2 * len(cases))


@pytest.fixture(scope="module")
def drawn_before(model: FluxModel) -> bytes:
    return draw_prompt(model, "a red fox", [3])[0].tobytes()


@pytest.fixture(scope="module")
def method_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("methods")


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_learns_and_draws_a_case_of_two_pictures_and_leaves_no_trace_on_the_model(
    name: str, model: FluxModel, cases: tuple[Case, ...], method_folder: Path, drawn_before: bytes
) -> None:
    case = next(case for case in cases if case.task == "composition")
    drawn = make_runner(model, method_folder, seeds=(7,)).run_case(METHODS[name], case)
    with Image.open(drawn[0].path) as picture:
        assert picture.size == (256, 256)
    assert draw_prompt(model, "a red fox", [3])[0].tobytes() == drawn_before


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.rates])
def test_what_a_method_has_learnt_is_in_its_pictures(
    name: str, model: FluxModel, cases: tuple[Case, ...], method_folder: Path
) -> None:
    case, method = next(case for case in cases if case.task == "composition"), METHODS[name]
    runner = make_runner(model, method_folder, seeds=(7,))
    learnt = [runner.learn(lesson) for lesson in runner.lessons(method, case)]
    assert all(learnt), "something is learnt of every picture"
    exaggerated = [{key: 30 * tensor for key, tensor in each.items()} for each in learnt]
    (drawn,) = method.draw(runner.bench, exaggerated, case, (7,))
    (plain,) = draw_prompt(model, case.prompt.prompt, [7])
    difference = np.asarray(drawn, dtype=float) - np.asarray(plain, dtype=float)
    assert np.abs(difference).mean() > 1


def test_the_words_of_concept_express_are_learnt_in_place_of_a_whole_word(model: FluxModel) -> None:
    text, start = neutral_word(model)
    assert len(start) == len(token_spans(model, text)["it"]) == 1


def a_score(cp: float, pf: float) -> Score:
    return Score(kept=(cp, cp), pf=pf, leaks=())


def drawn_with(case: Case, method: str, *scores: tuple[float, float]) -> list[Drawn]:
    return [
        Drawn(case=case, method=method, seed=seed, path=Path("none.png"), score=a_score(*each))
        for seed, each in enumerate(scores)
    ]


def test_a_row_is_the_product_of_means_inside_its_interval(cases: tuple[Case, ...]) -> None:
    case = next(case for case in cases if case.task == "full")
    scores = scores_by_case(drawn_with(case, "full", (0.2, 1.0), (0.8, 0.5)))
    assert scores == {case.name: {"full": (0.5, 0.75)}}
    (row,) = summarise(cases, scores)
    assert (row.cp, row.pf, row.cp_pf, row.num_cases) == (0.5, 0.75, 0.375, 1)
    assert row.low == row.cp_pf == row.high, "of one case nobody knows how far others are from it"


def two_of(cases: tuple[Case, ...]) -> tuple[Case, Case]:
    """One case of the full task under two names."""
    case = next(case for case in cases if case.task == "full")
    return replace(case, name="first"), replace(case, name="second")


def in_cases(cases: Sequence[Case], **by_method: tuple[float, ...]) -> dict[str, dict[str, tuple[float, float]]]:
    """CP of methods by case, with the prompt drawn in full."""
    return {
        case.name: {method: (values[number], 1.0) for method, values in by_method.items()}
        for number, case in enumerate(cases)
    }


def test_an_interval_is_of_what_other_cases_would_have_given(cases: tuple[Case, ...]) -> None:
    both = two_of(cases)
    (row,) = summarise(both, in_cases(both, full=(0.2, 0.8)))
    assert (row.low, row.cp_pf, row.high) == (pytest.approx(0.2), pytest.approx(0.5), pytest.approx(0.8))


def test_methods_are_compared_case_by_case(cases: tuple[Case, ...]) -> None:
    six = [replace(case, name=f"{case.name}{number}") for number in range(3) for case in two_of(cases)]
    scores = in_cases(six, full=(0.2, 0.8) * 3, omg=(0.1, 0.7) * 3, m=(0.8, 0.1) * 3)
    near, far = differences(six, scores, [("full", "omg"), ("full", "m"), ("full", "prompt")])
    assert (near.other, near.value, near.low, near.high) == ("omg", *[pytest.approx(0.1)] * 3)
    assert not near.may_be_chance, "each case is better, however much cases differ"
    assert far.value == pytest.approx(0.05)
    assert far.low < far.value < far.high and far.may_be_chance
    (of_two,) = differences(six[:2], scores, [("full", "omg")])
    assert (of_two.low, of_two.may_be_chance) == (pytest.approx(0.1), True), "two cases say little of others"


def test_results_have_the_form_that_readers_expect(cases: tuple[Case, ...]) -> None:
    drawn = [each for case in cases for each in drawn_with(case, "full", (0.5, 1.0), (0.7, 0.9))]
    rows = summarise(cases, scores_by_case(drawn))
    document = as_json(rows)
    assert set(document) == {"composition", "decomposition", "full"}
    for methods in document.values():
        assert isinstance(methods, dict)
        assert set(methods) == {"full"}
        assert set(methods["full"]) == {"cp", "pf", "cp_pf", "low", "high"}  # type: ignore[arg-type]
    table = as_markdown(rows, {"full": "TokenVerse"})
    assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "| TokenVerse | 0.600 | 0.950 | 0.570 (" in table


def test_leakage_is_told_by_the_kind_of_concept(cases: tuple[Case, ...]) -> None:
    case = next(case for case in cases if case.task == "composition")
    assert [concept.kind for concept in case.concepts] == ["character", "pose"]
    leaked = {case.source_of(case.concepts[0]).name: (True, False, False, False)}
    leaked[case.source_of(case.concepts[1]).name] = (False, True)
    leaks = tuple(Leak(source=name, what="place", leaked=each) for name, all_ in leaked.items() for each in all_)
    drawn = Drawn(case=case, method="m", seed=0, path=Path("none.png"), score=Score(kept=(1, 1), pf=1, leaks=leaks))
    assert leakage_by_kind([drawn]) == {"m": {"character": 0.25, "pose": 0.5}}


def test_what_is_kept_is_told_by_the_kind_of_concept(cases: tuple[Case, ...]) -> None:
    case = next(case for case in cases if len({concept.kind for concept in case.concepts}) == 2)
    scores = [Score(kept=kept, pf=1.0, leaks=()) for kept in ((0.2, 1.0), (0.4, 0.0))]
    drawn = [
        Drawn(case=case, method="full", seed=seed, path=Path("none.png"), score=each)
        for seed, each in enumerate(scores)
    ]
    first, second = (concept.kind for concept in case.concepts)
    kept = kept_by_kind(drawn)
    assert kept["full"] == {first: pytest.approx(0.3), second: pytest.approx(0.5)}
    head, _, row = kinds_as_markdown("CP of", kept | {"m": {first: 0.1}}, {"full": "TokenVerse"}).splitlines()[:3]
    assert sorted((first, second)) == [cell.strip() for cell in head.split("|")[2:4]]
    assert row.startswith("| TokenVerse |") and "0.30" in row and "0.50" in row


def test_the_command_writes_and_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "concepts", "--quick", "--methods", "prompt", "--tasks", "decomposition", "--cases", "2"]
    assert (Plan().stem, QUICK_PLAN.stem) == ("concepts", "concepts-quick"), "of which this is only a part"
    folders = ["--cache", str(tmp_path / "cache"), "--results", str(tmp_path / "results")]
    assert main([*words, *folders]) == exit_codes.OK
    printed = capsys.readouterr().out
    assert printed.index("Judge") < printed.index("| Plain prompt |")
    results = json.loads((tmp_path / "results" / "concepts-part.json").read_text(encoding="utf-8"))
    assert list(results["tasks"]) == ["decomposition"]
    assert set(results["tasks"]["decomposition"]["prompt"]) == {"cp", "pf", "cp_pf", "low", "high"}
    assert results["judge"]["accuracy"]["place"] > 0.9
    assert set(results["kept"]) == {"prompt", "in_words"}
    told = results["in_words"]["decomposition"]
    assert told["cp"] > results["tasks"]["decomposition"]["prompt"]["cp"] and f"{told['cp_pf']:.3f}" in printed
    report = (tmp_path / "results" / "concepts-part.html").read_text(encoding="utf-8")
    # Of each case its source, what is wanted, and a picture for each seed.
    assert report.count("<img ") == 2 * (1 + 1 + 2)
    assert "<mark>" in report and "http" not in report.replace("http-equiv", "")
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(results).replace('"prompt"', '"telepathy"'), encoding="utf-8")
    assert main([*words, *folders, "--beside", str(earlier), "--json"]) == exit_codes.OK
    with_it = json.loads(capsys.readouterr().out)["tasks"]["decomposition"]
    assert with_it["prompt"] == with_it["telepathy"] == results["tasks"]["decomposition"]["prompt"]
    assert main([*words, *folders, "--beside", str(earlier), "--seed", "1"]) == exit_codes.USAGE
    assert "made with seed 0" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["full", "dreambooth_lora", "omg"])
def test_what_was_learnt_beside_other_pictures_of_the_model_is_not_taken(
    name: str, model: FluxModel, tmp_path: Path
) -> None:
    drawn_of_anything, of_a_world = (
        Workbench(model=replace(model, lexicon=lexicon), effort=TINY_EFFORT, cache_dir=tmp_path)
        for lexicon in (None, Lexicon.load(ROOT / "pocket" / "lexicon.json"))
    )
    assert METHODS[name].settings(drawn_of_anything) != METHODS[name].settings(of_a_world)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "telepathy"], "no method 'telepathy'"),
        (["--tasks", "chess"], "no task 'chess'"),
        (["--cases", "1"], "too few"),
        (["--workers", "0"], "give 1 or more"),
    ],
)
def test_what_the_benchmark_does_not_have_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "concepts", *words]) == exit_codes.USAGE
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("name", "rate", "said"), [("m_plus", 9.0, "M+, shared by blocks (9)"), ("m", 0.1, None)])
def test_the_table_names_methods_whose_learning_rate_is_at_an_edge(
    name: str, rate: float, said: str | None, cases: tuple[Case, ...]
) -> None:
    found = {"m_plus": {"1": 0.1, "9": 0.2}, "m": {"0.03": 0.1, "0.1": 0.3, "0.3": 0.2}}
    measured = Measured(
        by_case={}, kept={}, leakage={}, learning_rates={name: rate}, learning_rates_searched=[name],
        learning_cpu_seconds={}, measured_on={},
    )  # fmt: skip
    results = Results(
        plan=PLAN, cases=cases, judge=Judge(accuracy={}, clean={}), drawn=(), measured=measured,
        rates_at_edge=methods_at_edge(measured.learning_rates, found), rows=(), compared=(), in_words=(), kept={},
        model_name="tiny", model_fingerprint="0" * 64,
    )  # fmt: skip
    named = f"At an edge of the learning rates tried, so that a better one may lie beyond: {said}."
    assert (named in results.setup()) if said else ("edge" not in results.setup())
