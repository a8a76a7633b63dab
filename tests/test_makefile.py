"""`make book` hands any idea over unharmed and installs once; a fake environment stands in for the real one."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FAKE_FABLEVERSE = """#!/bin/sh
exec python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "$@"
"""
FAKE_UV = """#!/bin/sh
echo "$UV_FIND_LINKS | $*" >> uv.log
"""
FAKE_PYTHON = """#!/bin/sh
case "$*" in
  "-m pip config get global.find-links") printf '/wheels/one\\n/wheels/two\\n' ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile beside a fake .venv, nothing installed yet."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name, script in {"fableverse": FAKE_FABLEVERSE, "uv": FAKE_UV, "python": FAKE_PYTHON}.items():
        path = tmp_path / ".venv" / "bin" / name
        path.write_text(script)
        path.chmod(0o755)
    return tmp_path


def make(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    of_an_outer_make = ("MAKE", "UV_", "IDEA", "ARGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(of_an_outer_make)}
    return subprocess.run(
        ["make", *arguments], cwd=project, env=environment | variables, capture_output=True, text=True, check=False
    )


def installs(project: Path) -> list[str]:
    log = project / "uv.log"
    return log.read_text().splitlines() if log.exists() else []


HOSTILE_IDEAS = [
    "a cat's lighthouse",
    'the "bravest" fox',
    "worth $5, $HOME, $$ and ${PATH}",
    "$(touch pwned) and `touch pwned`",
    "$(shell touch pwned)",
    "one; touch pwned & touch pwned | cat > pwned",
    "back\\slash % percent # hash ! bang * star ~ tilde",
    "--help",
    "first line\nsecond line",
    "ein Bär, 狐, 🦊",
]


@pytest.mark.parametrize("idea", HOSTILE_IDEAS)
def test_the_idea_arrives_as_it_was_given(project: Path, idea: str) -> None:
    done = make(project, "book", f"IDEA={idea}", "ARGS=--pages 6")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["book", "--pages", "6", "--", idea]
    assert not (project / "pwned").exists()


def test_an_idea_in_the_environment_arrives_too(project: Path) -> None:
    done = make(project, "book", IDEA="it costs $5 `now`")
    assert json.loads(done.stdout.splitlines()[-1]) == ["book", "--", "it costs $5 `now`"]


def test_without_an_idea_nothing_is_installed(project: Path) -> None:
    done = make(project, "book")
    assert done.returncode != 0
    assert 'make book IDEA="' in done.stderr
    assert installs(project) == []


def test_the_packages_are_installed_once_under_the_constraints(project: Path) -> None:
    make(project, "book", "IDEA=fox")
    make(project, "book", "IDEA=fox")
    (install,) = installs(project)
    assert install.startswith("/wheels/one,/wheels/two | pip install ")
    assert install.endswith("--python .venv/bin/python --constraint constraints.txt --editable .")


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_change_of_the_requirements_installs_again(project: Path, name: str) -> None:
    make(project, "book", "IDEA=fox")
    later = time.time() + 10
    os.utime(project / name, (later, later))
    make(project, "book", "IDEA=fox")
    assert len(installs(project)) == 2


def test_the_developers_install_serves_the_book_as_well(project: Path) -> None:
    make(project, "test")
    assert [line.split()[-1] for line in installs(project)] == [".[dev]"]
    make(project, "book", "IDEA=fox")
    assert len(installs(project)) == 1


def test_find_links_of_the_environment_go_before_those_of_pip(project: Path) -> None:
    make(project, "book", "IDEA=fox", UV_FIND_LINKS="/mine")
    assert installs(project)[0].startswith("/mine | ")


def test_make_alone_says_what_there_is(project: Path) -> None:
    done = make(project)
    assert [line.split()[1] for line in done.stdout.splitlines()][:3] == ["help", "book", "test"]
