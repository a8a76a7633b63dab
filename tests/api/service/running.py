"""A real server in a process of its own, on a free port, for tests."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

FABLEVERSE = Path(sys.executable).with_name("fableverse")
START_S = 300


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server that answers."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def log(self) -> str:
        """What it wrote on standard error so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")


@contextmanager
def running_server(
    data_dir: Path, *, bank_dir: Path, options: Sequence[str] = (), path: str = "/readyz"
) -> Iterator[RunningServer]:
    """A server over a data folder, once it answers `path` with 200; stopped at the end as a person would stop it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    log_path = data_dir / "server.log"
    command = [FABLEVERSE, "serve", "--port", "0", "--data", data_dir, "--bank", bank_dir, *options]
    with log_path.open("ab") as log:
        start = log.tell()
        process = subprocess.Popen([*map(str, command)], stderr=log, stdout=log, cwd=data_dir)
    try:
        url = _wait_for(process, log_path, start, path)
        yield RunningServer(url=url, process=process, log_path=log_path)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(process: subprocess.Popen[bytes], log_path: Path, start: int, path: str) -> str:
    deadline = time.monotonic() + START_S
    url = None
    while time.monotonic() < deadline:
        log = log_path.read_bytes()[start:].decode(errors="replace")
        assert process.poll() is None, f"the server ended:\n{log}"
        found = re.search(r"http://\S+:\d+", log)
        url = found.group() if found else None
        if url is not None:
            try:
                if httpx.get(url + path, timeout=5).status_code == 200:
                    return url
            except httpx.TransportError:
                pass
        time.sleep(0.1)
    raise AssertionError(f"{url} did not answer {path} with 200 in {START_S} s:\n{log_path.read_text()}")
