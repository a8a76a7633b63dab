"""Which picture model the service draws with, told by the drawing worker to everybody through the database."""

from sqlalchemy import delete, insert, select

from api.service.database import Database
from api.service.payloads import ModelInfo
from api.service.tables import meta

_KEY = "model"


def tell_model(database: Database, info: ModelInfo) -> None:
    """Say what is loaded."""
    with database.write() as connection:
        connection.execute(delete(meta).where(meta.c.key == _KEY))
        connection.execute(insert(meta).values(key=_KEY, value=info.model_dump(mode="json")))


def ask_model(database: Database, *, source: str) -> ModelInfo | None:
    """What is loaded of that source; None until somebody said so."""
    with database.read() as connection:
        value = connection.execute(select(meta.c.value).where(meta.c.key == _KEY)).scalar_one_or_none()
    info = ModelInfo.model_validate(value) if value is not None else None
    return info if info is not None and info.model.source == source else None
