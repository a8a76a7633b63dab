"""Why nothing is drawn or written at present: what kept the last worker of a role from beginning.

It is kept until a worker of that role is ready, as rows of the table `meta`; knows not who works.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, delete, insert, select

from api.service.settings import ServiceSettings
from api.service.tables import meta

_PREFIX = "standstill:"


class Standstill(BaseModel):
    """What kept a worker from beginning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    worker_id: str
    type: str
    """The kind of error."""
    message: str
    """For whoever runs the service; it may name a folder of the machine."""

    def reason(self, settings: ServiceSettings) -> str:
        """The message as sentences; where others than whoever runs the service may ask, what kind of error it is."""
        if settings.needs_keys:
            return f"The last worker could not begin ({self.type}); the service's log says more."
        return f"The last worker could not begin: {self.message}"


def keep_standstill(connection: Connection, standstill: Standstill) -> None:
    """Keep it in place of what kept an earlier worker of the role from beginning."""
    end_standstill(connection, standstill.role)
    value = standstill.model_dump(mode="json")
    connection.execute(insert(meta).values(key=_PREFIX + standstill.role, value=value))


def end_standstill(connection: Connection, role: str) -> None:
    """A worker of the role has begun, or nobody has tried yet."""
    connection.execute(delete(meta).where(meta.c.key == _PREFIX + role))


def read_standstills(connection: Connection) -> Sequence[Standstill]:
    """Those of all roles."""
    query = select(meta.c.value).where(meta.c.key.startswith(_PREFIX, autoescape=True)).order_by(meta.c.key)
    return [Standstill.model_validate(value) for value in connection.execute(query).scalars()]
