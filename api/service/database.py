"""Opens the service's database, SQLite in a file or PostgreSQL. Knows no table but that of the schema's version."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, insert, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

from api.service.errors import UnusableDatabase
from api.service.tables import SCHEMA_VERSION, meta, metadata

_BUSY_TIMEOUT_MS = 30_000
_BEGIN = "sqlite_begin"


class Database:
    """Transactions on the service's tables. One per process; safe in several threads; close it at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """The database of a URL, its tables made where there are none.

        Raises:
            UnusableDatabase: Its tables are those of another version of Fableverse.
        """
        engine = _engine_of(make_url(url))
        database = cls(engine)
        with database.write() as connection:
            metadata.create_all(connection)
            found = connection.execute(select(meta.c.value).where(meta.c.key == "schema")).scalar_one_or_none()
            if found is None:
                connection.execute(insert(meta).values(key="schema", value=SCHEMA_VERSION))
            elif found != SCHEMA_VERSION:
                raise UnusableDatabase(
                    f"The database has tables of version {found!r}, and this Fableverse reads version "
                    f"{SCHEMA_VERSION}. Use the Fableverse that made it, or another data folder."
                )
        return database

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One state of the tables."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that changes tables: all of it is kept, on disk, or nothing."""
        with self.engine.connect().execution_options(**{_BEGIN: "IMMEDIATE"}) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Give connections back."""
        self.engine.dispose()


def _engine_of(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        # A connection that a restarted server has dropped is found out and replaced before it is used.
        return create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=10)
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000}, pool_size=20)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # Python's own transactions start too late for readers and too weakly for writers; `_begin_sqlite` starts ours.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_TIMEOUT_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    connection.exec_driver_sql(f"BEGIN {options.get(_BEGIN, 'DEFERRED')}")
