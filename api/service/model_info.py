"""Which picture model the service draws with, told by the drawing worker to everybody through the database."""

import hashlib
import json

from sqlalchemy import delete, insert, select

from api.service.database import Database
from api.service.payloads import ModelInfo
from api.service.tables import meta
from api.settings import WantedModel

_DECIDING = ("source", "revision", "profile", "concept_guidance")
"""What of the wishes decides which model it is and by which settings it draws."""


def tell_model(database: Database, info: ModelInfo, *, wanted: WantedModel) -> None:
    """Say what is loaded for which wishes."""
    key = _key(wanted)
    with database.write() as connection:
        connection.execute(delete(meta).where(meta.c.key == key))
        connection.execute(insert(meta).values(key=key, value=info.model_dump(mode="json")))


def ask_model(database: Database, *, wanted: WantedModel) -> ModelInfo | None:
    """What is loaded for these wishes; None until somebody said so."""
    with database.read() as connection:
        value = connection.execute(select(meta.c.value).where(meta.c.key == _key(wanted))).scalar_one_or_none()
    return None if value is None else ModelInfo.model_validate(value)


def _key(wanted: WantedModel) -> str:
    shape = [*ModelInfo.model_fields]  # what a service of another version has told is not asked for
    deciding = json.dumps([shape, *(getattr(wanted, name) for name in _DECIDING)])
    return f"model:{hashlib.sha256(deciding.encode()).hexdigest()[:32]}"
