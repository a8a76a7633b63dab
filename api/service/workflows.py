"""What is done for each kind of job, step by step: tasks are given to workers, their results put in their place.

Every step may be run twice. What a step makes is in the tables under an id that follows from job and step, so the
second run finds it; the engine remembers only that the step is done.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, update

from api.book_lock import BookLock, LockedPicture
from api.service.book_edits import keep_binding, keep_drawings, keep_first_binding
from api.service.book_state import BookState
from api.service.engine import Steps
from api.service.errors import TaskCanceled, TaskFailed, task_failed
from api.service.jobs import ENDED, Job, JobKind, Jobs
from api.service.payloads import (
    BindPayload,
    BookLook,
    Bound,
    Described,
    Drawn,
    DrawPayload,
    Learnt,
    PagesPayload,
    Reworded,
    Written,
)
from api.service.tables import scenes, stories
from api.service.tasks import NewTask, TaskEnd, TaskKind, TaskQueue, task_id

logger = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)


class TaskWait(Protocol):
    """Waits for the ends of tasks."""

    async def wait(self, id_: str) -> TaskEnd:
        """How the task ended."""
        ...


class JobWorkflows:
    """The workflow of every kind of job; an engine calls it with a job's id.

    Args:
        interruptions: Errors after which the engine or the dispatcher goes on with the job: nothing that the job did.
    """

    def __init__(
        self, jobs: Jobs, tasks: TaskQueue, watch: TaskWait, *, interruptions: tuple[type[BaseException], ...]
    ) -> None:
        self._jobs = jobs
        self._tasks = tasks
        self._watch = watch
        self._interruptions = interruptions
        self._of_kind: Mapping[JobKind, Callable[[Job, Steps], Awaitable[None]]] = {
            "scene": self._scene,
            "story": self._story,
            "book": self._book,
            "concept": self._concept,
            "caption": self._caption,
            "pages": self._pages,
        }

    async def __call__(self, job_id: str, steps: Steps) -> None:
        """Do a job to its end; it has a state that says how it ended then."""
        job = self._jobs.read(job_id)
        if job is None or job.state in ENDED:
            return
        try:
            await self._of_kind[job.kind](job, steps)
        except TaskFailed as failure:
            self._jobs.fail(job_id, {"type": failure.kind, "message": str(failure)}, attempt=job.attempt)
        except TaskCanceled:
            return
        except self._interruptions:
            raise
        except Exception as error:  # trying again would end the same way, so the job has to say so
            logger.exception("job %s failed unexpectedly", job_id)
            message = f"Something went wrong ({type(error).__name__}). The log of the service has it."
            self._jobs.fail(job_id, {"type": "Unexpected", "message": message}, attempt=job.attempt)

    async def _scene(self, job: Job, steps: Steps) -> None:
        drawn = await self._do(job, steps, "draw", "draw", job.request["draw"], result=Drawn)

        def keep(connection: Connection) -> None:
            picture = drawn.model_dump(mode="json")
            connection.execute(update(scenes).where(scenes.c.id == job.subject).values(picture=picture))

        self._jobs.succeed(job.id, {"scene": job.subject}, also=keep)

    async def _story(self, job: Job, steps: Steps) -> None:
        written = await self._do(job, steps, "write", "write", job.request["write"], result=Written)
        self._jobs.succeed(
            job.id, {"story": job.subject}, also=partial(keep_story, story_id=job.subject, written=written)
        )

    async def _book(self, job: Job, steps: Steps) -> None:
        written = await self._do(job, steps, "write", "write", job.request["write"], result=Written)
        self._jobs.keep(partial(keep_story, story_id=job.request["story"], written=written))
        look = BookLook.model_validate(job.request["look"])
        pictures = await self._pictures(job, steps, written)
        bind = BindPayload(
            book_id=job.subject,
            story=written.story,
            lock=written.lock,
            cast=written.cast,
            look=look,
            pictures=tuple(pictures),
        )
        bound = await self._do(job, steps, "bind", "bind", bind.model_dump(mode="json"), result=Bound)

        def keep(connection: Connection) -> None:
            keep_first_binding(connection, job.owner, job.subject, bound.artifacts, title=written.story.title)

        self._jobs.succeed(job.id, {"book": job.subject, "story": job.request["story"]}, also=keep)

    async def _concept(self, job: Job, steps: Steps) -> None:
        learn = job.request["learn"]
        if "reword" in job.request:  # not so where there was no language model, or in jobs of earlier versions
            learn = {**learn, "paraphrases": await self._paraphrases(job, steps)}
        learnt = await self._do(job, steps, "learn", "learn", learn, result=Learnt)
        self._jobs.succeed(job.id, {"concepts": list(learnt.concepts)}, also=lambda _: None)

    async def _paraphrases(self, job: Job, steps: Steps) -> list[str] | None:
        """What to learn by beside the caption; None leaves it to templates, also where nobody could be asked."""
        try:
            reworded = await self._do(job, steps, "reword", "reword", job.request["reword"], result=Reworded)
        except TaskFailed as failure:
            logger.warning("job %s: its caption was not reworded, so templates do: %s", job.id, failure)
            return None
        return None if reworded.paraphrases is None else list(reworded.paraphrases)

    async def _caption(self, job: Job, steps: Steps) -> None:
        described = await self._do(job, steps, "describe", "describe", job.request["describe"], result=Described)
        self._jobs.succeed(job.id, {"caption": described.caption}, also=lambda _: None)

    async def _pages(self, job: Job, steps: Steps) -> None:
        """Pictures for a book that was made, new editions of it, or both."""
        payload = PagesPayload.model_validate(job.request["pages"])
        wanted = [
            _drawing(payload.lock, drawing.picture, index=drawing.index, of=len(payload.lock.pictures))
            for drawing in payload.draw
        ]
        digests = await self._draw(job, steps, wanted) if wanted else []
        drawn = list(zip(payload.draw, digests, strict=True))
        binding, bound = payload.binding, None
        if binding is not None:
            state = BookState.model_validate(binding.state)
            new = {drawing.index: digest for drawing, digest in drawn}
            bind = BindPayload(
                book_id=job.subject,
                story=state.story,
                lock=state.lock,
                cast=state.cast,
                look=binding.look,
                pictures=tuple(digest or new[index] for index, digest in enumerate(binding.pictures)),
            )
            bound = await self._do(job, steps, "bind", "bind", bind.model_dump(mode="json"), result=Bound)

        def keep(connection: Connection) -> None:
            keep_drawings(connection, job.owner, job.subject, drawn)
            if bound is not None and binding is not None:
                keep_binding(
                    connection,
                    job.owner,
                    job.subject,
                    bound.artifacts,
                    state=BookState.model_validate(binding.state),
                    look=binding.look,
                )

        self._jobs.succeed(job.id, {"book": job.subject}, also=keep)

    async def _pictures(self, job: Job, steps: Steps, written: Written) -> Sequence[str]:
        """Hashes of a book's pictures."""
        pictures = written.lock.pictures
        wanted = [
            _drawing(written.lock, picture, index=index, of=len(pictures)) for index, picture in enumerate(pictures)
        ]
        return await self._draw(job, steps, wanted)

    async def _draw(self, job: Job, steps: Steps, wanted: Sequence[DrawPayload]) -> Sequence[str]:
        """Hashes of pictures; all are put into the queue at once, so that several workers can share them."""
        keys = [f"draw-{index:02}" for index in range(len(wanted))]
        prompts = tuple(dict.fromkeys(payload.bound.prompt for payload in wanted))
        new = [
            NewTask(
                key=key,
                kind="draw",
                payload=payload.model_copy(update={"read_with": prompts}).model_dump(mode="json"),
                inputs=payload.digest(),
                position=index,
            )
            for index, (key, payload) in enumerate(zip(keys, wanted, strict=True), start=1)
        ]
        self._jobs.enter(job.id, "drawing", picture=wanted[0].picture, num_pictures=wanted[0].num_pictures)
        self._tasks.add(job.id, job.owner, new)
        drawn = [await self._await(job, steps, key, result=Drawn) for key in keys]
        return [each.artifact.sha256 for each in drawn]

    async def _do(
        self, job: Job, steps: Steps, key: str, kind: TaskKind, payload: Mapping[str, Any], *, result: type[Model]
    ) -> Model:
        """The result of a task that is added unless it is there."""
        self._jobs.enter(job.id, _STAGES[kind])
        self._tasks.add(job.id, job.owner, [NewTask(key=key, kind=kind, payload=payload)])
        return await self._await(job, steps, key, result=result)

    async def _await(self, job: Job, steps: Steps, key: str, *, result: type[Model]) -> Model:
        """The result of a task, once it has ended.

        Raises:
            TaskFailed, TaskCanceled: It has ended otherwise.
        """
        id_ = task_id(job.id, key)

        async def step() -> str:
            return (await self._watch.wait(id_)).state

        await steps.run(key, step)
        end = self._tasks.ends([id_]).get(id_)
        if end is None or end.state == "canceled":  # None once another attempt has begun the task anew
            raise TaskCanceled("The job was canceled.")
        if end.state == "failed":
            raise task_failed(end.error)
        return result.model_validate(end.result)


_STAGES: Mapping[TaskKind, str] = {
    "write": "writing",
    "draw": "drawing",
    "learn": "learning",
    "bind": "binding",
    "describe": "describing",
    "reword": "rewording",
}


def _drawing(lock: BookLock, picture: LockedPicture, *, index: int, of: int) -> DrawPayload:
    return DrawPayload(
        bound=picture.bound,
        concepts=picture.concepts,
        seed=picture.seed,
        strengths=picture.strengths_of(lock.strengths),
        settings=lock.settings,
        fingerprint=lock.model.fingerprint,
        numbers=lock.model.numbers,
        picture=index,
        num_pictures=of,
    )


def keep_story(connection: Connection, *, story_id: str, written: Written) -> None:
    """Put a story that was written into its place; one that is there already, and may be edited, is left."""
    connection.execute(
        update(stories)
        .where(stories.c.id == story_id, stories.c.version == 0)
        .values(
            story=written.story.model_dump(mode="json"),
            writer=written.writer,
            warnings=list(written.warnings),
            version=1,
        )
    )
