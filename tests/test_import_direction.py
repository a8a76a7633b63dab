"""Imports point downwards, and what only handles text never loads torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED: dict[str, set[str]] = {
    "concepts": set(),
    "story": {"concepts"},
    "generator": {"concepts"},
    "pocket": {"concepts", "generator"},
    "api": {"concepts", "story", "generator", "pocket"},
    "benchmarks/concepts": {"concepts", "story", "generator", "pocket"},
}
# The only files that may import more, and what: the command that runs the benchmark imports it when it is called.
EXCEPTIONS: dict[str, set[str]] = {"api/commands/bench.py": {"benchmarks"}}
PACKAGES = {folder.partition("/")[0] for folder in ALLOWED}
FILES = sorted(path for package in ALLOWED for path in (ROOT / package).rglob("*.py"))
HEAVY = {"torch", "diffusers", "transformers", "ray"}
# Imported by `story/local_model.py` alone, and there only once a local language model is open.
LOCAL_MODEL_ONLY = "story.constrained"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TEXT_MODULES = [
    module_name(path)
    for path in FILES
    if path.relative_to(ROOT).parts[0] in {"concepts", "story"}
    or path == ROOT / "api" / "cli.py"
    or path.is_relative_to(ROOT / "api" / "service")
    or path == ROOT / "api" / "cluster" / "address.py"
    if module_name(path) != LOCAL_MODEL_ONLY
]


def imported_packages(tree: ast.AST) -> Iterator[str]:
    """Top-level packages that a module imports anywhere; a relative import, which we do not use, is '.'."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level else (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    folder = next(folder for folder in ALLOWED if name.startswith(f"{folder}/"))
    imported = set(imported_packages(ast.parse(path.read_text(encoding="utf-8"))))
    assert "." not in imported, "imports are absolute here"
    assert imported & PACKAGES <= ALLOWED[folder] | {folder.partition("/")[0]} | EXCEPTIONS.get(name, set())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import story.book", {"story"}),
        ("def f():\n    from generator import loading", {"generator"}),
        ("from . import x", {"."}),
        ("import os as story", {"os"}),
    ],
)
def test_the_check_sees_every_form_of_import(code: str, expected: set[str]) -> None:
    assert set(imported_packages(ast.parse(code))) == expected


def test_every_package_is_checked() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == PACKAGES


def test_text_work_loads_neither_torch_nor_diffusers_nor_transformers() -> None:
    # One process for all modules, the culprit found by looking after each import.
    code = (
        "import importlib, sys\n"
        f"for name in {TEXT_MODULES!r}:\n"
        "    importlib.import_module(name)\n"
        f"    loaded = {HEAVY!r} & sys.modules.keys()\n"
        "    if loaded:\n"
        "        sys.exit(f'{name} loads {sorted(loaded)}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_the_local_language_model_knows_what_loads_torch() -> None:
    using = [
        path.relative_to(ROOT)
        for path in FILES
        if LOCAL_MODEL_ONLY in path.read_text(encoding="utf-8") and path.parent == ROOT / "story"
    ]
    assert using == [Path("story/local_model.py")]
