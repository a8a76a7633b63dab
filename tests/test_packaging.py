"""The wheel that `pip install .` makes holds everything that the program reads, and nothing that it does not."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("api", "benchmarks", "concepts", "generator", "pocket", "story", "templates")


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Names of the wheel's files, built from a copy so that nothing is left in the tree."""
    tree = tmp_path_factory.mktemp("tree")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / name, tree / name)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-w", "."]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, timeout=120)
    (wheel,) = tree.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(name for name in archive.namelist() if ".dist-info/" not in name)


def test_wheel_holds_every_file_of_the_packages(wheel_files: frozenset[str]) -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    # Notes for whoever works on the code, and results of benchmarks.
    results = {name for name in there if re.fullmatch(r"benchmarks/[^/]+\.(md|html|json|png)", name)}
    assert there - wheel_files - results == {"pocket/README.md"}


def test_wheel_holds_nothing_else(wheel_files: frozenset[str]) -> None:
    assert {name.partition("/")[0] for name in wheel_files} == set(PACKAGES)
