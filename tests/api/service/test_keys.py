"""Keys open what they are for, as long as they are good; the database never has one that would open anything."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from api.cli import main
from api.errors import UsageError
from api.service.database import Database
from api.service.edge_tables import api_keys
from api.service.keys import KeyStore
from api.service.tables import metadata


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path, clock: Clock):
    with closing(Database.open(f"sqlite:///{tmp_path / 'keys.sqlite'}")) as database:
        yield KeyStore(database, clock=clock)


def test_a_key_names_its_owner_and_scopes(keys: KeyStore) -> None:
    key, record = keys.create("mum", scopes=["read"])
    principal = keys.authenticate(key)
    assert principal is not None
    assert (principal.owner, principal.scopes, principal.key_id) == ("mum", {"read"}, record.id)


def test_only_the_very_key_opens(keys: KeyStore) -> None:
    key, record = keys.create("mum", scopes=["read"])
    other, _ = keys.create("dad", scopes=["read"])
    mixed = f"fv_{record.id}_{other.split('_', 2)[2]}"
    mistyped = key[:30] + ("a" if key[30] != "a" else "b") + key[31:]
    for wrong in ("", "x", key[:-1], key + "0", key.upper(), mistyped, mixed):
        assert keys.authenticate(wrong) is None, wrong


def test_the_database_has_no_key(keys: KeyStore, tmp_path: Path) -> None:
    key, _ = keys.create("mum", scopes=["read"])
    secret = key.split("_", 2)[2]
    assert keys.authenticate(key) is not None
    with closing(Database.open(f"sqlite:///{tmp_path / 'keys.sqlite'}")) as database, database.read() as connection:
        rows = str(connection.execute(select(api_keys)).all())
    files = b"".join(path.read_bytes() for path in tmp_path.glob("keys.sqlite*"))
    assert secret not in rows and secret.encode() not in files


def test_a_key_expires(keys: KeyStore, clock: Clock) -> None:
    key, _ = keys.create("mum", scopes=["read"], valid_s=60)
    clock.now += 59
    assert keys.authenticate(key) is not None
    clock.now += 1
    assert keys.authenticate(key) is None


def test_a_revoked_key_is_useless_and_stays_in_the_list(keys: KeyStore) -> None:
    key, record = keys.create("mum", scopes=["read"])
    keys.revoke(record.id)
    assert keys.authenticate(key) is None
    assert [each.revoked_at is not None for each in keys.list()] == [True]
    with pytest.raises(UsageError, match="No key has the id"):
        keys.revoke("nothing")


def test_use_is_noted_once_a_minute(keys: KeyStore, clock: Clock) -> None:
    key, _ = keys.create("mum", scopes=["read"])
    seen = []
    for _ in range(3):
        keys.authenticate(key)
        seen.append(keys.list()[0].last_used_at)
        clock.now += 40
    assert seen == [1_000_000.0, 1_000_000.0, 1_000_080.0]


@pytest.mark.parametrize("owner", ["", "..", "a/b", "Mum", "a--b", "-a", "a" * 41, "mum\n", "local"])
def test_an_owner_is_never_a_path_nor_whoever_runs_the_service(keys: KeyStore, owner: str) -> None:
    with pytest.raises(UsageError, match="owner"):
        keys.create(owner, scopes=["read"])


def test_who_writes_keeps_nobody_from_reading(keys: KeyStore, tmp_path: Path) -> None:
    key, record = keys.create("mum", scopes=["read"])
    with closing(sqlite3.connect(tmp_path / "keys.sqlite", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        principal = keys.authenticate(key)
        assert principal is not None and principal.key_id == record.id
        assert time.monotonic() - started < 5
        assert keys.list()[0].last_used_at is None
        writer.execute("ROLLBACK")
    keys.authenticate(key)
    assert keys.list()[0].last_used_at is not None


def test_a_database_that_is_made_for_the_first_key_has_every_table(tmp_path: Path) -> None:
    program = "import sys; from api.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "keys", "create", "mum", "--data", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    with closing(sqlite3.connect(tmp_path / "fableverse.sqlite")) as database:
        made = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert made == set(metadata.tables)


def test_the_command_makes_lists_and_revokes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> str:
        assert main(["keys", *words, "--data", str(tmp_path / "data")]) == 0
        return capsys.readouterr().out

    made = json.loads(run("create", "mum", "--scope", "read", "--days", "30", "--json"))
    assert made["key"].startswith(f"fv_{made['id']}_") and made["scopes"] == ["read"]
    listed = run("list")
    assert made["id"] in listed and "good" in listed and made["key"] not in listed
    assert "Revoked" in run("revoke", made["id"])
    assert "revoked" in run("list")
    run("create", "dad", "--days", "1e-9")
    assert "expired" in run("list") and "good" not in run("list")
