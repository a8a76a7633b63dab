"""How a second machine helps: pages per minute with one and with two workers, and how fast a lost one is replaced.

    python -m benchmarks.bench_scale_out

Starts a Ray cluster on this machine, whose nodes are held to one processor core each, and a real `fableverse serve
--cluster` with SQLite and the shipped model. In turns, one node and two draw a book of fifteen pages and a cover; a
node is lost and a new one added between. Then workers are killed while they draw. Prints the figures; the last line is
JSON.

Times are the clock's, from the first picture begun to the last one done, and say little where other programs run; so
processor seconds are told too: those of the processes that draw, and those of everything else that works for a book.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
from sqlalchemy import func, select

from api.service.database import Database
from api.service.tables import tasks, workers
from api.settings import LEXICON_PATH, POCKET_DIR, SAMPLE_BANK_DIR
from benchmarks.local_cluster import LocalCluster, local_cluster
from concepts.bank import seed_bank

FABLEVERSE: Final = Path(sys.executable).with_name("fableverse")
PAGES: Final = 15
"""With the cover a number that two share evenly."""
_AT_REST_S: Final = 1.0
_PATIENCE_S: Final = 300.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service that draws on a cluster."""

    client: httpx.Client
    database: Database
    process: psutil.Process

    def ready_workers(self) -> set[str]:
        """Those that can draw."""
        with self.database.read() as connection:
            query = select(workers.c.id).where(workers.c.role == "draw", workers.c.is_ready)
            return set(connection.execute(query).scalars())

    def begin_book(self, seed: int) -> str:
        """The job of a book that is asked for."""
        wish = {"idea": "a fox who cannot sleep", "pages": PAGES, "seed": seed}
        return self.client.post("/v1/books", json=wish).json()["id"]

    def end_book(self, job_id: str) -> dict[str, Any]:
        """The job once it has succeeded."""
        while (job := self.client.get(f"/v1/jobs/{job_id}").json())["status"] in ("queued", "running"):
            time.sleep(1)  # asking costs what is measured
        if job["status"] != "succeeded":
            raise RuntimeError(f"a book ended with {job}")
        return job


def pocket_of(steps: int, folder: Path) -> Path:
    """A copy of the shipped model that draws in so many denoising steps; its weights, and so its concepts, the same."""
    model = folder / "model"
    shutil.copytree(POCKET_DIR / "model", model)
    shutil.copy(LEXICON_PATH, folder)
    told = json.loads((model / "fableverse.json").read_text())
    (model / "fableverse.json").write_text(json.dumps(told | {"num_inference_steps": steps}))
    return model


@contextmanager
def service_on(cluster: LocalCluster, folder: Path, model: Path) -> Iterator[Service]:
    """A service on a cluster, once it is ready, until the end of the body."""
    seed_bank(folder / "bank", SAMPLE_BANK_DIR)
    places = ["--data", folder / "data", "--bank", folder / "bank", "--model", model]
    command = [FABLEVERSE, "serve", "--port", "0", *places]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command), "--cluster", cluster.address], stdout=log, stderr=log, cwd=folder
        )
    try:
        while (found := re.search(rb"http://\S+:\d+", (folder / "log").read_bytes())) is None:
            time.sleep(0.1)
        with httpx.Client(base_url=found.group().decode(), timeout=60) as client:
            wait_until(lambda: client.get("/readyz").status_code == 200)
            database = Database.open(f"sqlite:///{folder / 'data' / 'fableverse.sqlite'}")
            yield Service(client=client, database=database, process=psutil.Process(process.pid))
            database.close()
    finally:
        process.terminate()
        process.wait()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something that takes no longer than some minutes."""
    deadline = time.monotonic() + _PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def wait_for_rest(cluster: LocalCluster, nodes: Sequence[Any]) -> None:
    """Wait until the processes that stand by have imported all they need."""
    while True:
        before = [seconds_of(process) for node in nodes for process in cluster.model_processes(node)]
        time.sleep(_AT_REST_S)
        after = [seconds_of(process) for node in nodes for process in cluster.model_processes(node)]
        if len(after) == 2 * len(nodes) == len(before) and sum(after) - sum(before) < 0.05 * _AT_REST_S * len(after):
            return


def seconds_of(*processes: psutil.Process) -> float:
    """Processor seconds of processes so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def draw_book(
    service: Service, cluster: LocalCluster, nodes: Sequence[Any], *, seed: int, cores: Sequence[int] = ()
) -> dict[str, float]:
    """Figures of one book, which is not worked for elsewhere than on those cores if any are given."""
    drawing = [process for node in nodes for process in cluster.model_processes(node)]
    mine = [service.process, *service.process.children(recursive=True), *cluster.other_processes()]
    for process in mine:
        for thread in process.threads():
            os.sched_setaffinity(thread.id, cores or os.sched_getaffinity(0))
    before, others_before = seconds_of(*drawing), seconds_of(*mine)
    job_id = service.begin_book(seed)
    service.end_book(job_id)
    with service.database.read() as connection:
        of_book = (tasks.c.job_id == job_id) & (tasks.c.kind == "draw")
        columns = func.min(tasks.c.started_at), func.max(tasks.c.finished_at), func.count(tasks.c.started_at)
        first, last, pictures = connection.execute(select(*columns).where(of_book)).one()
    if pictures != PAGES + 1:
        raise RuntimeError("some pictures had been drawn before: take books further apart")
    return {
        "workers": len(nodes),
        "pages_per_minute": round(60 * pictures / (last - first), 1),
        "drawing_cpu_s_per_page": round((seconds_of(*drawing) - before) / pictures, 3),
        "other_cpu_s_per_page": round((seconds_of(*mine) - others_before) / pictures, 3),
    }


def replace_worker(
    service: Service, cluster: LocalCluster, node: Any, num_workers: int, *, seed: int
) -> dict[str, Any]:
    """Kill a worker's process while it draws: seconds until its task is another's, and until it has a successor."""
    before = service.ready_workers()
    job_id = service.begin_book(seed)
    wait_until(lambda: len(_running(service, job_id)) == num_workers)
    victim = cluster.working_process(node)
    assert victim is not None
    victim.kill()
    killed = time.monotonic()
    wait_until(lambda: len(service.ready_workers() & before) == num_workers - 1)
    given_up_s = time.monotonic() - killed
    wait_until(lambda: len(service.ready_workers()) == num_workers)
    replaced_s = time.monotonic() - killed
    service.end_book(job_id)
    with service.database.read() as connection:
        query = select(tasks.c.starts).where(tasks.c.job_id == job_id, tasks.c.kind == "draw")
        starts = list(connection.execute(query).scalars())
    return {
        "given_up_s": round(given_up_s, 2),
        "replaced_s": round(replaced_s, 2),
        "pictures": len(starts),
        "drawn_again": sum(starts) - len(starts),
    }


def _running(service: Service, job_id: str) -> list[str]:
    with service.database.read() as connection:
        query = select(tasks.c.id).where(tasks.c.job_id == job_id, tasks.c.kind == "draw", tasks.c.state == "running")
        return list(connection.execute(query).scalars())


def measure(folder: Path, *, rounds: int, kills: int, steps: int, holds_all: bool) -> dict[str, Any]:
    """All figures."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    one_core, two_cores = (cores[:1], cores) if holds_all else ((), ())
    with local_cluster() as cluster:
        first = cluster.add_node(core=cores[0])
        with service_on(cluster, folder, pocket_of(steps, folder)) as service:
            books: list[dict[str, float]] = []
            draw_book(service, cluster, [first], seed=0)  # everything is loaded by this one
            for turn in range(1, rounds + 1):
                wait_for_rest(cluster, [first])
                books.append(draw_book(service, cluster, [first], seed=1000 * turn, cores=one_core))
                second = cluster.add_node(core=cores[1])
                wait_until(lambda: len(service.ready_workers()) == 2)
                wait_for_rest(cluster, [first, second])
                draw_book(
                    service, cluster, [first, second], seed=1000 * turn + 300, cores=two_cores
                )  # the first picture takes longer
                books.append(draw_book(service, cluster, [first, second], seed=1000 * turn + 600, cores=two_cores))
                print(books[-2:], flush=True)
                if turn < rounds:
                    cluster.kill_node(second)
                    wait_until(lambda: len(service.ready_workers()) == 1)
            replaced = []
            for kill in range(kills):
                wait_for_rest(cluster, [first, second])
                replaced.append(replace_worker(service, cluster, second, 2, seed=100_000 + 1000 * kill))
                print(replaced[-1], flush=True)
    one, two = ([book for book in books if book["workers"] == number] for number in (1, 2))
    ratios = [b["pages_per_minute"] / a["pages_per_minute"] for a, b in zip(one, two, strict=True)]
    return {"books": books, "ratios": [round(each, 2) for each in ratios], "replaced": replaced} | {
        "median_ratio": round(statistics.median(ratios), 2),
        "median_one": statistics.median(book["pages_per_minute"] for book in one),
        "median_two": statistics.median(book["pages_per_minute"] for book in two),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_scale_out")
    parser.add_argument("--rounds", type=int, default=5, help="books by one worker and by two (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=3, help="workers killed (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=16, help="of denoising, Pocket's own by default")
    parser.add_argument(
        "--hold-all", action="store_true", help="everything else, too, has only as many cores as there are workers"
    )
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        load = os.getloadavg()[0]
        figures = measure(
            Path(name),
            rounds=options.rounds,
            kills=options.kills,
            steps=options.steps,
            holds_all=options.hold_all,
        )
    environment = {
        "steps": options.steps,
        "cores": os.cpu_count(),
        "load": round(load, 1),
        "machine": platform.machine(),
    }
    print(json.dumps({"benchmark": "scale-out", "environment": environment, **figures}))


if __name__ == "__main__":
    main()
