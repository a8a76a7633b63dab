"""What the database knows of jobs, tasks and workers, counted when Prometheus asks."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy import func, select

from api.service.database import Database
from api.service.edge_tables import webhook_outbox
from api.service.tables import jobs, tasks, workers


def count_jobs(database: Database) -> Iterable[Metric]:
    """Gauges of jobs by kind and state, of waiting tasks and of workers by role, and of undelivered webhooks."""
    by_state = GaugeMetricFamily("fableverse_jobs", "Jobs there are.", labels=("kind", "state"))
    queued = GaugeMetricFamily("fableverse_queued_tasks", "Tasks that wait for a worker.", labels=("role",))
    working = GaugeMetricFamily("fableverse_ready_workers", "Workers that can take tasks.", labels=("role",))
    undelivered = GaugeMetricFamily("fableverse_undelivered_webhooks", "Events that webhooks wait for.")
    with database.read() as connection:
        num = func.count()
        for row in connection.execute(select(jobs.c.kind, jobs.c.state, num).group_by(jobs.c.kind, jobs.c.state)):
            by_state.add_metric([row[0], row[1]], row[2])
        for row in connection.execute(
            select(tasks.c.role, num).where(tasks.c.state == "queued").group_by(tasks.c.role)
        ):
            queued.add_metric([row[0]], row[1])
        for row in connection.execute(select(workers.c.role, num).where(workers.c.is_ready).group_by(workers.c.role)):
            working.add_metric([row[0]], row[1])
        waiting = select(num).select_from(webhook_outbox).where(webhook_outbox.c.due_at.is_not(None))
        undelivered.add_metric([], connection.execute(waiting).scalar_one())
    return (by_state, queued, working, undelivered)
