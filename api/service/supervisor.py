"""Starts the workers, notices those that died or hang, and puts their tasks back into the queue.

Whether a worker lives is judged by counters that it counts on and this process's own clock, so that a clock that is
set does no harm.
"""

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psutil

from api.service.ids import new_id
from api.service.roster import Role, WorkerRow
from api.service.settings import ServiceSettings
from api.service.standstill import Standstill
from api.service.tasks import TaskQueue

logger = logging.getLogger(__name__)

SILENCE_S: Final = 30.0
"""A worker that has not counted on for so long is taken for dead; one that has died is noticed at once."""
ENLISTING_S: Final = 180.0
"""How long a worker may take from its start until it reports for the first time."""
LOADING_S: Final = 1800.0
"""How long a worker may take until it is ready, at its beginning or again: a model may have to be downloaded."""
_LOOK_EVERY_S: Final = 0.25
_LOOK_AFTER_FAULT_S: Final = 1.0
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 30.0
_SETTLED_S: Final = 30.0
"""Whoever lived so long is started again without a pause."""
_TEXT_STALL_EXTRA_S: Final = 60.0
_CLUSTER_MODULE: Final = "api.cluster.worker"
WORKER_NUMBER_MARK: Final = "."
"""Stands between the id of a process and the number of a worker that it runs."""


@dataclass
class _Place:
    """Where one worker after another works."""

    role: Role
    worker_id: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    pause_s: float = 0.0
    next_start: float = 0.0

    def put_off(self, now: float) -> None:
        """Have the next worker started at once after one that lived long, later and later after others."""
        settled = now - self.started > _SETTLED_S
        self.pause_s = 0.0 if settled else min(max(_FIRST_PAUSE_S, 2 * self.pause_s), _LONGEST_PAUSE_S)
        self.next_start = now + self.pause_s


@dataclass
class _Seen:
    """When a worker's counters were last seen to move."""

    beats: int
    progress: int
    beat_at: float
    progress_at: float


class Supervisor:
    """Keeps as many workers alive as the settings say. Started and closed by the service."""

    def __init__(
        self, settings: ServiceSettings, tasks: TaskQueue, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the settings, the tasks whose workers are looked after, and what tells seconds."""
        self._settings = settings
        self._tasks = tasks
        self._clock = clock
        # On a cluster one process here stands for all workers that draw.
        num_drawing = settings.drawing_workers if settings.base.cluster is None else 1
        wanted: dict[Role, int] = {"draw": num_drawing, "text": settings.text_workers}
        self._places = [_Place(role=role) for role, number in wanted.items() for _ in range(number)]
        self._seen: dict[str, _Seen] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Give up workers of an earlier life on this machine that are gone, then start new ones."""
        try:
            self._tasks.end_standstills()
            for row in self._tasks.workers():
                if row.host == socket.gethostname() and _process_of(row) is None:
                    self._tasks.give_up(row.id, died=False)
        except Exception:
            logger.exception("workers that are gone could not be given up, and will be once they are silent")
        self._thread.start()

    def close(self) -> None:
        """End the workers; their tasks go back into the queue."""
        self._stop.set()
        self._thread.join()
        for place in self._places:
            if place.process is not None:
                place.process.kill()
                place.process.wait()
                self._give_up_all(place.worker_id, died=False)

    @property
    def is_running(self) -> bool:
        """Whether workers are being looked after."""
        return self._thread.is_alive()

    def pids(self, role: Role) -> Sequence[int]:
        """The processes of a role that are running."""
        return [place.process.pid for place in self._places if place.role == role and place.process is not None]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for place in self._places:
                    self._tend(place)
                self._look()
                pause_s = _LOOK_EVERY_S
            except Exception:  # whatever it is, the next look finds the workers as they are
                logger.exception("workers could not be looked after")
                pause_s = _LOOK_AFTER_FAULT_S
            self._stop.wait(pause_s)

    def _tend(self, place: _Place) -> None:
        """Start a worker where there is none; clear up after one that has ended."""
        now = self._clock()
        if place.process is not None:
            code = place.process.poll()
            if code is None:
                return
            self._tell_early_end(place, code)
            taken = self._give_up_all(place.worker_id, died=True)
            logger.warning("a %s worker ended with %d; taken over: %s", place.role, code, ", ".join(taken) or "nothing")
            place.process = None
            place.put_off(now)
        if now >= place.next_start:
            place.worker_id, place.started = new_id("worker"), now
            try:
                place.process = self._start_worker(place.role, place.worker_id)
            except OSError:  # such as too many processes or open files
                logger.exception("a %s worker could not be started", place.role)
                place.put_off(now)

    def _tell_early_end(self, place: _Place, code: int) -> None:
        """Keep that a worker ended before it could take tasks, unless it said itself why."""
        begun = any(row.is_at_work for row in self._tasks.workers() if _process_id(row) == place.worker_id)
        if begun or any(each.worker_id == place.worker_id for each in self._tasks.standstills()):
            return
        message = (
            f"Its process ended with {code} before it was ready, as it does where memory runs out. The service's log "
            "may say more."
        )
        early = Standstill(role=place.role, worker_id=place.worker_id, type="EarlyEnd", message=message)
        self._tasks.keep_standstill(early)

    def _give_up_all(self, worker_id: str, *, died: bool) -> Sequence[str]:
        """Give up the worker that was a process, and those that it ran; returns the tasks they held."""
        ran = [row.id for row in self._tasks.workers() if _process_id(row) == worker_id and row.id != worker_id]
        return [task for each in (*ran, worker_id) for task in self._tasks.give_up(each, died=died)]

    def _start_worker(self, role: Role, worker_id: str) -> "subprocess.Popen[bytes]":
        on_cluster = role == "draw" and self._settings.base.cluster is not None
        module = _CLUSTER_MODULE if on_cluster else self._settings.worker_module
        command = [sys.executable, "-m", module, role, worker_id]
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # one that has ended already is found out by the next look
            process.stdin.write(self._settings.to_json().encode() + b"\n")
            process.stdin.flush()
        return process

    def _look(self) -> None:
        """End workers that hang, and give up those of others that have fallen silent."""
        now, rows = self._clock(), self._tasks.workers()
        reported = {row.id for row in rows}
        for place in self._places:
            is_late = now - place.started > ENLISTING_S and place.worker_id not in reported
            if place.process is not None and is_late:
                logger.warning("a %s worker does not report and is ended", place.role)
                place.process.kill()
        own = {place.worker_id: place for place in self._places}
        self._seen = {row.id: self._moved(row, now) for row in rows}
        for row in rows:
            seen = self._seen[row.id]
            is_silent = now - seen.beat_at > SILENCE_S
            is_busy = row.task_id is not None or not row.is_ready
            is_stalled = is_busy and now - seen.progress_at > self._patience_s(row)
            place = own.get(row.id)
            if place is not None and place.process is not None and (is_silent or is_stalled):
                logger.warning("a %s worker hangs and is ended", row.role)
                place.process.kill()
            elif place is None and is_silent:
                _end_orphan(row)
                self._tasks.give_up(row.id, died=True)

    def _moved(self, row: WorkerRow, now: float) -> _Seen:
        seen = self._seen.get(row.id) or _Seen(row.beats, row.progress, now, now)
        return _Seen(
            row.beats,
            row.progress,
            now if row.beats != seen.beats else seen.beat_at,
            now if row.progress != seen.progress else seen.progress_at,
        )

    def _patience_s(self, row: WorkerRow) -> float:
        """How long a worker may take from one sign of progress to the next; a language model has its own deadline."""
        if not row.is_ready:
            return LOADING_S
        if row.role == "draw":
            return self._settings.stall_s
        return max(self._settings.stall_s, self._settings.base.timeout_s + _TEXT_STALL_EXTRA_S)


def _process_id(row: WorkerRow) -> str:
    """The id that the worker's process was started with; a worker that such a process runs has the id and a number."""
    return row.id.partition(WORKER_NUMBER_MARK)[0]


def _process_of(row: WorkerRow) -> psutil.Process | None:
    """The worker's process on this machine; None when it is gone, or another got its number since."""
    try:
        process = psutil.Process(row.pid) if row.host == socket.gethostname() else None
        return process if process is not None and _process_id(row) in process.cmdline() else None
    except psutil.Error:
        return None


def _end_orphan(row: WorkerRow) -> None:
    """End a worker that hangs and whose own service is gone, so that it does not wake up one day."""
    process = _process_of(row)
    if process is not None:
        process.kill()
