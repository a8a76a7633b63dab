"""The benchmark of plans runs, on a tiny model and the processor."""

from pathlib import Path

import pytest

from benchmarks.bench_plans import HEADER, main


def test_a_row_tells_of_a_plan_and_what_it_drew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--folder", str(tmp_path / "tiny"), "--small", "--steps", "2"]
    assert main([*given, "--make"]) == 0
    for number, (memory, difference) in enumerate((("full", "0.00"), ("8GB", "0.00"))):
        assert main([*given, "--only", str(number)]) == 0
        cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].strip("|").split("|")]
        assert len(cells) == len(HEADER)
        assert cells[:2] == [memory, "quality"]
        assert cells[-1] == difference


def test_learning_tells_of_its_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--folder", str(tmp_path / "tiny"), "--small"]
    assert main([*given, "--make"]) == 0
    for within in ((), ("--within", "16")):
        assert main([*given, "--learn", *within]) == 0
        told = capsys.readouterr().out
        assert "a step of stage 1" in told
        assert "a step of stage 2" in told
    assert "expected peak" in told
