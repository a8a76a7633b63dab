"""A process that takes tasks from the queue and does them one by one, until whoever started it is gone.

What is left to do of a task that does not need what the worker works with, such as writing a picture's file, is done in
a thread while the next task is worked on.

`python -m api.service.worker ROLE ID` reads its settings as one line of standard input, and ends when that is closed.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Self, cast

from sqlalchemy.exc import DBAPIError

from api.errors import as_memory_error, as_output_error
from api.libraries import quiet_libraries
from api.service.database import Database
from api.service.errors import TaskCanceled, WorkerLost
from api.service.logs import configure_logs, log_uncaught
from api.service.pictures import PictureWork
from api.service.roster import Role
from api.service.settings import ServiceSettings
from api.service.standstill import Standstill
from api.service.store import ContentStore
from api.service.tasks import Task, TaskQueue
from api.service.texts import TextWork
from api.service.work import Done, Finish, Work
from concepts.errors import FableverseError

logger = logging.getLogger(__name__)

BEAT_EVERY_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.1
_LOOK_AFTER_FAULT_S: Final = 1.0
_UNEXPECTED: Final = "Unexpected"
_CHUNK: Final = 4096

Works = Mapping[Role, Callable[[ServiceSettings, Database, ContentStore], Work]]
"""What makes the work of each role."""


class Worker:
    """Does tasks of one role."""

    def __init__(
        self, worker_id: str, role: Role, work: Work, tasks: TaskQueue, *, idle_unload_s: float | None
    ) -> None:
        self._id = worker_id
        self._role: Role = role
        self._work = work
        self._tasks = tasks
        self._idle_unload_s = idle_unload_s
        self._stop = threading.Event()
        self._finisher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="finish")
        self._finishing: Future[None] | None = None
        """Of the task before the one that is worked on."""

    def run(self) -> None:
        """Take and do tasks until the worker has been given up, or one fails in a way that nobody foresaw.

        Raises:
            WorkerLost: What it works with is gone; whoever runs the worker gives it up.
        """
        self._tasks.enlist(self._id, self._role, host=socket.gethostname(), pid=os.getpid())
        keep_beating(self._id, self._tasks, given_up=self._stop, is_loading=lambda: self._work.is_loading)
        self._prepare()
        self._tasks.set_ready(self._id)
        with self._finisher:
            self._work_on()
        self._await_finished()

    def _prepare(self) -> None:
        """Get ready; what keeps the worker from that is told to everybody."""
        try:
            while not self._work.prepare():
                time.sleep(_LOOK_EVERY_S)
        except (WorkerLost, DBAPIError):
            raise
        except Exception as error:
            self._stop.set()
            told = fault_of(error)
            self._tasks.keep_standstill(Standstill(role=self._role, worker_id=self._id, **told))
            logger.error("the worker cannot begin: %s", told["message"])
            raise

    def _work_on(self) -> None:
        busy_at, is_resting = time.monotonic(), False
        while not self._stop.is_set():
            try:
                task = self._tasks.claim(self._id, self._role)
            except DBAPIError:
                logger.exception("the database does not answer")
                time.sleep(_LOOK_AFTER_FAULT_S)
                continue
            if task is not None:
                self._do(task)
                busy_at, is_resting = time.monotonic(), False
                continue
            self._await_finished()
            if self._idle_unload_s is not None and not is_resting and time.monotonic() - busy_at > self._idle_unload_s:
                self._work.rest()
                is_resting = True
            self._stop.wait(_LOOK_EVERY_S)

    def _do(self, task: Task) -> None:
        """Do a task but for what can be done beside the next, and that of the one before to its end."""
        with self._told(task):
            done = self._work.handlers[task.kind](task, partial(self._tasks.report, task))
            self._await_finished()
            if isinstance(done, Done):
                self._finish(task, done)
            else:
                self._finishing = self._finisher.submit(self._finish_later, task, done)

    def _finish_later(self, task: Task, finish: Finish) -> None:
        with self._told(task):
            self._finish(task, finish())

    def _finish(self, task: Task, done: Done) -> None:
        self._tasks.finish(task, done.result, picture=done.picture, told=done.told, is_as_asked=done.is_as_asked)

    def _await_finished(self) -> None:
        """What the thread could not tell is raised here."""
        if self._finishing is not None:
            finishing, self._finishing = self._finishing, None
            finishing.result()

    @contextmanager
    def _told(self, task: Task) -> Iterator[None]:
        """A task that fails says so. Where that cannot be told the worker ends, and the task is taken over."""
        try:
            try:
                yield
            except (TaskCanceled, WorkerLost, DBAPIError):
                raise
            except Exception as error:  # whatever a task does, its job says so
                told = fault_of(error)
                if told["type"] == _UNEXPECTED:
                    logger.error("a task failed unexpectedly; the worker ends", exc_info=error)
                    self._stop.set()  # what it works with, such as a CUDA context, may be broken for all that follow
                self._tasks.fail(task, told)
        except TaskCanceled:
            self._tasks.let_go(task)


def keep_beating(
    worker_id: str, tasks: TaskQueue, *, given_up: threading.Event, is_loading: Callable[[], bool] = lambda: False
) -> None:
    """Say in a thread of its own that a worker lives, until it has been given up, which sets the event.

    Args:
        worker_id: Who lives.
        tasks: Where it is said.
        given_up: Set once the worker has been given up.
        is_loading: Whether the worker loads what it works with: until it has, it is not ready.
    """

    def beat() -> None:
        was_loading = False
        while not given_up.wait(BEAT_EVERY_S):
            try:
                if not tasks.beat(worker_id):
                    given_up.set()
                if (loads := is_loading()) != was_loading:
                    tasks.set_ready(worker_id, is_ready=not loads)
                    was_loading = loads
            except DBAPIError:
                logger.warning("a beat was missed: the database does not answer")

    threading.Thread(target=beat, name="beat", daemon=True).start()


def fault_of(error: Exception) -> dict[str, str]:
    """Type and message of an error as people are shown it; one that nobody foresaw only by its name."""
    known = as_output_error(error) or as_memory_error(error) or error
    if isinstance(known, FableverseError):
        return {"type": type(known).__name__, "message": str(known)}
    message = f"Something went wrong ({type(error).__name__}). The service's log has it."
    return {"type": _UNEXPECTED, "message": message}


def _end_with_parent() -> None:
    # Python cannot end while a thread waits inside of sys.stdin, whose lock it wants then.
    while os.read(sys.stdin.fileno(), _CHUNK):
        pass
    os._exit(0)


@dataclass(frozen=True, kw_only=True)
class WorkerStart:
    """What a process is told by the service that starts it as a worker."""

    role: Role
    worker_id: str
    settings: ServiceSettings

    @classmethod
    def read(cls) -> Self:
        """What this process was told; from now on it ends with the service."""
        role, worker_id = cast(Role, sys.argv[1]), sys.argv[2]
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends its workers itself
        configure_logs(of_all={"role": role, "worker": worker_id})
        sys.excepthook = log_uncaught
        quiet_libraries()
        settings = ServiceSettings.from_json(
            sys.stdin.buffer.readline().decode(), openai_api_key=os.environ.get("OPENAI_API_KEY") or None
        )
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
        return cls(role=role, worker_id=worker_id, settings=settings)


def run(works: Works) -> None:
    """Works until standard input closes."""
    start = WorkerStart.read()
    database = Database.open(start.settings.database)
    work = works[start.role](start.settings, database, ContentStore.open(start.settings.store))
    idle_unload_s = start.settings.idle_unload_s
    Worker(start.worker_id, start.role, work, TaskQueue(database), idle_unload_s=idle_unload_s).run()


if __name__ == "__main__":
    run({"text": TextWork, "draw": PictureWork})
