"""The queue as the workers of one cluster take from it: who is gone takes nothing, and not all may learn at a time."""

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from api.service.database import Database
from api.service.roster import Role
from api.service.tasks import Task, TaskKind, TaskQueue


class LiveModel(Protocol):
    """What a worker works with."""

    def check_alive(self) -> None:
        """Raises `WorkerLost` when it is gone."""
        ...


class ClusterQueue(TaskQueue):
    """A `TaskQueue` of whose workers at most half learn at a time, but one may.

    Learning takes minutes or hours where a picture takes seconds, so pictures always find workers beside it.
    """

    def __init__(self, database: Database, models: Mapping[str, LiveModel]) -> None:
        """Hand out tasks to the workers that `models` has when they ask."""
        super().__init__(database)
        self._models = models
        self._learning: set[str] = set()
        self._lock = threading.Lock()

    def claim(self, worker_id: str, role: Role, *, without: Collection[TaskKind] = ()) -> Task | None:
        """As in `TaskQueue`, without learning while enough workers learn.

        Raises:
            WorkerLost: The worker's process on the cluster is gone.
        """
        self._models[worker_id].check_alive()
        with self._lock:
            self._learning.discard(worker_id)  # whoever takes a task holds none
            may_learn = len(self._learning) < max(1, len(self._models) // 2)
            task = super().claim(worker_id, role, without=without if may_learn else (*without, "learn"))
            if task is not None and task.kind == "learn":
                self._learning.add(worker_id)
            return task

    def give_up(self, worker_id: str, *, died: bool) -> Sequence[str]:
        """As in `TaskQueue`."""
        with self._lock:
            self._learning.discard(worker_id)
        return super().give_up(worker_id, died=died)
