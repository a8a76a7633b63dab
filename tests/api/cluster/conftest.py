"""Tests that need Ray say so; without it they are skipped, except where `CI=true`."""

import importlib.util
import os

import pytest


@pytest.fixture(scope="session")
def needs_ray() -> None:
    if importlib.util.find_spec("ray") is not None:
        return
    message = "Ray is not installed: install 'fableverse[cluster]' to test with it"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
