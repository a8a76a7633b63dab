"""An empty database of either kind: name this file in `pytest_plugins` and ask for `either_database`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.service.database import Database
from api.service.tables import metadata

pytest_plugins = ["tests.postgres"]


@pytest.fixture(params=["sqlite", "postgresql"])
def either_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """One in SQLite, then one in PostgreSQL."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'either.sqlite'}" if is_sqlite else request.getfixturevalue("postgres_url")
    database = Database.open(url)
    yield database
    if not is_sqlite:
        with database.write() as connection:
            metadata.drop_all(connection)
    database.close()
