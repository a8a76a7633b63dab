"""Opens the service's database, SQLite in a file or PostgreSQL. Knows no table but that of the schema's version."""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, TimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

# Whoever opens the database first makes all of its tables, so all have to be known here.
import api.service.book_tables
import api.service.edge_tables  # noqa: F401
from api.service.errors import UnusableDatabase
from api.service.tables import SCHEMA_VERSION, meta, metadata

PATIENCE_S: Final = 30.0
UNANSWERED: Final = (DBAPIError, TimeoutError)
"""What a transaction raises when the database does not answer, or all connections to it are taken."""
_ALONE: Final = 0x6661626C65  # "fable"; a number that every server of ours locks by
_KEEPALIVE: Final = {"tcp_keepalives_idle": 20, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
"""How soon PostgreSQL notices that a machine is gone which held a lock: within a minute, not hours."""
_BEGIN = "sqlite_begin"
_PATIENCE = "sqlite_patience_s"


class Database:
    """Transactions on the service's tables. One per process; safe in several threads; close it at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str, *, patience_s: float = PATIENCE_S) -> Self:
        """The database of a URL, its tables made where there are none.

        Args:
            url: As SQLAlchemy writes it.
            patience_s: How long a transaction waits for another one. In PostgreSQL, also how long one may stand idle
                before its locks are taken away: a process that hangs in the middle of one must not hold up the rest.

        Raises:
            UnusableDatabase: It cannot be opened, or its tables are those of another version of Fableverse.
        """
        try:
            database = cls(_engine_of(make_url(url), patience_s))
            found = database._prepare()
        except (SQLAlchemyError, ValueError, ImportError) as error:
            told = error.orig if isinstance(error, DBAPIError) else error
            raise UnusableDatabase(
                f"The database cannot be opened: {str(told).partition(chr(10))[0].rstrip('.')}. Name another with "
                "--database, such as postgresql://user@host/name, or start it."
            ) from error
        if found != SCHEMA_VERSION:
            raise UnusableDatabase(
                f"The database has tables of version {found!r}, and this Fableverse reads version "
                f"{SCHEMA_VERSION}. Use the Fableverse that made it, or another data folder."
            )
        return database

    def _prepare(self) -> Any:
        """Make the tables where there are none; the version of those that are there then."""
        # Whoever hangs in a transaction may be ended only by who has opened the database, so nothing is written here
        # that is there already.
        if metadata.tables.keys() - set(inspect(self.engine).get_table_names()):
            with self.write() as connection:
                metadata.create_all(connection)
                if _version(connection) is None:
                    connection.execute(insert(meta).values(key="schema", value=SCHEMA_VERSION))
        with self.read() as connection:
            return _version(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One state of the tables."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, patience_s: float | None = None) -> Iterator[Connection]:
        """A transaction that changes tables: all of it is kept, on disk, or nothing.

        Args:
            patience_s: How long to wait for others that write, in SQLite, where that is one at a time; None is as long
                as the database was opened with.
        """
        options = {_BEGIN: "IMMEDIATE", _PATIENCE: patience_s}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no other process was within this of the same database; none is then, until the end of the body.

        Only of PostgreSQL: an SQLite file lies in a folder, which can be locked.
        """
        if self.engine.dialect.name != "postgresql":
            yield True
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.detach()  # so that it is closed at the end, and the lock with it, not kept for others
            for name, value in _KEEPALIVE.items():
                connection.exec_driver_sql(f"SET {name} = {value}")
            yield bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_ALONE})").scalar_one())

    def close(self) -> None:
        """Give connections back."""
        self.engine.dispose()


def _version(connection: Connection) -> Any:
    return connection.execute(select(meta.c.value).where(meta.c.key == "schema")).scalar_one_or_none()


def _engine_of(url: URL, patience_s: float) -> Engine:
    if url.get_backend_name() not in ("sqlite", "postgresql", "postgres"):
        raise ValueError(f"{url.get_backend_name()!r} is neither PostgreSQL nor SQLite")
    if url.get_backend_name() != "sqlite":
        patience_ms = int(1000 * patience_s)
        # Who waits for a lock outlasts who stands idle with it.
        timeouts = {"idle_in_transaction_session_timeout": patience_ms, "lock_timeout": 2 * patience_ms}
        options = " ".join(f"-c {name}={value}" for name, value in timeouts.items())
        # A connection that a restarted server has dropped is found out and replaced before it is used.
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={
                "options": options,
                "tcp_user_timeout": patience_ms,
                "connect_timeout": math.ceil(patience_s),
            },
            pool_pre_ping=True,
            pool_size=10,
        )
    engine = create_engine(url, connect_args={"timeout": patience_s}, pool_size=20)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # Python's own transactions start too late for readers and too weakly for writers; `_begin_sqlite` starts ours.
    connection.isolation_level = None
    # Each connection has a cache of its own, of 2 MB by default, and there are as many as requests come at once.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-400"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options: dict[str, Any] = dict(connection.get_execution_options())
    begin, patience_s = f"BEGIN {options.get(_BEGIN, 'DEFERRED')}", options.get(_PATIENCE)
    if patience_s is None:
        connection.exec_driver_sql(begin)
        return
    usual_ms = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    connection.exec_driver_sql(f"PRAGMA busy_timeout={int(1000 * patience_s)}")
    try:
        connection.exec_driver_sql(begin)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={usual_ms}")
