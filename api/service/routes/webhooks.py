"""Webhooks: addresses that are told when a job of yours has ended, in the form of Standard Webhooks."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.service.outbox import EVENTS, Event
from api.service.schema import at
from api.service.services import PrincipalDep, ServicesDep
from api.service.webhooks import WebhookRecord

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


class WebhookRequest(BaseModel):
    """An address to tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(min_length=1, max_length=2048)
    """A public HTTPS address."""
    events: tuple[Event, ...] = Field(default=EVENTS, min_length=1, max_length=len(EVENTS))


class WebhookAnswer(BaseModel):
    """An address that is told."""

    model_config = ConfigDict(frozen=True)

    object: Literal["webhook"] = "webhook"
    id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime
    secret: str | None = None
    """Proves that a delivery is ours; told once, when the webhook is made."""


class WebhookListing(BaseModel):
    """All of your webhooks."""

    model_config = ConfigDict(frozen=True)

    object: Literal["list"] = "list"
    data: tuple[WebhookAnswer, ...]


@router.post("", status_code=201)
def make_webhook(request: WebhookRequest, services: ServicesDep, principal: PrincipalDep) -> WebhookAnswer:
    """Tells an address from now on; the answer has the secret that deliveries are signed with, this once."""
    secret, record = services.webhooks.create(principal.owner, url=request.url, events=request.events)
    return _answer(record, secret)


@router.get("")
def list_webhooks(services: ServicesDep, principal: PrincipalDep) -> WebhookListing:
    """All of your webhooks, without their secrets."""
    return WebhookListing(data=tuple(_answer(record) for record in services.webhooks.list(principal.owner)))


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: str, services: ServicesDep, principal: PrincipalDep) -> None:
    """Tells an address nothing more."""
    services.webhooks.delete(principal.owner, webhook_id)


def _answer(record: WebhookRecord, secret: str | None = None) -> WebhookAnswer:
    return WebhookAnswer(
        id=record.id, url=record.url, events=record.events, created_at=at(record.created_at), secret=secret
    )
