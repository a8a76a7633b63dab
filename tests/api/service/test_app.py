"""The bare server: it answers, says whether it is well, and explains itself without another server."""

import re
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from api import exit_codes
from api.commands.serve import listen
from api.service.database import Database
from api.service.errors import UnusableDatabase
from api.service.tables import meta
from tests.api.builders import plain_bank
from tests.api.service.running import FABLEVERSE, running_server


def test_a_server_answers_and_its_documentation_needs_no_other_server(tmp_path: Path) -> None:
    bank = plain_bank(tmp_path)
    with running_server(tmp_path / "data", bank_dir=bank.folder, path="/livez") as server:
        with httpx.Client(base_url=server.url) as client:
            assert client.get("/livez").json() == {"status": "ok"}
            schema = client.get("/openapi.json").json()
            assert schema["openapi"].startswith("3.1") and "/readyz" in schema["paths"]
            page = client.get("/docs")
            assert page.headers["content-type"].startswith("text/html")
            assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
            assert assets and all(asset.startswith("/docs/") for asset in assets)
            for asset in assets:
                assert client.get(asset).status_code == 200
    assert "Traceback" not in server.log()


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    bank = plain_bank(tmp_path)
    with running_server(tmp_path / "one", bank_dir=bank.folder, path="/livez") as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(AssertionError, match=f"127.0.0.1:{port} cannot be listened to"):
            with running_server(tmp_path / "two", bank_dir=bank.folder, options=["--port", port], path="/livez"):
                pass


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    bank = plain_bank(tmp_path)
    with running_server(tmp_path / "data", bank_dir=bank.folder, path="/livez"):
        words = [FABLEVERSE, "serve", "--port", "0", "--data", tmp_path / "data", "--bank", bank.folder]
        second = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert second.returncode == exit_codes.USAGE and "Serving" not in second.stderr
    assert "Another server works in" in second.stderr


def test_an_answer_is_sent_at_once() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    database = Database.open(url)
    with database.write() as connection:
        connection.execute(meta.update().values(value=0))
    database.close()
    with pytest.raises(UnusableDatabase, match="version 0"):
        Database.open(url)
