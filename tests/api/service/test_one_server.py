"""A data folder, and a database, has one server at a time."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from api.errors import UsageError
from api.service.one_server import only_server
from api.service.settings import ServiceSettings

pytest_plugins = ["tests.postgres"]


def settings_in(folder: Path, *, database_url: str | None = None) -> ServiceSettings:
    folder.mkdir(exist_ok=True)
    return ServiceSettings(data_dir=folder, database_url=database_url)


def test_a_second_server_of_a_folder_is_refused_while_the_first_works(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    with only_server(settings), only_server(settings_in(tmp_path / "another")):
        with pytest.raises(UsageError, match="Another server works in .*data'.*--data"), only_server(settings):
            pass
    with only_server(settings):
        pass


def test_a_second_server_of_a_database_is_refused_while_the_first_works(tmp_path: Path, postgres_url: str) -> None:
    first = settings_in(tmp_path / "one", database_url=postgres_url)
    second = settings_in(tmp_path / "two", database_url=postgres_url)
    with only_server(first):
        with pytest.raises(UsageError, match="Another server works with this database.*--database"):
            with only_server(second):
                pass
    with only_server(second):
        end_connections(postgres_url)
    with only_server(first):
        pass


def end_connections(url: str) -> None:
    """As where the database is started anew."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        ended = connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
        ).all()
    engine.dispose()
    assert ended
