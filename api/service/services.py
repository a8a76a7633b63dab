"""What handlers work with: the parts of a running service, as one value that FastAPI hands to whoever asks."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.service.database import Database
from api.service.settings import LOCAL_OWNER, ServiceSettings


@dataclass(frozen=True, kw_only=True)
class Services:
    """The parts of a running service."""

    settings: ServiceSettings
    database: Database


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whoever makes a request."""

    owner: str
    """Whose things they see and make."""


def services_of(request: Request) -> Services:
    """The parts of the service that answers the request."""
    return request.app.state.services


def principal_of(_: Request) -> Principal:
    """Who makes the request: on this machine alone everybody is the same person."""
    return Principal(owner=LOCAL_OWNER)


ServicesDep = Annotated[Services, Depends(services_of)]
PrincipalDep = Annotated[Principal, Depends(principal_of)]
