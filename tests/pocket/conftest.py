"""Skia, which draws the pocket world, needs two system libraries; without them these tests are left out."""

import os

import pytest

try:
    import skia  # noqa: F401
except ImportError as error:
    if os.environ.get("CI") == "true":
        raise
    collect_ignore_glob = ["test_*.py"]
    MISSING = f"tests/pocket skipped: skia does not load ({error}). On Debian: apt-get install libegl1 libgl1"
else:
    MISSING = ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was left out."""
    if MISSING:
        terminalreporter.write_line(MISSING)
