"""Tells webhooks what happened, in the form of Standard Webhooks, from an outbox in the database.

An event is put into the outbox by the transaction that makes it happen, and stays until it is delivered or given up, so
that neither a crash nor a receiver that is down loses it. A receiver may get one twice; `webhook-id` tells.
"""

import asyncio
import base64
import random
import secrets
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import httpx
import structlog
from sqlalchemy import Row, delete, insert, select, update
from standardwebhooks.webhooks import Webhook as Signer
from starlette.concurrency import run_in_threadpool

from api.service.database import Database
from api.service.destinations import DestinationRules, ForbiddenDestination, Resolve, check_url, post, resolve
from api.service.edge_tables import webhook_outbox, webhooks
from api.service.errors import InvalidInput, NotFound
from api.service.ids import new_id
from api.service.metrics import Metrics
from api.service.outbox import EVENTS, Event

logger = structlog.get_logger(__name__)

BACKOFF_S = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Waits after each failed attempt, as Standard Webhooks advises; after the last one the event is given up."""
MOST_WEBHOOKS = 16
"""For one owner."""
_LEASE_S = 60.0
_AT_ONCE = 16
_GONE = 410


@dataclass(frozen=True, kw_only=True)
class WebhookRecord:
    """A webhook as its owner sees it; the secret is told only once."""

    id: str
    url: str
    events: tuple[str, ...]
    created_at: float


class WebhookStore:
    """The webhooks of all owners, in the database."""

    def __init__(self, database: Database, *, rules: DestinationRules, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock

    def create(self, owner: str, *, url: str, events: Collection[Event]) -> tuple[str, WebhookRecord]:
        """A new webhook, and the secret that its deliveries are signed with.

        Raises:
            ForbiddenDestination: The URL cannot be one to deliver to.
            InvalidInput: The owner has too many webhooks.
        """
        check_url(url, self._rules)
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        values = {
            "id": new_id("webhook"),
            "owner": owner,
            "url": url,
            "events": [event for event in EVENTS if event in events],
            "secret": secret,
            "created_at": self._clock(),
        }
        with self._database.write() as connection:
            owned = connection.execute(select(webhooks).where(webhooks.c.owner == owner)).all()
            known = next((row for row in owned if row.id == values["id"]), None)
            if known is not None:  # the same request again, after a crash
                return known.secret, _record_of(known)
            if len(owned) >= MOST_WEBHOOKS:
                raise InvalidInput(f"There are {MOST_WEBHOOKS} webhooks, the most one may have. Delete one first.")
            connection.execute(insert(webhooks).values(values))
            row = connection.execute(select(webhooks).where(webhooks.c.id == values["id"])).one()
        return secret, _record_of(row)

    def list(self, owner: str) -> tuple[WebhookRecord, ...]:
        """The owner's webhooks, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(webhooks).where(webhooks.c.owner == owner).order_by(webhooks.c.id))
            return tuple(_record_of(row) for row in rows)

    def delete(self, owner: str, webhook_id: str) -> None:
        """Forgets a webhook and what it has not been told yet.

        Raises:
            NotFound: The owner has no such webhook.
        """
        with self._database.write() as connection:
            is_owned = (webhooks.c.id == webhook_id) & (webhooks.c.owner == owner)
            if connection.execute(select(webhooks.c.id).where(is_owned)).first() is None:
                raise NotFound(f"There is no webhook {webhook_id!r} of yours.")
            connection.execute(delete(webhook_outbox).where(webhook_outbox.c.webhook_id == webhook_id))
            connection.execute(delete(webhooks).where(is_owned))


class Courier:
    """Delivers what is due.

    Args:
        database: Has the outbox.
        rules: What destinations have to be, judged before every attempt.
        metrics: Counts attempts.
        clock: Seconds since 1970.
        resolver: Gives a host's addresses.
        backoff_s: Waits between attempts.
    """

    def __init__(
        self,
        database: Database,
        *,
        rules: DestinationRules,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        resolver: Resolve = resolve,
        backoff_s: tuple[float, ...] = BACKOFF_S,
    ) -> None:
        self._database = database
        self._rules = rules
        self._metrics = metrics
        self._clock = clock
        self._resolver = resolver
        self._backoff_s = backoff_s

    async def run(self, *, poll_s: float = 1.0) -> None:
        """Delivers until it is cancelled; trouble with the database is logged and waited out."""
        while True:
            try:
                found = await self.deliver_due()
            except Exception as error:  # whatever it is, the outbox keeps the events and the next round tries again
                logger.error("webhook_round_failed", error=type(error).__name__, exc_info=error)
                found = 0
            if found == 0:
                await asyncio.sleep(poll_s)

    async def deliver_due(self) -> int:
        """Makes one attempt at each event that is due, some at a time, and gives their number.

        Raises:
            ExceptionGroup: Some attempts could not be noted; those events are due again after the lease.
        """
        due = await run_in_threadpool(self._lease)
        if not due:
            return 0
        tls = await run_in_threadpool(lambda: self._tls)
        # Neither proxies nor anything else of the environment: a proxy would resolve names anew.
        async with httpx.AsyncClient(trust_env=False, timeout=self._rules.timeout_s, verify=tls) as client:
            ended = await asyncio.gather(*(self._attempt(row, client) for row in due), return_exceptions=True)
        # Raised only here, where no attempt needs the client any more.
        if faults := [fault for fault in ended if isinstance(fault, Exception)]:
            raise ExceptionGroup("attempts that could not be noted", faults)
        return len(due)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Read once, and not on the event loop: reading certificates takes long enough for every request to feel it."""
        return httpx.create_ssl_context(trust_env=False)

    def _lease(self) -> list[Row[Any]]:
        now = self._clock()
        waiting = select(webhook_outbox.c.id).where(webhook_outbox.c.due_at <= now).limit(1)
        with self._database.read() as connection:  # an idle courier must not take turns at writing
            if connection.execute(waiting).first() is None:
                return []
        with self._database.write() as connection:
            rows = connection.execute(
                select(webhook_outbox, webhooks.c.url, webhooks.c.secret)
                .join(webhooks, webhooks.c.id == webhook_outbox.c.webhook_id)
                .where(webhook_outbox.c.due_at <= now)
                .order_by(webhook_outbox.c.due_at)
                .limit(_AT_ONCE)
                .with_for_update(skip_locked=True, of=webhook_outbox)
            ).all()
            # Should this process die in between, the event is due again after the lease.
            connection.execute(
                update(webhook_outbox)
                .where(webhook_outbox.c.id.in_([row.id for row in rows]))
                .values(due_at=now + _LEASE_S)
            )
        return list(rows)

    async def _attempt(self, row: Row[Any], client: httpx.AsyncClient) -> None:
        fault, is_final = await self._send(row, client)
        attempts = row.attempts + 1
        values: dict[str, object] = {"attempts": attempts, "last_fault": fault}
        if fault is None:
            values |= {"outcome": "delivered", "due_at": None}
        elif is_final or attempts > len(self._backoff_s):
            values |= {"outcome": "given-up", "due_at": None}
        else:
            # Spread out, so that a receiver that comes back is not met by everything at once.
            wait = self._backoff_s[attempts - 1] * random.uniform(1.0, 1.1)
            values |= {"due_at": self._clock() + wait}
        self._metrics.count_delivery(str(values.get("outcome", "failed")))
        await run_in_threadpool(self._note, row.id, values)

    async def _send(self, row: Row[Any], client: httpx.AsyncClient) -> tuple[str | None, bool]:
        """What went wrong, if anything, and whether another attempt is pointless."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Fableverse-Webhooks",
            "webhook-id": row.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Signer(row.secret).sign(row.id, now, row.body),
        }
        try:
            status = await post(
                row.url, row.body.encode(), headers, rules=self._rules, resolver=self._resolver, client=client
            )
        except ForbiddenDestination as error:
            return str(error)[:200], False
        except (OSError, TimeoutError, httpx.HTTPError) as error:
            return type(error).__name__, False
        except Exception as error:  # whatever it is, it is counted as this event's, or it would be due for ever
            logger.error("webhook_attempt_failed", error=type(error).__name__, exc_info=error)
            return type(error).__name__, False
        return (None, False) if 200 <= status < 300 else (f"status {status}", status == _GONE)

    def _note(self, message_id: str, values: Mapping[str, object]) -> None:
        with self._database.write() as connection:
            connection.execute(update(webhook_outbox).where(webhook_outbox.c.id == message_id).values(**values))


def _record_of(row: Row[Any]) -> WebhookRecord:
    return WebhookRecord(id=row.id, url=row.url, events=tuple(row.events), created_at=row.created_at)
