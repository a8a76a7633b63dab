"""Kills the service at random moments while it makes books, then checks that nothing acknowledged was lost.

    python -m benchmarks.kill_test --books 40 --kills 200
    python -m benchmarks.kill_test --database postgresql://… --flat

A real `fableverse serve` with the shipped model is started in a process of its own; with `--flat` its drawing worker
has no model (`benchmarks/flat_worker.py`), so that it is back at work at once. Clients keep a few books going,
ask for each under an `Idempotency-Key` until they are answered, and call some off. Meanwhile SIGKILL hits the server,
its drawing worker or its text worker, and SIGSTOP now and then the drawing worker, which then hangs. Most hits wait
until their victim has something in hand, since processes that start again take most of the time and have nothing to
lose. What clients see goes into a history, and `benchmarks/history.py` checks it. Prints a table; the last line is
JSON.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Literal

import httpx
import psutil
from sqlalchemy.exc import DBAPIError

from api.service.database import Database
from api.service.roster import WorkerRow
from api.service.settings import ServiceSettings
from api.service.tasks import TaskQueue
from api.settings import SAMPLE_BANK_DIR
from benchmarks.history import ENDED, check_history
from concepts.bank import seed_bank

Blow = Literal["server", "draw", "text", "hang"]

FABLEVERSE: Final = Path(sys.executable).with_name("fableverse")
IDEAS: Final = ("a fox who cannot sleep", "a rabbit by the sea", "a lost lantern", "a bear who counts stars")
PAGES: Final = 4
OPEN_BOOKS: Final = 4
"""So many are going at a time."""
CANCEL_SHARE: Final = 0.1
REPEAT_SHARE: Final = 0.3
"""Of the requests, those that are sent again although they were answered."""
BLOWS: Final[Mapping[Blow, float]] = {"server": 0.3, "draw": 0.45, "text": 0.2, "hang": 0.05}
AT_WORK_SHARE: Final = 0.8
"""Of the hits, those that wait until their victim has something in hand."""
LONGEST_DELAY_S: Final[Mapping[Blow, float]] = {"server": 6, "draw": 6, "text": 0.5, "hang": 3}
"""From then, or from the last hit, to the hit. Long enough that a picture gets done between two hits now and then: a
task that ten workers died of is given up, and rightly."""
FLAT_STEP_S: Final = 0.3
WAIT_FOR_WORK_S: Final = 90
FINISH_S: Final = 1800


class History:
    """Lines of what was seen, kept in order."""

    def __init__(self, path: Path) -> None:
        self.lines: list[dict[str, Any]] = []
        self._file = path.open("w", encoding="utf-8")
        self._lock = threading.Lock()

    def add(self, what: str, **more: Any) -> None:
        """One thing that was seen."""
        line = {"at": round(time.time(), 3), "what": what, **more}
        with self._lock:
            self.lines.append(line)
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


class Victim:
    """The service, started again whenever it was killed."""

    def __init__(self, folder: Path, *, database: str | None, flat: bool) -> None:
        self._folder = folder
        self._hung: list[psutil.Process] = []
        self._settings = ServiceSettings(data_dir=folder / "data", database_url=database)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        seed_bank(folder / "bank", SAMPLE_BANK_DIR)
        options = ["--database", database] if database else []
        serve = [sys.executable, "-m", "benchmarks.flat_service"] if flat else [str(FABLEVERSE), "serve"]
        self._command = [*serve, "--port", str(self.port), "--data", str(folder / "data"),
                         "--bank", str(folder / "bank"), *options]  # fmt: skip
        self._start()
        self._wait()
        self._tasks = TaskQueue(Database.open(self._settings.database))

    def _wait(self) -> None:
        """Wait for the first answer."""
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/livez").raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.2)

    def _start(self) -> None:
        env = {**os.environ, "FLAT_STEP_S": str(FLAT_STEP_S)}
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=env)

    def is_at_work(self, blow: Blow) -> bool:
        """Whether whoever a blow would hit has something in hand."""
        rows = self._workers()
        return any(row.task_id is not None for row in rows if blow == "server" or row.role == _role(blow))

    def strike(self, blow: Blow) -> bool:
        """Kill or stop somebody; False when that process is not there at the moment."""
        if blow == "server":
            self._process.kill()
            self._process.wait()
            self._start()
            return True
        for child in psutil.Process(self._process.pid).children():
            try:
                if _role(blow) in child.cmdline():
                    child.send_signal(signal.SIGSTOP if blow == "hang" else signal.SIGKILL)
                    self._hung += [child] if blow == "hang" else []
                    return True
            except psutil.Error:
                continue
        return False

    def stop(self) -> None:
        """Stop the service as a person would."""
        self._process.terminate()
        self._process.wait(timeout=60)
        for process in self._hung:
            if process.is_running():
                process.kill()

    def _workers(self) -> Sequence[WorkerRow]:
        """The workers of the service that runs now, as they last reported."""
        here = {child.pid for child in psutil.Process(self._process.pid).children()}
        try:
            return [row for row in self._tasks.workers() if row.pid in here]
        except DBAPIError:
            return []


def _role(blow: Blow) -> str:
    return "draw" if blow == "hang" else blow


class Clients:
    """Ask for books and look after them, again and again where nobody answers."""

    def __init__(self, port: int, history: History, *, books: int, rng: random.Random) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        self._history = history
        self._books = books
        self._rng = rng
        self.jobs: list[str] = []
        self._open: set[str] = set()

    def run(self, enough: threading.Event) -> None:
        """Keep books going until so many are asked for and it is enough; returns when all have ended."""
        doomed: str | None = None
        while True:
            if len(self._open) < OPEN_BOOKS and (len(self.jobs) < self._books or not enough.is_set()):
                if doomed is not None:
                    self._cancel(doomed)
                job = self._ask_for_book(len(self.jobs))
                doomed = job if self._rng.random() < CANCEL_SHARE else None
            self._look(self.jobs if self._rng.random() < 0.05 else sorted(self._open))
            if not self._open and len(self.jobs) >= self._books and enough.is_set():
                return
            time.sleep(1)

    def _ask_for_book(self, number: int) -> str:
        """Ask until there is an answer, then now and then once more."""
        body = {"idea": IDEAS[number % len(IDEAS)], "pages": PAGES, "seed": number}
        key = f"book-{number}"

        def ask() -> str:
            headers = {"Idempotency-Key": key}
            job = self._insist(lambda: self._http.post("/v1/books", json=body, headers=headers))
            self._history.add("acknowledged", job=job["id"], key=key, pictures=PAGES + 1)
            return job["id"]

        job_id = ask()
        self.jobs.append(job_id)
        self._open.add(job_id)
        if self._rng.random() < REPEAT_SHARE:
            ask()
        return job_id

    def _cancel(self, job_id: str) -> None:
        canceled = self._insist(lambda: self._http.post(f"/v1/jobs/{job_id}/cancel"))
        self._history.add("canceled", job=job_id, state=canceled["status"])

    def _look(self, job_ids: Sequence[str]) -> None:
        """See how jobs stand."""
        for job_id in job_ids:
            state = self._insist(lambda id_=job_id: self._http.get(f"/v1/jobs/{id_}"))["status"]
            self._history.add("seen", job=job_id, state=state)
            if state in ENDED:
                self._open.discard(job_id)

    def gather(self) -> None:
        """At the end, take every job that there is, its events and files into the history."""
        self._history.add("listed", jobs=self._listed())
        for job_id in self.jobs:
            job = self._insist(lambda id_=job_id: self._http.get(f"/v1/jobs/{id_}"))
            self._history.add("seen", job=job_id, state=job["status"])
            self._history.add("events", job=job_id, events=self._events(job_id))
            book = self._insist(lambda job=job: self._http.get(job["links"]["book"]))
            files = [
                {"name": name, "listed": file["sha256"], "downloaded": self._hash(file["href"])}
                for name, file in book["files"].items()
            ]
            self._history.add("files", job=job_id, files=files)

    def _listed(self) -> Sequence[str]:
        found: list[str] = []
        place: dict[str, str] = {}
        while True:
            part = self._insist(lambda place=place: self._http.get("/v1/jobs", params={"limit": "100", **place}))
            found += [job["id"] for job in part["data"]]
            if not part["has_more"]:
                return found
            place = {"after": part["next"]}

    def _hash(self, place: str) -> str:
        return hashlib.sha256(self._http.get(place).content).hexdigest()

    def _events(self, job_id: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = [{}]
        for line in self._http.get(f"/v1/jobs/{job_id}/events").text.splitlines():
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                key = "type" if name == "event" else name
                events[-1][key] = int(value) if name == "id" else json.loads(value) if name == "data" else value
            elif not line and events[-1]:
                events.append({})
        return [event for event in events if event]

    def _insist(self, ask: Callable[[], httpx.Response]) -> dict[str, Any]:
        """What is answered in the end, however often the service is down."""
        deadline = time.monotonic() + FINISH_S
        while time.monotonic() < deadline:
            try:
                answer = ask()
                if answer.status_code < 400:
                    return answer.json()
                self._history.add("refused", status=answer.status_code, detail=answer.text[:300])
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise TimeoutError("the service does not come back")


class Attacker:
    """Hits the service, and tells what it hit."""

    def __init__(self, victim: Victim, history: History, *, rng: random.Random, is_over: Callable[[], bool]) -> None:
        self._victim = victim
        self._history = history
        self._rng = rng
        self._is_over = is_over
        self.hits: Counter[Blow] = Counter()
        self.at_work: Counter[Blow] = Counter()

    @property
    def kills(self) -> int:
        """Hits by SIGKILL."""
        return self.hits.total() - self.hits["hang"]

    def next(self) -> None:
        """One hit at a random moment, unless all is over before there is an occasion."""
        (blow,) = self._rng.choices(list(BLOWS), weights=list(BLOWS.values()))
        if self._rng.random() < AT_WORK_SHARE:
            deadline = time.monotonic() + WAIT_FOR_WORK_S
            while not self._victim.is_at_work(blow) and time.monotonic() < deadline and not self._is_over():
                time.sleep(0.05)
        time.sleep(self._rng.uniform(0, LONGEST_DELAY_S[blow]))
        at_work = self._victim.is_at_work(blow)
        if not self._is_over() and self._victim.strike(blow):
            self.hits[blow] += 1
            self.at_work[blow] += at_work
            self._history.add("hit", who=blow, at_work=at_work)


def run(
    folder: Path, *, books: int, kills: int, database: str | None, flat: bool, seed: int, longest_s: float
) -> Mapping[str, Any]:
    """Make books under fire; returns the figures, `faults` among them."""
    started = time.monotonic()
    history = History(folder / "history.jsonl")
    victim = Victim(folder, database=database, flat=flat)
    clients = Clients(victim.port, history, books=books, rng=random.Random(seed + 1))
    enough = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as threads:
        looked_after: Future[None] = threads.submit(clients.run, enough)
        attacker = Attacker(victim, history, rng=random.Random(seed), is_over=looked_after.done)
        while attacker.kills < kills and time.monotonic() - started < longest_s and not looked_after.done():
            attacker.next()
        enough.set()
        looked_after.result()
    clients.gather()
    victim.stop()
    events = [event for line in history.lines if line["what"] == "events" for event in line["events"]]
    last = {line["job"]: line["state"] for line in history.lines if line["what"] == "seen"}
    return {
        "books": len(clients.jobs),
        "kills": attacker.kills,
        "hits": dict(attacker.hits),
        "at_work": dict(attacker.at_work),
        "scenes": sum(event["type"] == "picture" for event in events),
        "taken_over": sum(event["type"] == "taken_over" for event in events),
        "files": sum(len(line["files"]) for line in history.lines if line["what"] == "files"),
        "states": dict(Counter(last.values())),
        "seconds": round(time.monotonic() - started),
        "faults": check_history(history.lines),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run it as the command line says; the exit code is 1 when a law is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_test", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--books", type=int, default=40, help="books at least (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs at least (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="kill no more after so many")
    parser.add_argument("--database", help="a PostgreSQL URL (default: SQLite in a temporary folder)")
    parser.add_argument("--flat", action="store_true", help="pictures of one colour, without the picture model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="an empty folder for history and data (default: a temporary one)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = run(
            folder,
            books=options.books,
            kills=options.kills,
            longest_s=60 * options.minutes,
            database=options.database,
            flat=options.flat,
            seed=options.seed,
        )
    where = {
        "database": "postgresql" if options.database else "sqlite",
        "pictures": "flat" if options.flat else "drawn",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    figures = {**where, **figures}
    for name, value in figures.items():
        print(f"{name:12} {value}")
    print(json.dumps(figures))
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
