"""The queue of tasks that workers take from: who gets which next, and who may still say how it went.

A worker holds a task by a lease. Whoever has lost it, by a cancellation or because somebody took the worker for dead,
is refused when reporting, so every task has one result. Knows not what tasks do.
"""

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import JsonValue
from sqlalchemy import Connection, Select, case, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from api.service.errors import TaskCanceled
from api.service.jobs import ENDED, OPEN, Json, add_event
from api.service.ledger import end_tasks
from api.service.roster import Role, Roster
from api.service.tables import jobs, previews, tasks, turns, workers

TaskKind = Literal["write", "draw", "learn", "bind", "describe", "reword"]
ROLE_OF: Final[Mapping[TaskKind, Role]] = {
    "write": "text",
    "bind": "text",
    "reword": "text",
    "draw": "draw",
    "learn": "draw",
    "describe": "draw",
}
MAX_STARTS: Final = 10
"""A task that so many workers died of is given up: something in it kills them."""


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task that a job needs."""

    key: str
    """Unique within its job."""
    kind: TaskKind
    payload: Json
    inputs: str | None = None
    """A hash of all that decides the result; where the owner has had the same done, that result is taken."""
    position: int = 0
    """Order within its job; 0 goes before the tasks of books, which begin at 1."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task in a worker's hands."""

    id: str
    job_id: str
    owner: str
    kind: TaskKind
    payload: dict[str, Any]
    starts: int
    """How often somebody began it, this time included."""
    worker: str
    lease: str


@dataclass(frozen=True, kw_only=True)
class TaskEnd:
    """How a task ended."""

    state: Literal["done", "failed", "canceled"]
    result: dict[str, Any] | None
    error: dict[str, Any] | None


def task_id(job_id: str, key: str) -> str:
    """The id of a job's task; it follows from the two, so that a step that is run twice finds the task it made."""
    return f"{job_id}.{key}"


class TaskQueue(Roster):
    """Tasks and the workers that hold them."""

    def add(self, job_id: str, owner: str, wanted: Sequence[NewTask]) -> None:
        """Add those tasks that the job does not have yet; a job that has ended gets none."""
        with self._database.write() as connection:
            state = connection.execute(select(jobs.c.state).where(jobs.c.id == job_id).with_for_update()).scalar_one()
            if state in ENDED:
                return
            there = set(connection.execute(select(tasks.c.id).where(tasks.c.job_id == job_id)).scalars())
            for task in wanted:
                if (new := task_id(job_id, task.key)) not in there:
                    done = _done_before(connection, owner, task.inputs)
                    values = {
                        "id": new,
                        "job_id": job_id,
                        "owner": owner,
                        "kind": task.kind,
                        "role": ROLE_OF[task.kind],
                        "payload": dict(task.payload),
                        "inputs": task.inputs,
                        "state": "queued",
                        "position": task.position,
                        "starts": 0,
                        "created_at": time.time(),
                    }
                    connection.execute(insert(tasks).values(values | done))

    def pictures_of(self, owner: str, job_id: str) -> Sequence[str]:
        """Hashes of the pictures that were drawn for an owner's job."""
        query = select(tasks.c.picture).where(
            tasks.c.job_id == job_id, tasks.c.owner == owner, tasks.c.picture.is_not(None)
        )
        with self._database.read() as connection:
            return [digest for digest in connection.execute(query).scalars() if digest is not None]

    def ends(self, task_ids: Sequence[str]) -> Mapping[str, TaskEnd]:
        """How those of the tasks ended that have, or whose job has ended without them."""
        query = (
            select(tasks.c.id, tasks.c.state, tasks.c.result, tasks.c.error)
            .where(tasks.c.id.in_(task_ids), tasks.c.state.not_in(OPEN))
        )  # fmt: skip
        with self._database.read() as connection:
            found = {
                row.id: TaskEnd(state=row.state, result=row.result, error=row.error)
                for row in connection.execute(query)
            }
            missing = [each for each in task_ids if each not in found]
            there = set(connection.execute(select(tasks.c.id).where(tasks.c.id.in_(missing))).scalars())
        gone = TaskEnd(state="canceled", result=None, error=None)
        return found | {each: gone for each in missing if each not in there}

    def claim(self, worker_id: str, role: Role, *, without: Collection[TaskKind] = ()) -> Task | None:
        """The task that is next, now in the worker's hands; None when there is none.

        Owners take turns: next is the one whose last task began longest ago. Of theirs single pictures go before
        concepts to learn and those before books, then what was asked for first.

        Args:
            worker_id: Who takes it.
            role: What the worker can do.
            without: Kinds that it may not take now.
        """
        waiting = _queued(select(tasks.c.id), role, without).limit(1)
        with self._database.read() as connection:  # an idle worker must not take turns at writing
            if connection.execute(waiting).first() is None:
                return None
        with self._database.write() as connection:
            row = connection.execute(_next_of(role, without)).mappings().first()
            if row is None:
                return None
            lease, starts = secrets.token_hex(16), row["starts"] + 1
            if starts > MAX_STARTS:
                end_tasks(connection, tasks.c.id == row["id"], "failed", error=_given_up(starts - 1))
                return None
            connection.execute(
                update(tasks)
                .where(tasks.c.id == row["id"])
                .values(state="running", worker=worker_id, lease=lease, starts=starts, started_at=time.time())
            )
            _begin_job(connection, row["job_id"])
            _moved(connection, worker_id, task_id=row["id"])
            _end_turn(connection, role, row["owner"])
            return Task(
                id=row["id"],
                job_id=row["job_id"],
                owner=row["owner"],
                kind=row["kind"],
                payload=row["payload"],
                starts=starts,
                worker=worker_id,
                lease=lease,
            )

    def report(self, task: Task, type_: str, progress: Mapping[str, Any], *, preview: bytes | None = None) -> None:
        """Tell how far a task is; it is the job's progress and an event.

        `preview` is a JPEG of how the picture stands that the progress is about, in place of the one before.

        Raises:
            TaskCanceled: The task is no longer the worker's.
        """
        with self._database.write() as connection:
            self._check_held(connection, task)
            add_event(connection, task.job_id, type_, progress, progress=dict(progress))
            if preview is not None:
                _show(connection, task, progress.get("picture", 0), preview)
            _moved(connection, task.worker, task_id=task.id)

    def finish(
        self,
        task: Task,
        result: Json,
        *,
        picture: str | None = None,
        told: Mapping[str, Any] | None = None,
        is_as_asked: bool = True,
    ) -> None:
        """End a task well, once and with one event if any.

        Args:
            task: In the worker's hands.
            result: What came of it.
            picture: Hash of one that was drawn.
            told: The event that says so, which is the job's progress too.
            is_as_asked: Whether tasks of the same inputs may take the result over.

        Raises:
            TaskCanceled: The task is no longer the worker's; its result is dropped.
        """
        with self._database.write() as connection:
            self._check_held(connection, task)
            end_tasks(connection, tasks.c.id == task.id, "done", result=dict(result), picture=picture)
            if not is_as_asked:
                connection.execute(update(tasks).where(tasks.c.id == task.id).values(inputs=None))
            if told is not None:
                add_event(connection, task.job_id, "picture", told, progress=dict(told))
            _let_go(connection, task)

    def fail(self, task: Task, error: Json) -> None:
        """End a task badly.

        Raises:
            TaskCanceled: The task is no longer the worker's.
        """
        with self._database.write() as connection:
            self._check_held(connection, task)
            end_tasks(connection, tasks.c.id == task.id, "failed", error=dict(error))
            _let_go(connection, task)

    def let_go(self, task: Task) -> None:
        """Say that a living worker does not do a task any more."""
        with self._database.write() as connection:
            _let_go(connection, task)

    def set_idle(self, worker_id: str) -> None:
        """Say that a living worker has no task in its hands."""
        with self._database.write() as connection:
            _moved(connection, worker_id, task_id=None)

    def give_up(self, worker_id: str, *, died: bool) -> Sequence[str]:
        """Strike out a worker and put its tasks back into the queue; returns these.

        Args:
            died: Whether it may have died of the task that it took last, so that the start counts; of another one,
                whose result it only had to put away, it does not.
        """
        with self._database.write() as connection:
            held = (tasks.c.worker == worker_id) & (tasks.c.state == "running")
            _lock_jobs(connection, connection.execute(select(tasks.c.job_id).where(held)).scalars().all())
            rows = connection.execute(select(tasks.c.id, tasks.c.job_id).where(held).with_for_update()).all()
            last = select(workers.c.task_id).where(workers.c.id == worker_id).scalar_subquery()
            starts = (
                case((tasks.c.id == last, tasks.c.starts), else_=tasks.c.starts - 1) if died else tasks.c.starts - 1
            )
            connection.execute(update(tasks).where(held).values(state="queued", worker=None, lease=None, starts=starts))
            for row in rows:
                add_event(connection, row.job_id, "taken_over", {"task": row.id})
            connection.execute(delete(workers).where(workers.c.id == worker_id))
            return [row.id for row in rows]

    def _check_held(self, connection: Connection, task: Task) -> None:
        _lock_jobs(connection, [task.job_id])
        query = select(tasks.c.lease, tasks.c.state).where(tasks.c.id == task.id).with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None or row.state != "running" or row.lease != task.lease:
            raise TaskCanceled("The task was canceled or given to another worker.")


def _queued(query: Select[Any], role: Role, without: Collection[TaskKind]) -> Select[Any]:
    return query.where(tasks.c.role == role, tasks.c.state == "queued", tasks.c.kind.not_in(without))


def _next_of(role: Role, without: Collection[TaskKind]) -> Any:
    last_turn = (turns.c.owner == tasks.c.owner) & (turns.c.role == tasks.c.role)
    rank = case((tasks.c.position > 0, 2), (tasks.c.kind == "learn", 1), else_=0)
    return (
        _queued(select(tasks).outerjoin(turns, last_turn), role, without)
        .order_by(turns.c.begun_at.nulls_first(), rank, tasks.c.created_at, tasks.c.job_id, tasks.c.position)
        .limit(1)
        .with_for_update(of=tasks, skip_locked=True)
    )


def _end_turn(connection: Connection, role: Role, owner: str) -> None:
    """An owner has had a turn just now; others come before the next one."""
    new = {"role": role, "owner": owner, "begun_at": time.time()}
    insert_or = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    its = [turns.c.role, turns.c.owner]
    connection.execute(insert_or(turns).values(new).on_conflict_do_update(index_elements=its, set_=new))


def _done_before(connection: Connection, owner: str, inputs: str | None) -> dict[str, Any]:
    """The columns that say how a task of the same inputs ended well; none where there is no such task."""
    if inputs is None:
        return {}
    query = (
        select(tasks.c.state, tasks.c.result, tasks.c.picture)
        .where(tasks.c.owner == owner, tasks.c.inputs == inputs, tasks.c.state == "done")
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    return {} if row is None else {**row, "finished_at": time.time()}


def _lock_jobs(connection: Connection, job_ids: Sequence[str]) -> None:
    """Lock jobs before their tasks, as a cancellation does, so that two who need both never wait for each other."""
    connection.execute(select(jobs.c.id).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id).with_for_update())


def _begin_job(connection: Connection, job_id: str) -> None:
    # A claim has locked the task, and a cancellation locks the job before its tasks: neither may wait for the other.
    waiting = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.state == "queued").with_for_update(skip_locked=True)
    if connection.execute(waiting).first() is not None:
        begun = {"state": "running", "started_at": func.coalesce(jobs.c.started_at, time.time())}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(begun))


def _show(connection: Connection, task: Task, picture: int, content: bytes) -> None:
    of_it = (previews.c.job_id == task.job_id) & (previews.c.picture == picture)
    if not connection.execute(update(previews).where(of_it).values(content=content)).rowcount:
        connection.execute(
            insert(previews).values(job_id=task.job_id, picture=picture, owner=task.owner, content=content)
        )


def _let_go(connection: Connection, task: Task) -> None:
    """The task is not in its worker's hands any more, which may have another by now."""
    others = case((workers.c.task_id == task.id, None), else_=workers.c.task_id)
    connection.execute(
        update(workers).where(workers.c.id == task.worker).values(progress=workers.c.progress + 1, task_id=others)
    )


def _moved(connection: Connection, worker_id: str, *, task_id: str | None) -> None:
    connection.execute(
        update(workers).where(workers.c.id == worker_id).values(progress=workers.c.progress + 1, task_id=task_id)
    )


def _given_up(starts: int) -> dict[str, JsonValue]:
    return {
        "type": "WorkerDied",
        "message": f"{starts} workers died of this task, so it was given up. Look into the service's log, then retry.",
    }
