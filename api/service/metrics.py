"""What Prometheus reads of the service. Labels take few values: routes as declared, never addresses, ids or names."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.routing import Mount
from starlette.types import Scope

CONTENT_TYPE = CONTENT_TYPE_LATEST

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """One application's counters; several applications in one process keep apart."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "fableverse_http_requests", "Answered requests.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "fableverse_http_request_duration_seconds",
            "From the head of a request to the end of its answer.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refusals = Counter(
            "fableverse_refused_requests", "Requests refused at the door.", ("reason",), registry=self.registry
        )
        self._deliveries = Counter(
            "fableverse_webhook_attempts", "Attempts to deliver a webhook.", ("outcome",), registry=self.registry
        )

    def observe_request(self, *, route: str, method: str, status: int, seconds: float) -> None:
        """Counts one answered request."""
        known_method = method if method in _METHODS else "other"
        self._requests.labels(route, known_method, str(status)).inc()
        self._seconds.labels(route, known_method).observe(seconds)

    def count_refusal(self, reason: str) -> None:
        """Counts a request that got no further than the door, for one of a few fixed reasons."""
        self._refusals.labels(reason).inc()

    def count_delivery(self, outcome: str) -> None:
        """Counts one attempt at a webhook: delivered, refused, failed or given up."""
        self._deliveries.labels(outcome).inc()

    def collect_from(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Adds metrics that are computed when they are read, such as what the database knows of jobs."""
        self.registry.register(_Computed(collect))

    def text(self) -> bytes:
        """All metrics in Prometheus's text form."""
        return generate_latest(self.registry)


class _Computed(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()

    def describe(self) -> Iterable[Metric]:
        return ()  # names are not asked for at registration, where a database may not be reachable yet


def route_of(scope: Scope) -> str:
    """The route as declared, such as /v1/jobs/{job_id}; "unmatched" where there is none."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    if isinstance(path, str):
        return f"{path}/*" if isinstance(route, Mount) else path
    return "unmatched"
