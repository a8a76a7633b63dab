"""Keeps a second server away from a data folder and a database that one works with.

Two would begin each other's jobs a second time and give up each other's workers.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from api.errors import UsageError
from api.service.database import Database
from api.service.settings import ServiceSettings

LOCK_FILENAME: Final = "server.lock"


@contextmanager
def only_server(settings: ServiceSettings) -> Iterator[None]:
    """Be the one server of a data folder, which is there, and of a database, until the end of the body.

    The locks end with the process, however it ends.

    Raises:
        UsageError: Another server works with one of the two.
        UnusableDatabase: The database cannot be opened.
    """
    with _folder_locked(settings.data_dir), _database_locked(settings):
        yield


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    with (folder / LOCK_FILENAME).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"Another server works in {str(folder)!r}, and a folder has one. Stop that one, or name another folder "
                "with --data."
            ) from error
        yield


@contextmanager
def _database_locked(settings: ServiceSettings) -> Iterator[None]:
    database = Database.open(settings.database)
    try:
        with database.alone() as is_alone:
            if not is_alone:
                raise UsageError(
                    "Another server works with this database, and a database has one. Stop that one, or name another "
                    "database with --database."
                )
            yield
    finally:
        database.close()
