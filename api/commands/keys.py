"""`fableverse keys`: makes, lists and revokes the API keys of a service. Never loads torch."""

import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

from pydantic import JsonValue

from api.outcome import Outcome
from api.service.database import Database
from api.service.keys import KeyRecord, KeyStore, Scope
from api.service.settings import ServiceSettings

_DAY_S = 24 * 3600.0


def create_key(settings: ServiceSettings, owner: str, *, scopes: Sequence[Scope], days: float | None) -> Outcome:
    """A new key; its text is shown this once."""
    with closing(_open(settings)) as database:
        valid_s = None if days is None else days * _DAY_S
        key, record = KeyStore(database).create(owner, scopes=scopes, valid_s=valid_s)
    return Outcome(lines=(key,), data={"key": key, **_summary(record)})


def list_keys(settings: ServiceSettings) -> Outcome:
    """Every key in a table, without its secret."""
    with closing(_open(settings)) as database:
        records = KeyStore(database).list()
    now = time.time()
    rows = [("ID", "OWNER", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "STATE")]
    rows += [
        (
            record.id,
            record.owner,
            ",".join(record.scopes),
            _day(record.created_at),
            _day(record.expires_at),
            _day(record.last_used_at),
            record.state_at(now),
        )
        for record in records
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = tuple(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
    return Outcome(lines=lines, data={"keys": [_summary(record) for record in records]})


def revoke_key(settings: ServiceSettings, key_id: str) -> Outcome:
    """Makes a key useless at once."""
    with closing(_open(settings)) as database:
        record = KeyStore(database).revoke(key_id)
    return Outcome(lines=(f"Revoked {record.id} of {record.owner}.",), data={"revoked": _summary(record)})


def _open(settings: ServiceSettings) -> Database:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Database.open(settings.database)


def _summary(record: KeyRecord) -> dict[str, JsonValue]:
    return {**vars(record), "scopes": [*record.scopes]}


def _day(seconds: float | None) -> str:
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
