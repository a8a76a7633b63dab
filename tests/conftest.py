"""What holds for every test: no network beyond this machine, no keys, no settings of whoever runs them."""

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
_SECRET_ENDINGS = ("_API_KEY", "_TOKEN")
_FOREIGN_PREFIXES = ("FABLEVERSE_", "OPENAI_", "LANGCHAIN_", "LANGSMITH_")


class NetworkForbidden(RuntimeError):
    """A test tried to reach another machine; no OSError, so that no library takes it for a connection that failed."""


def _is_loopback(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name == "localhost"


def _forbid_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: Python tells it of every connection before making it, whichever library asks for one."""
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise NetworkForbidden(f"tests reach no other machine, but something connects to {address!r}")
    elif event == "socket.getaddrinfo" and not _is_loopback(arguments[0]):
        raise NetworkForbidden(f"tests reach no other machine, but something looks up {arguments[0]!r}")


def pytest_configure() -> None:
    for variable in list(os.environ):
        if variable.endswith(_SECRET_ENDINGS) or variable.startswith(_FOREIGN_PREFIXES):
            del os.environ[variable]
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.addaudithook(_forbid_network)


@pytest.fixture(scope="session")
def pocket_model_dir() -> Path:
    """The shipped model's folder. Where it has not been trained yet its tests are skipped; in CI that is a failure."""
    folder = ROOT / "pocket" / "model"
    if not (folder / "model_index.json").is_file():
        message = f"the pocket model is missing: {folder} has no model_index.json; make train-pocket makes it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture
def without_pango(tmp_path: Path) -> dict[str, str]:
    """What a process's environment has for it to find WeasyPrint as it is where its libraries are missing."""
    lacking = tmp_path / "without-pango"
    lacking.mkdir()
    (lacking / "weasyprint.py").write_text("raise OSError(\"cannot load library 'libpango-1.0-0'\")\n")
    return {"PYTHONPATH": os.pathsep.join((str(lacking), str(ROOT)))}
