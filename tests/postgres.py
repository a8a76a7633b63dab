"""A real PostgreSQL for tests: name this file in `pytest_plugins` and ask for `postgres_url`."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_ADMIN = "postgres"


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    """The URL of a new, empty server; without its programs the test is skipped, except where `CI=true`."""
    programs = _programs()
    if programs is None:
        message = "there is no PostgreSQL: install it (Debian: apt-get install postgresql) to test with it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    # PostgreSQL refuses to run as root, and pytest's folders are closed to others.
    user = _ADMIN if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="fableverse-postgres-") as name:
        folder = Path(name)
        if user is not None:
            shutil.chown(folder, user)
        data = folder / "data"
        arguments = ["--auth=trust", f"--username={_ADMIN}", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run(
            [programs / "initdb", "-D", data, *arguments], user=user, check=True, capture_output=True, cwd=folder
        )
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        control = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
        subprocess.run([*control, "-o", options, "start"], user=user, check=True, capture_output=True, cwd=folder)
        try:
            yield f"postgresql://{_ADMIN}@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run(
                [*control, "-m", "immediate", "stop"], user=user, check=True, capture_output=True, cwd=folder
            )


def _programs() -> Path | None:
    """The folder of PostgreSQL's programs, the latest version's."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name))
    found = [place for place in places if (place / "initdb").is_file()]
    on_path = shutil.which("initdb")
    return found[-1] if found else Path(on_path).parent if on_path else None
