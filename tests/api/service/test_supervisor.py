"""How long workers may be silent, on a clock that the test puts forward: real processes that say nothing themselves."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from api.service.database import Database
from api.service.ids import new_id
from api.service.jobs import Jobs
from api.service.roster import WorkerRow
from api.service.settings import ServiceSettings
from api.service.supervisor import ENLISTING_S, LOADING_S, SILENCE_S, Supervisor
from api.service.tasks import NewTask, Task, TaskQueue
from tests.api.service.test_processes import wait_until

STALL_S = 120.0
MARGIN_S = 15.0
"""More than the test itself takes between two looks."""


class WatchedQueue(TaskQueue):
    """Counts the supervisor's looks, before each of which those who are said to live have said so once more."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.num_looks = 0
        self.living: set[str] = set()

    def workers(self) -> Sequence[WorkerRow]:
        for worker in tuple(self.living):
            self.beat(worker)
        self.num_looks += 1
        return super().workers()


class Scene:
    """A supervisor with one drawing worker, which holds a task, and a clock."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.ahead_s = 0.0
        self.database, self.queue = database, WatchedQueue(database)
        settings = ServiceSettings(
            data_dir=folder, worker_module="tests.api.service.sleeper", text_workers=0, stall_s=STALL_S
        )
        self.supervisor = Supervisor(settings, self.queue, clock=lambda: time.monotonic() + self.ahead_s)

    def worker(self, *, but: str = "") -> str:
        """The id that the process was started with which is there, once it is another one than `but`."""
        found: list[str] = []

        def is_there() -> bool:
            for pid in self.supervisor.pids("draw"):
                with suppress(psutil.Error):  # it may be gone by now
                    found.extend(psutil.Process(pid).cmdline()[-1:])
            return found[-1:] not in ([], [but])

        wait_until(is_there)
        return found[-1]

    def enlist(self, *, but: str = "") -> str:
        """The worker, which has begun to load its model."""
        worker = self.worker(but=but)
        self.queue.enlist(worker, "draw", host="here", pid=1)
        self.queue.living.add(worker)
        return worker

    def begin_task(self) -> Task:
        """A task in the hands of the worker, which is ready."""
        worker = self.enlist()
        self.queue.set_ready(worker)
        with self.database.write() as connection:
            job = Jobs(self.database).add(
                connection, owner="ann", kind="scene", subject=new_id("scene"), request={"draw": {}}
            )
        self.queue.add(job, "ann", [NewTask(key="draw", kind="draw", payload={})])
        task = self.queue.claim(worker, "draw")
        assert task is not None
        return task

    def look(self) -> None:
        """Let the supervisor look at everything twice."""
        before = self.queue.num_looks
        wait_until(lambda: self.queue.num_looks >= before + 3)

    def pass_time(self, seconds: float) -> None:
        """Let time pass between two looks."""
        self.look()
        self.ahead_s += seconds
        self.look()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with closing(Database.open(f"sqlite:///{tmp_path / 'test.sqlite'}")) as database:
        scene = Scene(database, tmp_path)
        scene.supervisor.start()
        yield scene
        scene.supervisor.close()


def test_a_worker_that_falls_silent_is_replaced_and_its_task_goes_back(scene: Scene) -> None:
    task = scene.begin_task()
    scene.pass_time(SILENCE_S - MARGIN_S)
    assert scene.worker() == task.worker
    scene.queue.living.clear()
    scene.pass_time(SILENCE_S + MARGIN_S)
    other = scene.enlist(but=task.worker)
    scene.queue.set_ready(other)
    again = scene.queue.claim(other, "draw")
    assert again is not None and (again.id, again.starts) == (task.id, 2)


def test_a_worker_that_lives_and_makes_no_progress_on_its_task_is_replaced(scene: Scene) -> None:
    task = scene.begin_task()
    for step in range(3):
        scene.pass_time(STALL_S - MARGIN_S)
        assert scene.worker() == task.worker
        scene.queue.report(task, "step", {"step": step})
    scene.pass_time(STALL_S + MARGIN_S)
    assert scene.worker(but=task.worker)


def test_a_worker_without_a_task_may_be_idle_for_ever(scene: Scene) -> None:
    worker = scene.enlist()
    scene.queue.set_ready(worker)
    scene.pass_time(10 * LOADING_S)
    assert scene.worker() == worker


def test_a_model_that_is_loaded_in_the_middle_of_a_task_has_the_time_that_loading_has(scene: Scene) -> None:
    task = scene.begin_task()
    scene.queue.set_ready(task.worker, is_ready=False)
    scene.pass_time(LOADING_S - MARGIN_S)
    assert scene.worker() == task.worker
    scene.queue.set_ready(task.worker)
    scene.pass_time(STALL_S - MARGIN_S)
    assert scene.worker() == task.worker, "what was waited for before is forgotten"
    scene.queue.set_ready(task.worker, is_ready=False)
    scene.pass_time(LOADING_S + MARGIN_S)
    assert scene.worker(but=task.worker)


def test_a_worker_that_never_gets_ready_or_never_reports_is_replaced(scene: Scene) -> None:
    worker = scene.enlist()
    scene.pass_time(LOADING_S - MARGIN_S)
    assert scene.worker() == worker
    scene.pass_time(2 * MARGIN_S)
    unheard = scene.worker(but=worker)
    scene.pass_time(ENLISTING_S - MARGIN_S)
    assert scene.worker() == unheard
    scene.pass_time(2 * MARGIN_S)
    assert scene.worker(but=unheard)


def test_a_worker_of_another_machine_that_falls_silent_is_given_up(scene: Scene) -> None:
    scene.queue.enlist("elsewhere", "draw", host="another machine", pid=1)
    scene.queue.living.add("elsewhere")
    scene.pass_time(SILENCE_S + MARGIN_S)
    assert "elsewhere" in {row.id for row in scene.queue.workers()}
    scene.queue.living.clear()
    scene.pass_time(SILENCE_S + MARGIN_S)
    assert "elsewhere" not in {row.id for row in scene.queue.workers()}
