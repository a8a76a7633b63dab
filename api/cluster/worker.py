"""The process that stands for all workers on a cluster: one for each GPU, each taking tasks from the queue.

`python -m api.cluster.worker draw ID` is started by the service in place of a drawing worker. The queue, with its
leases, remains the only truth: whatever is lost on the cluster, or the cluster itself, its tasks go back into the
queue. A GPU's worker is a thread here that hands its tasks to the process on the GPU.
"""

import itertools
import logging
import os
import socket
import threading
import time
from functools import partial
from typing import Final

import ray
from sqlalchemy.exc import DBAPIError

from api.cluster.connection import connect_when_reachable
from api.cluster.model import ClusterModel, Gpu
from api.cluster.queue import ClusterQueue
from api.errors import ClusterError
from api.service.database import Database
from api.service.errors import WorkerLost
from api.service.pictures import PictureWork
from api.service.settings import ServiceSettings
from api.service.standstill import Standstill
from api.service.store import ContentStore
from api.service.supervisor import LOADING_S, WORKER_NUMBER_MARK
from api.service.worker import Worker, WorkerStart, fault_of, keep_beating

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 0.5
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0


class ClusterWorkers:
    """Keeps a worker on every GPU of a cluster that this process is connected to."""

    def __init__(self, process_id: str, settings: ServiceSettings) -> None:
        self._id = process_id
        self._settings = settings
        self._database = Database.open(settings.database)
        self._store = ContentStore.open(settings.store)
        self._models: dict[str, ClusterModel] = {}
        self._queue = ClusterQueue(self._database, self._models)
        self._gpus: set[Gpu] = set()
        self._numbers = itertools.count(1)
        self._given_up = threading.Event()

    def run(self, address: str) -> None:
        """Work until this process has been given up."""
        self._queue.enlist(self._id, "draw", host=socket.gethostname(), pid=os.getpid())
        keep_beating(self._id, self._queue, given_up=self._given_up)
        try:
            connect_when_reachable(address, on_waiting=partial(self._tell_standstill, self._id))
        except ClusterError as error:
            self._tell_standstill(self._id, error)
            raise
        while not self._given_up.is_set():
            try:
                self._queue.set_idle(self._id)  # it holds no task itself, and is alive
            except DBAPIError:
                logger.exception("the database does not answer")
            self._take_gpus()
            self._given_up.wait(_LOOK_EVERY_S)

    def _tell_standstill(self, worker_id: str, error: Exception) -> None:
        self._queue.keep_standstill(Standstill(role="draw", worker_id=worker_id, **fault_of(error)))

    def _take_gpus(self) -> None:
        """Use every GPU that nobody uses; how many are free is told late, how many there are at once."""
        while len(self._gpus) < ray.cluster_resources().get("GPU", 0) and ray.available_resources().get("GPU", 0) >= 1:
            gpu = Gpu.reserve()
            if gpu is None:
                return
            self._gpus.add(gpu)
            threading.Thread(target=self._use, args=(gpu,), daemon=True).start()

    def _use(self, gpu: Gpu) -> None:
        """Have one worker after another on a GPU while its machine is there; the process for the next stands by."""
        start = partial(
            gpu.start, self._settings.base.wanted_model, stall_s=self._settings.stall_s, loading_s=LOADING_S
        )
        pause_s, standby = 0.0, start()
        while not self._given_up.wait(pause_s):
            model, worker_id = standby, f"{self._id}{WORKER_NUMBER_MARK}{next(self._numbers)}"
            try:
                model.load()
            except WorkerLost as lost:
                logger.warning("a GPU is lost: %s", lost)
                break
            except Exception as error:  # whatever is wrong with that machine, the others go on
                logger.error("the picture model cannot be loaded on a node", exc_info=error)
                self._tell_standstill(worker_id, error)
                pause_s = min(max(_FIRST_PAUSE_S, 2 * pause_s), _LONGEST_PAUSE_S)
                model.close()
                standby = start()
                continue
            pause_s, standby = 0.0, start()
            self._work(worker_id, model)
        gpu.release()
        self._gpus.discard(gpu)

    def _work(self, worker_id: str, model: ClusterModel) -> None:
        """A worker's life, until the process on the GPU, its machine or the database is gone."""
        self._models[worker_id] = model
        work = PictureWork(self._settings, self._database, self._store, model)
        try:
            logger.info("worker %s begins", worker_id)
            Worker(worker_id, "draw", work, self._queue, idle_unload_s=self._settings.idle_unload_s).run()
        except WorkerLost as lost:
            logger.warning("worker %s is lost: %s", worker_id, lost)
        except DBAPIError:
            logger.exception("the database does not answer; worker %s ends", worker_id)
        model.close()
        self._give_up(worker_id)
        del self._models[worker_id]

    def _give_up(self, worker_id: str) -> None:
        """Put the worker's task back into the queue, as soon as the database answers."""
        while True:
            try:
                taken = self._queue.give_up(worker_id, died=True)
                logger.info("worker %s has ended; taken over: %s", worker_id, ", ".join(taken) or "nothing")
                return
            except DBAPIError:
                time.sleep(_LOOK_EVERY_S)


def _end_process(failure: threading.ExceptHookArgs) -> None:
    logger.error("a thread failed unexpectedly", exc_info=failure.exc_value)
    os._exit(1)


def main() -> None:
    """Works until standard input closes, or something unexpected happens: the service then starts it again."""
    threading.excepthook = _end_process
    start = WorkerStart.read()
    assert start.settings.base.cluster is not None
    ClusterWorkers(start.worker_id, start.settings).run(start.settings.base.cluster)


if __name__ == "__main__":
    main()
