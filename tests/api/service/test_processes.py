"""What goes on beside HTTP, in one process and without a model: workers, the dispatcher, those who follow events."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from api.service.database import Database
from api.service.dispatch import Dispatcher
from api.service.engine import Attempt, AttemptState, Step
from api.service.errors import InvalidInput
from api.service.ids import new_id
from api.service.jobs import Event, Jobs
from api.service.settings import ServiceSettings
from api.service.tasks import NewTask, Task, TaskEnd, TaskKind, TaskQueue, task_id
from api.service.watch import EventHub, TaskWatch
from api.service.work import Done, Finish, Handler, Report
from api.service.worker import Worker
from api.service.workflows import JobWorkflows
from api.settings import Settings


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'test.sqlite'}")
    yield database
    database.close()


def add_job(database: Database, *payloads: Mapping[str, str]) -> str:
    with database.write() as connection:
        job_id = Jobs(database).add(connection, owner="ann", kind="book", subject=new_id("book"), request={})
    tasks = [NewTask(key=str(n), kind="draw", payload=dict(payload)) for n, payload in enumerate(payloads)]
    TaskQueue(database).add(job_id, "ann", tasks)
    return job_id


def wait_until(is_so: Callable[[], bool], *, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class PlainWork:
    """Does a task as its payload says."""

    is_loading = False

    def __init__(self) -> None:
        self.rests = 0
        self.begun = 0
        self.may_finish = threading.Event()
        """What is left of a task waits for it: set as soon as another is worked on."""

    @property
    def handlers(self) -> Mapping[TaskKind, Handler]:
        return {"draw": self._draw}

    def prepare(self) -> bool:
        return True

    def rest(self) -> None:
        self.rests += 1

    def _draw(self, task: Task, report: Report) -> Done | Finish:
        self.begun += 1
        if self.begun > 1:
            self.may_finish.set()
        how = task.payload["how"]
        if how.startswith("later, "):
            return partial(self._finish, how.removeprefix("later, "))
        return self._do(how, report)

    def _finish(self, how: str) -> Done:
        assert self.may_finish.wait(30)
        return self._do(how, lambda *_, **__: None)

    def _do(self, how: str, report: Report) -> Done:
        if how == "refuse":
            raise InvalidInput("that cannot be drawn")
        if how == "break":
            raise ZeroDivisionError
        if how == "load":
            self.is_loading = True
            assert self.may_finish.wait(30)
            self.is_loading = False
        if how == "full disk":
            raise OSError(28, "No space left on device", "/store/x")
        while how == "for ever":
            report("step", {"step": 1})
            time.sleep(0.01)
        return Done(result={"drawn": how})


@pytest.fixture
def work(database: Database) -> Iterator[PlainWork]:
    """A worker's work, while the worker runs."""
    work, queue, worker_id = PlainWork(), TaskQueue(database), new_id("worker")
    worker = Worker(worker_id, "draw", work, queue, idle_unload_s=0.3)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    yield work
    queue.give_up(worker_id, died=False)
    thread.join(timeout=30)
    assert not thread.is_alive(), "a worker that has been given up ends"


def test_a_worker_does_one_task_after_another_whatever_became_of_the_last(database: Database, work: PlainWork) -> None:
    hows = ("refuse", "full disk", "well")
    job_id = add_job(database, *({"how": how} for how in hows))
    ids = [task_id(job_id, str(number)) for number in range(len(hows))]
    queue = TaskQueue(database)
    wait_until(lambda: len(queue.ends(ids)) == len(ids))
    ends = [queue.ends(ids)[id_] for id_ in ids]
    assert [end.state for end in ends] == ["failed", "failed", "done"]
    errors = [end.error for end in ends[:2] if end.error]
    assert [error["type"] for error in errors] == ["InvalidInput", "OutputError"]
    assert "disk is full" in errors[1]["message"]
    wait_until(lambda: work.rests == 1)
    time.sleep(0.5)
    assert work.rests == 1, "it rests once until there is work again"


@pytest.mark.parametrize(
    ("hows", "states"),
    [
        (("later, well", "refuse"), ["done", "failed"]),
        (("later, full disk", "well"), ["failed", "done"]),
        (("later, well", "later, refuse", "well"), ["done", "failed", "done"]),
    ],
    ids=["the-next-fails", "what-is-left-fails", "one-behind-the-other"],
)
def test_what_is_left_of_a_task_is_done_while_the_next_is_worked_on(
    database: Database, work: PlainWork, hows: Sequence[str], states: Sequence[str]
) -> None:
    job_id, queue = add_job(database, *({"how": how} for how in hows)), TaskQueue(database)
    ids = [task_id(job_id, str(number)) for number in range(len(hows))]
    wait_until(lambda: len(queue.ends(ids)) == len(ids), within_s=60)
    ends = queue.ends(ids)
    assert [ends[id_].state for id_ in ids] == states
    assert [row.task_id for row in queue.workers()] == [None]
    assert work.begun == len(hows)


def test_a_worker_ends_after_an_error_that_nobody_foresaw_in_what_was_left_of_a_task(database: Database) -> None:
    queue, worker_id, work = TaskQueue(database), new_id("worker"), PlainWork()
    work.may_finish.set()
    job_id = add_job(database, {"how": "later, break"})
    Worker(worker_id, "draw", work, queue, idle_unload_s=None).run()
    (end,) = queue.ends([task_id(job_id, "0")]).values()
    assert end.state == "failed" and end.error is not None and end.error["type"] == "Unexpected"


def test_a_worker_ends_after_an_error_that_nobody_foresaw(database: Database) -> None:
    queue, worker_id = TaskQueue(database), new_id("worker")
    job_id = add_job(database, {"how": "break"}, {"how": "well"})
    Worker(worker_id, "draw", PlainWork(), queue, idle_unload_s=None).run()
    (end,) = queue.ends([task_id(job_id, "0"), task_id(job_id, "1")]).values()
    assert end.state == "failed" and end.error is not None and end.error["type"] == "Unexpected"
    assert [row.task_id for row in queue.workers()] == [None], "it died of no task"
    claimed = queue.claim("another", "draw")
    assert claimed is not None and (claimed.id, claimed.starts) == (task_id(job_id, "1"), 1)


def test_a_worker_that_loads_its_model_anew_counts_as_loading_until_it_has(database: Database, work: PlainWork) -> None:
    job_id, queue = add_job(database, {"how": "load"}), TaskQueue(database)
    held = task_id(job_id, "0")
    wait_until(lambda: [(row.task_id, row.is_ready) for row in queue.workers()] == [(held, False)])
    (row,) = queue.workers()
    assert row.is_at_work
    work.may_finish.set()
    wait_until(lambda: queue.workers()[0].is_ready)
    assert queue.workers()[0].progress > row.progress, "what was waited for before is forgotten"
    wait_until(lambda: bool(queue.ends([held])))


def test_a_worker_stops_at_the_next_step_of_a_canceled_job(database: Database, work: PlainWork) -> None:
    del work
    job_id, queue, jobs = add_job(database, {"how": "for ever"}), TaskQueue(database), Jobs(database)
    wait_until(lambda: jobs.get("ann", job_id).last_event > 2)
    assert jobs.cancel("ann", job_id).state == "canceled"
    wait_until(lambda: queue.workers()[0].task_id is None)
    other = add_job(database, {"how": "well"})
    wait_until(lambda: bool(queue.ends([task_id(other, "0")])))


def test_settings_reach_another_process_whole_but_for_the_key() -> None:
    base = Settings(model="m", bank_dir=Path("b"), openai_api_key="secret", budget_usd=0.5)
    settings = ServiceSettings(data_dir=Path("d"), port=1, idle_unload_s=2.5, base=base)
    text = settings.to_json()
    assert "secret" not in text
    assert ServiceSettings.from_json(text, openai_api_key="secret") == settings


class PlainEngine:
    """Remembers what it was told to start, and says of each attempt what the test wants it to."""

    def __init__(self, states: Mapping[Attempt, Literal["going", "over", "astray"]]) -> None:
        self.known = dict(states)
        self.started: list[Attempt] = []

    def launch(self) -> None: ...

    def start(self, attempt: Attempt) -> None:
        self.started.append(attempt)
        self.known[attempt] = "going"

    def states(self, attempts: Sequence[Attempt]) -> Sequence[AttemptState]:
        return [self.known.get(attempt, "unknown") for attempt in attempts]

    def close(self) -> None: ...


def test_jobs_that_nobody_does_are_begun_and_those_that_went_astray_are_begun_anew(database: Database) -> None:
    jobs = Jobs(database)
    lost, going, astray, over, ended = (add_job(database) for _ in range(5))
    jobs.fail(ended, {"message": "no"})
    engine = PlainEngine({Attempt(going, 1): "going", Attempt(astray, 1): "astray", Attempt(over, 1): "over"})
    dispatcher = Dispatcher(jobs, engine)
    dispatcher.start()
    try:
        wait_until(lambda: len(engine.started) == 3)
        dispatcher.begin(going, 1)
        wait_until(lambda: len(engine.started) == 4)
    finally:
        dispatcher.close()
    assert engine.started == [Attempt(lost, 1), Attempt(astray, 2), Attempt(over, 2), Attempt(going, 1)]
    assert jobs.get("ann", astray).attempt == 2


class PlainSteps:
    """Runs each step."""

    async def run(self, name: str, step: Step) -> str:
        del name
        return await step()


class LateWatch:
    """Tells of a canceled task once the job was tried again and the next attempt has begun that task anew."""

    def __init__(self, jobs: Jobs, queue: TaskQueue) -> None:
        self._jobs = jobs
        self._queue = queue

    async def wait(self, id_: str) -> TaskEnd:
        job_id, _, key = id_.partition(".")
        self._jobs.cancel("ann", job_id)
        self._jobs.retry("ann", job_id)
        self._queue.add(job_id, "ann", [NewTask(key=key, kind="draw", payload={})])
        return TaskEnd(state="canceled", result=None, error=None)


def test_an_attempt_that_was_canceled_does_not_fail_the_next_one(database: Database) -> None:
    jobs, queue = Jobs(database), TaskQueue(database)
    with database.write() as connection:
        request = {"draw": {}}
        job_id = jobs.add(connection, owner="ann", kind="scene", subject=new_id("scene"), request=request)
    workflows = JobWorkflows(jobs, queue, LateWatch(jobs, queue), interruptions=())
    asyncio.run(workflows(job_id, PlainSteps()))
    job = jobs.get("ann", job_id)
    assert (job.state, job.attempt, job.error) == ("queued", 2, None)
    jobs.fail(job_id, {"message": "late"}, attempt=1)
    assert jobs.get("ann", job_id).state == "queued"


def test_everybody_who_follows_a_job_sees_every_event_in_order(database: Database) -> None:
    jobs, queue = Jobs(database), TaskQueue(database)
    job_id = add_job(database, {})
    worker = new_id("worker")
    queue.enlist(worker, "draw", host="here", pid=1)
    task = queue.claim(worker, "draw")
    assert task is not None
    steps = 60

    def write() -> None:
        for step in range(steps):
            queue.report(task, "step", {"step": step})
        jobs.succeed(job_id, {}, also=lambda _: None)

    async def follow(hub: EventHub, after: int) -> list[Event]:
        return [event async for event in hub.follow("ann", job_id, after=after)]

    async def all_of_them() -> list[list[Event]]:
        hub = EventHub(jobs)
        followers = [asyncio.create_task(follow(hub, after=number % 3)) for number in range(50)]
        await asyncio.gather(asyncio.to_thread(write), *followers)
        late = await follow(hub, after=10)
        await hub.close()
        return [*(task.result() for task in followers), late]

    *found, late = asyncio.run(all_of_them())
    last = steps + 2
    for number, events in enumerate(found):
        assert [event.number for event in events] == list(range(number % 3 + 1, last + 1))
        assert events[-1].type == "succeeded"
    assert [event.number for event in late] == list(range(11, last + 1))


def test_a_task_that_is_gone_wakes_whoever_waits_for_it(database: Database) -> None:
    jobs, watch = Jobs(database), TaskWatch(TaskQueue(database))
    job_id = add_job(database, {})
    watch.start()

    async def wait() -> str:
        waiting = asyncio.create_task(watch.wait(task_id(job_id, "0")))
        await asyncio.to_thread(jobs.cancel, "ann", job_id)
        return (await waiting).state

    try:
        assert asyncio.run(wait()) == "canceled"
    finally:
        watch.close()
