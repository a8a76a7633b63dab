"""Rows of an earlier table stand beside new ones, where they mean the same."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from pydantic import JsonValue

from benchmarks.concepts.cases import Case, make_cases, make_sources
from benchmarks.concepts.measured import Measured, Setting, UnusableTable, read_table
from benchmarks.concepts.protocol import FULL_EFFORT, QUICK_EFFORT

CASES = make_cases((), make_sources(2, multi=True, seed=4), seed=4, tasks=("decomposition",))
SETTING = Setting(fingerprint="abc", seed=4, seeds_per_case=2, effort=FULL_EFFORT, clean={"decomposition": (0.9, 1.0)})


def measured(*methods: str, cp: float, cases: Sequence[Case] = CASES) -> Measured:
    return Measured(
        by_case={case.name: dict.fromkeys(methods, (cp, 0.9)) for case in cases},
        kept={name: {"character": cp} for name in methods},
        leakage={name: {"pose": 0.01} for name in methods},
        learning_rates=dict.fromkeys(methods, 0.3),
        learning_rates_searched=set(methods),
        learning_cpu_seconds=dict.fromkeys(methods, 80.0),
        measured_on=dict.fromkeys(methods, "a machine; today"),
    )


def written(path: Path, of: Measured, **changes: JsonValue) -> Path:
    """The file of a table, as `bench concepts` writes it."""
    model: JsonValue = {"name": "pocket", "fingerprint": "abc"}
    judge: JsonValue = {"clean": {"decomposition": {"cp": 0.9, "pf": 1.0}}}
    setting = {
        "date": "today",
        "machine": "a machine",
        "model": model,
        "judge": judge,
        "seed": 4,
        "seeds_per_case": 2,
        "effort": asdict(FULL_EFFORT),
    }
    kept = {**of.kept, "in_words": {"character": 1.0}}
    path.write_text(json.dumps({**setting, **of.as_json(), "kept": kept, **changes}), encoding="utf-8")
    return path


def test_a_table_is_read_as_it_was_measured(tmp_path: Path) -> None:
    earlier = measured("omg", "m", cp=0.25)
    assert read_table(written(tmp_path / "table.json", earlier), SETTING, CASES) == earlier


def test_methods_that_are_not_run_now_have_the_rows_of_before() -> None:
    now, before = measured("full", "mine", cp=0.5), measured("m", "full", "theirs", cp=0.25)
    both = now.beside(before, order=("m", "full"))
    assert both.methods == ("m", "full", "mine", "theirs")
    assert [worth[0] for worth in both.by_case[CASES[0].name].values()] == [0.25, 0.5, 0.5, 0.25]
    assert both.kept["full"] == {"character": 0.5} and both.kept["theirs"] == {"character": 0.25}
    assert both.learning_rates_searched == {"m", "full", "mine", "theirs"}
    assert list(both.learning_cpu_seconds) == ["m", "full", "mine", "theirs"]


def test_rows_of_a_table_that_names_no_places_were_measured_where_it_was_made(tmp_path: Path) -> None:
    path = written(tmp_path / "table.json", measured("m", cp=0.25), measured_on={}, machine="another", date="then")
    assert read_table(path, SETTING, CASES).measured_on == {"m": "another; then"}


def test_a_method_that_lacks_a_case_has_no_row(tmp_path: Path) -> None:
    first, *others = CASES
    partly = measured("m", cp=0.25)
    by_case: JsonValue = {
        first.name: {name: {"cp": 0.25, "pf": 0.9} for name in ("m", "omg")},
        **{case.name: {"m": {"cp": 0.25, "pf": 0.9}} for case in others},
    }
    assert read_table(written(tmp_path / "table.json", partly, by_case=by_case), SETTING, CASES) == partly


@pytest.mark.parametrize(
    ("setting", "cases", "said"),
    [
        (replace(SETTING, fingerprint="other"), CASES, "with another model,"),
        (replace(SETTING, seed=5, effort=QUICK_EFFORT), CASES, "with seed 4, another effort,"),
        (replace(SETTING, seeds_per_case=8), CASES, "with 2 seeds a case"),
        (replace(SETTING, clean={"decomposition": (0.9, 0.9)}), CASES, "with another judge"),
        (SETTING, CASES[1:], "with 2 cases instead of 1"),
    ],
)
def test_rows_that_mean_something_else_are_refused(
    tmp_path: Path, setting: Setting, cases: Sequence[Case], said: str
) -> None:
    path = written(tmp_path / "table.json", measured("m", cp=0.25))
    with pytest.raises(UnusableTable, match=said):
        read_table(path, setting, cases)


@pytest.mark.parametrize("content", ["", "[]", '{"model": {"fingerprint": "abc"}}', None])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "table.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UnusableTable, match="cannot be read as a table"):
        read_table(path, SETTING, CASES)
