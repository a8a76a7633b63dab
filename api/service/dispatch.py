"""Sees to it that every open job is being done: what nobody does is begun, what went astray is begun anew.

The row of a job is the promise; this keeps it after every kind of crash, because it looks at nothing but rows.
"""

import logging
import queue
import threading
import time
from typing import Final

from api.service.engine import Attempt, AttemptState, JobEngine
from api.service.jobs import Jobs

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 2.0


class Dispatcher:
    """Hands jobs to the engine. Started and closed by the service; safe in several threads."""

    def __init__(self, jobs: Jobs, engine: JobEngine) -> None:
        self._jobs = jobs
        self._engine = engine
        self._new: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin to look; the engine has to be launched."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._new.put(None)
        self._thread.join()

    @property
    def is_running(self) -> bool:
        """Whether jobs are being begun."""
        return self._thread.is_alive()

    def begin(self, job_id: str, attempt: int) -> None:
        """Have a job done soon that was just committed."""
        self._new.put(Attempt(job_id, attempt))

    def _run(self) -> None:
        next_look = 0.0
        while True:
            try:
                if (left_s := next_look - time.monotonic()) <= 0:
                    self._look()
                    next_look, left_s = time.monotonic() + _LOOK_EVERY_S, _LOOK_EVERY_S
                attempt = self._new.get(timeout=left_s)
                if attempt is None:
                    return
                self._engine.start(attempt)
            except queue.Empty:
                continue
            except Exception:  # whatever it is, the rows keep the jobs and the next look tries again
                logger.exception("jobs could not be begun")
                next_look = time.monotonic() + _LOOK_EVERY_S

    def _look(self) -> None:
        attempts = [Attempt(job.id, job.attempt) for job in self._jobs.unfinished()]
        for attempt, state in zip(attempts, self._engine.states(attempts), strict=True):
            try:
                self._see_to(attempt, state)
            except Exception:  # one that cannot be begun must not keep the others from it
                logger.exception("the job %s could not be begun", attempt.job_id)

    def _see_to(self, attempt: Attempt, state: AttemptState) -> None:
        if state == "unknown":
            self._engine.start(attempt)
        elif state in ("over", "astray"):
            logger.warning("attempt %d at %s went astray (%s)", attempt.number, attempt.job_id, state)
            number = self._jobs.restart(attempt.job_id, attempt=attempt.number)
            self._engine.start(Attempt(attempt.job_id, number))
