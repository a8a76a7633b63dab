"""Which picture model the service draws with, told by the drawing worker to everybody through the database."""

from typing import Any

from sqlalchemy import delete, insert, select

from api.service.database import Database
from api.service.payloads import ModelInfo
from api.service.tables import meta
from api.settings import WantedModel

_KEY = "model"


def tell_model(database: Database, info: ModelInfo, *, wanted: WantedModel) -> None:
    """Say what is loaded, and for which wishes."""
    value = {"wanted": _wishes(wanted), "info": info.model_dump(mode="json")}
    with database.write() as connection:
        connection.execute(delete(meta).where(meta.c.key == _KEY))
        connection.execute(insert(meta).values(key=_KEY, value=value))


def ask_model(database: Database, *, wanted: WantedModel) -> ModelInfo | None:
    """What is loaded for these wishes; None until somebody said so, as after a start with others."""
    with database.read() as connection:
        value = connection.execute(select(meta.c.value).where(meta.c.key == _KEY)).scalar_one_or_none()
    return ModelInfo.model_validate(value["info"]) if value and value.get("wanted") == _wishes(wanted) else None


def _wishes(wanted: WantedModel) -> dict[str, Any]:
    """What of them decides which model it is and by which settings it draws."""
    return {name: getattr(wanted, name) for name in ("source", "revision", "profile", "concept_guidance")}
