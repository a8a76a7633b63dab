"""Jobs under anything that clients, workers and deaths do in any order: what a model says of them is what is there."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete

from api.service.database import Database
from api.service.errors import TaskCanceled, WrongState
from api.service.ids import new_id
from api.service.jobs import ENDED, Jobs
from api.service.tables import events, jobs, tasks, workers
from api.service.tasks import MAX_STARTS, NewTask, Task, TaskQueue, task_id


@dataclass
class ModelTask:
    """What is known of a task."""

    state: str = "queued"
    starts: int = 0


@dataclass
class ModelJob:
    """What is known of a job."""

    owner: str
    pictures: int
    state: str = "queued"
    attempt: int = 1
    events: list[str] = field(default_factory=lambda: ["queued"])
    tasks: dict[str, ModelTask] = field(default_factory=dict)


class JobMachine(RuleBasedStateMachine):
    """Does what clients, workers, the supervisor and workflows do, and keeps a model of it."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database, self.real, self.queue = database, Jobs(database), TaskQueue(database)
        self.jobs: dict[str, ModelJob] = {}
        self.held: dict[str, Task | None] = {}
        self.lost: list[Task] = []
        self.dead: list[Task] = []

    def teardown(self) -> None:
        with self.database.write() as connection:
            for table in (events, tasks, workers, jobs):
                connection.execute(delete(table))

    def model_of(self, task: Task) -> tuple[ModelJob, ModelTask]:
        job = self.jobs[task.job_id]
        return job, job.tasks[task.id]

    def is_held(self, task: Task) -> bool:
        """Whether nobody has taken the task away since it was claimed."""
        return any(held is task for held in self.held.values()) and task not in self.lost

    def lose(self, task_ids: set[str]) -> None:
        """Whoever holds one of the tasks holds it no more, and does not know."""
        self.lost += [task for task in self.held.values() if task is not None and task.id in task_ids]

    def draw(self, job_id: str) -> None:
        """What a workflow does: see to it that each picture has a task."""
        job = self.jobs[job_id]
        wanted = [NewTask(key=str(n), kind="draw", payload={"n": n}, position=n) for n in range(1, job.pictures + 1)]
        self.queue.add(job_id, job.owner, wanted)
        for n in range(1, job.pictures + 1):
            job.tasks.setdefault(task_id(job_id, str(n)), ModelTask())

    @initialize()
    def there_is_something_to_do(self) -> None:
        self.ask("ann", 2)
        self.a_worker_comes()

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(owner=st.sampled_from(["ann", "bob"]), pictures=st.integers(1, 2))
    def ask(self, owner: str, pictures: int) -> None:
        with self.database.write() as connection:
            job_id = self.real.add(connection, owner=owner, kind="book", subject=new_id("book"), request={})
        self.jobs[job_id] = ModelJob(owner, pictures)
        self.draw(job_id)

    @precondition(lambda self: len(self.held) < 3)
    @rule()
    def a_worker_comes(self) -> None:
        worker = new_id("worker")
        self.queue.enlist(worker, "draw", host="here", pid=1)
        self.held[worker] = None

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def a_worker_works(self, data: st.DataObject) -> None:
        """Claims where it has nothing in hand, else tells how it goes; a few times."""
        worker = data.draw(st.sampled_from(sorted(self.held)))
        for what in data.draw(st.lists(st.sampled_from(["report", "finish", "finish", "fail"]), max_size=3)):
            task = self.held[worker]
            if task is not None:
                self.work(worker, task, what)
            self.claim(worker)

    def claim(self, worker: str) -> None:
        if self.held[worker] is not None:
            return
        waiting = {id_: task for job in self.jobs.values() for id_, task in job.tasks.items() if task.state == "queued"}
        task = self.queue.claim(worker, "draw")
        if task is None:
            deadly = [each for each in waiting.values() if each.starts == MAX_STARTS]
            assert deadly or not waiting, "a task that waits is given to who asks"
            for id_, each in waiting.items():
                if self.queue.ends([id_]):
                    each.state = "failed"
            return
        assert task.id in waiting, "only a task that waits is given out"
        model = waiting[task.id]
        model.state, model.starts = "running", model.starts + 1
        self.jobs[task.job_id].state = "running"
        assert task.starts == model.starts
        self.held[worker] = task
        for dead in self.dead:
            if dead.id == task.id:
                self.refuse(dead, "finish")

    def work(self, worker: str, task: Task, what: str) -> None:
        if not self.is_held(task):
            self.refuse(task, what)
            self.lost.remove(task)
            self.queue.let_go(task)
            self.held[worker] = None
            return
        self.tell(task, what)
        job, model = self.model_of(task)
        if what == "report":
            job.events.append("step")
            return
        model.state = "done" if what == "finish" else "failed"
        job.events += ["picture"] if what == "finish" else []
        self.held[worker] = None
        self.settle(task.job_id, job)

    def settle(self, job_id: str, job: ModelJob) -> None:
        """What a workflow does once tasks have ended; another one, that of an attempt before, does it too."""
        states = {task.state for task in job.tasks.values()}
        for _ in range(2):
            if "failed" in states:
                self.real.fail(job_id, {"message": "no"})
            elif states == {"done"}:
                self.real.succeed(job_id, {}, also=lambda _: None)
        if "failed" in states or states == {"done"}:
            self.end(job, "failed" if "failed" in states else "succeeded")

    def refuse(self, task: Task, what: str) -> None:
        with pytest.raises(TaskCanceled):
            self.tell(task, what)

    def tell(self, task: Task, what: str) -> None:
        if what == "report":
            self.queue.report(task, "step", {"step": 1})
        elif what == "finish":
            self.queue.finish(task, {}, told={"picture": task.payload["n"]})
        else:
            self.queue.fail(task, {"message": "no"})

    @precondition(lambda self: self.held)
    @rule(data=st.data(), died=st.booleans())
    def a_worker_is_given_up(self, data: st.DataObject, died: bool) -> None:
        worker = data.draw(st.sampled_from(sorted(self.held)))
        task = self.held.pop(worker)
        taken = self.queue.give_up(worker, died=died)
        assert not self.queue.beat(worker), "who was given up is told so"
        if task is None or task in self.lost:
            assert not taken
            self.lost = [each for each in self.lost if each is not task]
            return
        job, model = self.model_of(task)
        assert list(taken) == [task.id]
        model.state, model.starts = "queued", model.starts - (not died)
        job.events.append("taken_over")
        self.dead.append(task)

    @precondition(lambda self: self.dead)
    @rule(data=st.data(), what=st.sampled_from(["report", "finish", "fail"]))
    def somebody_taken_for_dead_speaks(self, data: st.DataObject, what: str) -> None:
        self.refuse(data.draw(st.sampled_from(self.dead)), what)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def a_client_cancels_or_retries(self, data: st.DataObject) -> None:
        job_id, job = self.a_job(data)
        what = data.draw(st.sampled_from(["look", "look", "cancel", "retry"]))
        if what == "cancel":
            answer = self.real.cancel(job.owner, job_id)
            if job.state not in ENDED:
                self.end(job, "canceled")
            assert answer.state == job.state
        elif what == "retry":
            self.retry(job_id, job)

    def retry(self, job_id: str, job: ModelJob) -> None:
        if job.state not in ("failed", "canceled"):
            with pytest.raises(WrongState):
                self.real.retry(job.owner, job_id)
            return
        again = self.real.retry(job.owner, job_id)
        job.state, job.attempt = "queued", job.attempt + 1
        job.events.append("retried")
        assert again.attempt == job.attempt
        job.tasks = {id_: task for id_, task in job.tasks.items() if task.state == "done"}
        self.draw(job_id)

    def a_job(self, data: st.DataObject) -> tuple[str, ModelJob]:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        return job_id, self.jobs[job_id]

    def end(self, job: ModelJob, state: str) -> None:
        job.state = state
        job.events.append(state)
        open_ = {id_ for id_, task in job.tasks.items() if task.state in ("queued", "running")}
        self.lose(open_)
        for id_ in open_:
            job.tasks[id_].state = "canceled"

    @invariant()
    def what_is_there_is_what_the_model_says(self) -> None:
        for job_id, job in self.jobs.items():
            found = self.real.get(job.owner, job_id)
            assert (found.state, found.attempt, found.last_event) == (job.state, job.attempt, len(job.events))
            told = self.real.events(job.owner, job_id, after=0)
            assert [event.number for event in told] == list(range(1, len(told) + 1))
            assert [event.type for event in told] == job.events
            ended: dict[str, Any] = {id_: end.state for id_, end in self.queue.ends(list(job.tasks)).items()}
            assert ended == {
                id_: task.state for id_, task in job.tasks.items() if task.state not in ("queued", "running")
            }
            drawn = [event.data["picture"] for event in told if event.type == "picture"]
            assert len(drawn) == len(set(drawn)), "no picture is drawn twice"


def test_jobs_are_what_the_model_says(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'machine.sqlite'}")
    run_state_machine_as_test(
        lambda: JobMachine(database),
        settings=settings(
            max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    database.close()
