"""API keys: made once, shown once, kept as hashes; each with an owner, scopes and a last day.

A key is `fv_<id>_<secret><checksum>`. The secret has 256 random bits, so one round of SHA-256 keeps it; the checksum
tells a mistyped key without asking the database, and scanners of leaked secrets a key from a random word.
"""

import hashlib
import hmac
import re
import secrets
import time
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, cast, get_args

import structlog
from sqlalchemy import Row, insert, or_, select, update

from api.errors import UsageError
from api.service.database import UNANSWERED, Database
from api.service.edge_tables import api_keys
from api.service.settings import LOCAL_OWNER

logger = structlog.get_logger(__name__)

Scope = Literal["read", "write", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

# An owner's name becomes a folder's, so that it is no path and no two differ in case only.
_OWNER = re.compile(r"(?=.{1,40}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
_KEY = re.compile(r"fv_([0-9a-f]{16})_([0-9A-Za-z_-]{43})([0-9a-f]{8})")
# Compared with where no key has the id, so that both take the same time.
_NO_DIGEST = "0" * 64
_USED_EVERY_S = 60.0
_NOTING_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whoever asks, and what they may do."""

    owner: str
    scopes: frozenset[Scope]
    key_id: str | None = None


LOCAL = Principal(owner=LOCAL_OWNER, scopes=frozenset(SCOPES))
"""Who works on this machine itself, where the service listens on loopback and asks for no key."""


@dataclass(frozen=True, kw_only=True)
class KeyRecord:
    """A key as it is kept: without its secret."""

    id: str
    owner: str
    scopes: tuple[Scope, ...]
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None

    def state_at(self, now: float) -> Literal["good", "expired", "revoked"]:
        """Whether the key opens anything at a time, in seconds since 1970."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "good"


class KeyStore:
    """The keys in the database.

    Args:
        database: Where they are kept.
        clock: Seconds since 1970.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(self, owner: str, *, scopes: Collection[Scope], valid_s: float | None = None) -> tuple[str, KeyRecord]:
        """A new key, which nobody can read again, and its record.

        Args:
            owner: Whose concepts, stories, books and jobs the key reaches.
            scopes: What it may do.
            valid_s: For how many seconds; None is until it is revoked.

        Raises:
            UsageError: The owner's name or the scopes cannot be used.
        """
        if not _OWNER.fullmatch(owner):
            raise UsageError(
                f"{owner!r} cannot be a key's owner: it is up to 40 small letters and digits, parted by hyphens, "
                "such as night-nursery. Choose another name."
            )
        if owner == LOCAL_OWNER:
            raise UsageError(
                f"{owner!r} is whoever works on this machine without a key, so it cannot be a key's owner. Choose "
                "another name."
            )
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise UsageError(f"A key's scopes are some of {', '.join(SCOPES)}, not {unknown or 'none'}. Correct them.")
        now = self._clock()
        record = KeyRecord(
            id=secrets.token_hex(8),
            owner=owner,
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            created_at=now,
            expires_at=None if valid_s is None else now + valid_s,
            revoked_at=None,
            last_used_at=None,
        )
        body = f"fv_{record.id}_{secrets.token_urlsafe(32)}"
        key = body + _checksum(body)
        row = {**vars(record), "scopes": list(record.scopes), "digest": _digest(key)}
        with self._database.write() as connection:
            connection.execute(insert(api_keys).values(row))
        return key, record

    def list(self) -> tuple[KeyRecord, ...]:
        """Every key there ever was, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id))
            return tuple(_record_of(row) for row in rows)

    def revoke(self, key_id: str) -> KeyRecord:
        """Makes a key useless from now on.

        Raises:
            UsageError: No key has this id.
        """
        with self._database.write() as connection:
            connection.execute(
                update(api_keys)
                .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
                .values(revoked_at=self._clock())
            )
            row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).one_or_none()
        if row is None:
            raise UsageError(f"No key has the id {key_id!r}. fableverse keys list shows them all.")
        return _record_of(row)

    def authenticate(self, key: str) -> Principal | None:
        """Whose key this is; None when it is none of ours, has expired or was revoked."""
        match = _KEY.fullmatch(key)
        if match is None or not hmac.compare_digest(_checksum(key[:-8]), match[3]):
            return None
        now = self._clock()
        with self._database.read() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.id == match[1])).one_or_none()
        is_same = hmac.compare_digest(_digest(key), row.digest if row is not None else _NO_DIGEST)
        if row is None or not is_same:
            return None
        record = _record_of(row)
        if record.state_at(now) != "good":
            return None
        if record.last_used_at is None or record.last_used_at < now - _USED_EVERY_S:
            self._note_use(record.id, now)
        return Principal(owner=record.owner, scopes=frozenset(record.scopes), key_id=record.id)

    def _note_use(self, key_id: str, now: float) -> None:
        """Notes it if that can be done at once: who only reads is not to wait for those who write."""
        is_stale = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < now - _USED_EVERY_S)
        try:
            with self._database.write(patience_s=_NOTING_S) as connection:
                connection.execute(update(api_keys).where(api_keys.c.id == key_id, is_stale).values(last_used_at=now))
        except UNANSWERED as error:
            logger.warning("use_of_key_not_noted", error=type(error).__name__)


def _record_of(row: Row[tuple[object, ...]]) -> KeyRecord:
    values = {name: getattr(row, name) for name in KeyRecord.__dataclass_fields__}
    scopes = cast(tuple[Scope, ...], tuple(values["scopes"]))
    return KeyRecord(**{**values, "scopes": scopes})


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
