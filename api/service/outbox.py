"""Puts what webhooks are to be told into their outbox, in the transaction that makes it happen. Sends nothing."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, get_args

from pydantic import JsonValue
from sqlalchemy import Connection, insert, select

from api.service.edge_tables import webhook_outbox, webhooks
from api.service.ids import new_id

Event = Literal["job.succeeded", "job.failed", "job.canceled"]
EVENTS: tuple[Event, ...] = get_args(Event)


def put_into_outbox(
    connection: Connection, *, owner: str, event: str, data: Mapping[str, JsonValue], now: float
) -> None:
    """Notes an event for every webhook of its owner that listens for it, in the caller's transaction."""
    at = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    body = json.dumps({"type": event, "timestamp": at, "data": dict(data)}, ensure_ascii=False, separators=(",", ":"))
    listening = [
        row.id
        for row in connection.execute(select(webhooks.c.id, webhooks.c.events).where(webhooks.c.owner == owner))
        if event in row.events
    ]
    for webhook_id in listening:
        connection.execute(
            insert(webhook_outbox).values(
                id=new_id("msg"),
                webhook_id=webhook_id,
                event=event,
                body=body,
                created_at=now,
                attempts=0,
                due_at=now,
                outcome="waiting",
            )
        )
