"""A hub cache as huggingface_hub lays it out, and programs that have no other: nothing is downloaded."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import ROOT


class HubCache:
    """What has been downloaded of one repository."""

    def __init__(self, cache: Path, repo: str) -> None:
        self.cache = cache
        self._folder = cache / f"models--{repo.replace('/', '--')}"

    def add(self, commit: str, files: Path) -> Path:
        """A commit with these files; returns the folder that they are in."""
        return Path(shutil.copytree(files, self._folder / "snapshots" / commit))

    def point(self, ref: str, commit: str) -> Path:
        """Make a branch or tag name a commit; returns the file that says so."""
        path = self._folder / "refs" / ref
        path.parent.mkdir(exist_ok=True)
        path.write_text(commit, encoding="utf-8")
        return path


def run_with_hub(cache: Path, program: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """The JSON that a Python program prints last, which has this cache and by default no network."""
    own = {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cache,
        env={**os.environ, **own, **(environment or {})},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])
