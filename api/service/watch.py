"""Looks at the tables for those who wait, one look for all of them: for the ends of tasks, and for events of jobs."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence

from api.service.jobs import ENDED, Event, Jobs
from api.service.tasks import TaskEnd, TaskQueue

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.05
_LOOK_AFTER_FAULT_S = 1.0
_PAUSE_A_FOLLOWER_S = 0.0005
"""The more follow, the more events go out together, so that telling everybody leaves time for other requests."""
_KEPT_EVENTS = 2000
_TERMINAL = frozenset(ENDED)


class TaskWatch:
    """Wakes coroutines, of any event loop, when their tasks have ended. Started and closed by the service."""

    def __init__(self, tasks: TaskQueue) -> None:
        self._tasks = tasks
        self._waiting: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Future[TaskEnd]]]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="task-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking; who waits goes on waiting."""
        self._stop.set()
        self._thread.join()

    @property
    def is_running(self) -> bool:
        """Whether who waits will be woken."""
        return self._thread.is_alive()

    async def wait(self, id_: str) -> TaskEnd:
        """How the task ended, once it has."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[TaskEnd] = loop.create_future()
        with self._lock:
            self._waiting.setdefault(id_, []).append((loop, future))
        return await future

    def _look(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            try:
                self._wake()
            except Exception:  # whatever it is, the next look finds what has ended
                logger.exception("the ends of tasks cannot be read; who waits for them waits on")
                self._stop.wait(_LOOK_AFTER_FAULT_S)

    def _wake(self) -> None:
        """Tell those who wait of the tasks that have ended."""
        with self._lock:
            ids = list(self._waiting)
        if not ids:
            return
        for id_, end in self._tasks.ends(ids).items():
            with self._lock:
                waiting = self._waiting.pop(id_, [])
            for loop, future in waiting:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_set, future, end)


def _set(future: asyncio.Future[TaskEnd], end: TaskEnd) -> None:
    if not future.done():
        future.set_result(end)


class _Channel:
    """The latest events of one job, for all who follow it."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.number = 0
        self.events: deque[Event] = deque(maxlen=_KEPT_EVENTS)
        self.changed = asyncio.Event()
        self.followers = 0

    def add(self, events: Sequence[Event]) -> None:
        if not events:
            return
        self.events.extend(events)
        self.number = events[-1].number
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def since(self, number: int) -> list[Event] | None:
        """What came after that event; None when it is not all kept here."""
        if number >= self.number:
            return []
        if not self.events or self.events[0].number > number + 1:
            return None
        return [event for event in self.events if event.number > number]


class EventHub:
    """Lets many follow a job's events at the cost of one look at the tables. Belongs to the server's event loop."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._channels: dict[str, _Channel] = {}
        self._looking: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def follow(self, owner: str, job_id: str, *, after: int = 0) -> AsyncIterator[Event]:
        """Every event of an owner's job after that number, in order, up to the one that ends the job.

        Raises:
            NotFound: The owner has no job of that id.
        """
        async for events in self.follow_together(owner, job_id, after=after):
            for event in events:
                yield event

    async def follow_together(self, owner: str, job_id: str, *, after: int = 0) -> AsyncIterator[Sequence[Event]]:
        """As `follow`, with events that came since the last ones together.

        Raises:
            NotFound: The owner has no job of that id.
        """
        job = await asyncio.to_thread(self._jobs.get, owner, job_id)
        channel = self._channels.setdefault(job_id, _Channel(owner))
        channel.followers += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            number = after
            while True:
                changed = channel.changed
                events = channel.since(number)
                if events is None:
                    events = await asyncio.to_thread(self._jobs.events, owner, job_id, after=number)
                if events:
                    number = events[-1].number
                    yield events
                    if events[-1].type in _TERMINAL and number >= max(channel.number, job.last_event):
                        return
                    continue
                if job.state in ENDED and number >= job.last_event and channel.number <= number:
                    return
                await changed.wait()
        finally:
            channel.followers -= 1
            if not channel.followers:
                self._channels.pop(job_id, None)

    async def _look(self) -> None:
        while self._channels:
            try:
                last = await asyncio.to_thread(self._jobs.last_events, list(self._channels))
                for job_id, number in last.items():
                    channel = self._channels.get(job_id)
                    if channel is not None and number > channel.number:
                        after = channel.number
                        channel.add(await asyncio.to_thread(self._jobs.events, channel.owner, job_id, after=after))
            except Exception:  # whatever it is, the next look finds the events
                logger.exception("events cannot be read; who follows them waits on")
                await asyncio.sleep(_LOOK_AFTER_FAULT_S)
            followers = sum(channel.followers for channel in self._channels.values())
            await asyncio.sleep(_LOOK_EVERY_S + followers * _PAUSE_A_FOLLOWER_S)
