"""How often one principal may ask, and how long their jobs may draw: token buckets, and render seconds by the hour."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from api.service.keys import LOCAL, Principal
from api.service.metrics import Metrics
from api.service.problems import Problem, respond

_MOST_BUCKETS = 10_000
_UNLIMITED_PATHS = frozenset({"/livez", "/readyz"})


@dataclass(frozen=True, kw_only=True)
class Rate:
    """So many at once, and so many a second for as long as one likes."""

    burst: int
    per_second: float


PRINCIPAL_RATE = Rate(burst=200, per_second=100.0)
STRANGER_RATE = Rate(burst=60, per_second=5.0)
"""For an address without a valid key, which is also how fast keys can be guessed."""


class Buckets:
    """A token bucket for each name, forgotten longest unused first.

    Args:
        rate: Of every bucket.
        clock: Seconds that never go back.
    """

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str) -> float:
        """Takes one token and gives 0; where there is none, gives the seconds until there is."""
        now = self._clock()
        interval = 1 / self._rate.per_second
        full_at = max(self._full_at.get(name, now), now) + interval
        wait = full_at - now - self._rate.burst * interval
        # Rounding must not refuse the last token of a burst.
        if wait > interval * 1e-6:
            return wait
        self._full_at[name] = full_at
        self._full_at.move_to_end(name)
        if len(self._full_at) > _MOST_BUCKETS:
            self._full_at.popitem(last=False)
        return 0.0


class RequestRates:
    """ASGI middleware: 429 with Retry-After for who asks too often. Goes inside `Authentication`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        principal_rate: Rate = PRINCIPAL_RATE,
        stranger_rate: Rate = STRANGER_RATE,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._principals = Buckets(principal_rate)
        self._strangers = Buckets(stranger_rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wait = self._wait(scope) if scope["type"] == "http" else 0.0
        if wait > 0:
            self._metrics.count_refusal("rate")
            await respond(too_many(wait, "You ask too often."))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _wait(self, scope: Scope) -> float:
        principal: Principal | None = scope["state"].get("principal")
        if principal == LOCAL or scope["path"] in _UNLIMITED_PATHS:
            return 0.0
        if principal is not None:
            return self._principals.take(principal.owner)
        client = scope.get("client")
        return self._strangers.take(client[0] if client else "")


def too_many(wait_s: float, what: str) -> Problem:
    """A refusal that says when to come back."""
    seconds = max(1, math.ceil(wait_s))
    return Problem(429, f"{what} Try again in {seconds} s.", kind="too-many", headers={"Retry-After": str(seconds)})
