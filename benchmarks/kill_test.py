"""Kills the service at random moments while it makes books, then checks that nothing acknowledged was lost.

    python -m benchmarks.kill_test --books 40 --kills 200
    python -m benchmarks.kill_test --database postgresql://…

A real `fableverse serve` with the shipped model is started in a process of its own. Books are asked for, some called
off. Meanwhile SIGKILL hits the server, its drawing worker or its text worker, and SIGSTOP now and then the drawing
worker, which then hangs. What clients see goes into a history, and `benchmarks/history.py` checks it. Prints a table;
the last line is JSON.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil

from api.settings import SAMPLE_BANK_DIR
from benchmarks.history import ENDED, check_history
from concepts.bank import seed_bank

FABLEVERSE = Path(sys.executable).with_name("fableverse")
IDEAS = ("a fox who cannot sleep", "a rabbit by the sea", "a lost lantern", "a bear who counts stars")
PAGES = 4
CANCEL_SHARE = 0.1
VICTIMS = {"server": 0.4, "draw": 0.4, "text": 0.15, "hang": 0.05}
FINISH_S = 1800


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

    def __init__(self, folder: Path, *, database: str | None, rng: random.Random) -> None:
        self._folder = folder
        self._rng = rng
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        seed_bank(folder / "bank", SAMPLE_BANK_DIR)
        options = ["--database", database] if database else []
        self._command = [str(FABLEVERSE), "serve", "--port", str(self.port), "--data", str(folder / "data"),
                         "--bank", str(folder / "bank"), *options]  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start the service."""
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self._folder)

    def hit(self) -> str | None:
        """Kill or stop somebody; returns who it was, or None when that process is not there at the moment."""
        (who,) = self._rng.choices(list(VICTIMS), weights=list(VICTIMS.values()))
        if who == "server":
            self._process.kill()
            self._process.wait()
            self.start()
            return who
        role = "draw" if who == "hang" else who
        for child in psutil.Process(self._process.pid).children():
            try:
                if "api.service.worker" in child.cmdline() and role in child.cmdline():
                    child.send_signal(signal.SIGSTOP if who == "hang" else signal.SIGKILL)
                    return who
            except psutil.Error:
                continue
        return None

    def stop(self) -> None:
        """Stop the service as a person would."""
        self._process.terminate()
        self._process.wait(timeout=60)


class Clients:
    """Ask for books and look after them, again and again where nobody answers."""

    def __init__(self, port: int, history: History, *, books: int, cancel_share: float, rng: random.Random) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        self._history = history
        self._books = books
        self._cancel_share = cancel_share
        self._rng = rng
        self.jobs: list[str] = []
        self.ended: set[str] = set()

    def submit_all(self, *, within_s: float) -> None:
        """Ask for the books, spread over a time; some are called off later."""
        for number in range(self._books):
            body = {"idea": IDEAS[number % len(IDEAS)], "pages": PAGES, "seed": number}
            job = self._insist(lambda body=body: self._http.post("/v1/books", json=body))
            self._history.add("acknowledged", job=job["id"], pictures=PAGES + 1)
            self.jobs.append(job["id"])
            if self._rng.random() < self._cancel_share:
                canceled = self._insist(lambda id_=job["id"]: self._http.post(f"/v1/jobs/{id_}/cancel"))
                self._history.add("canceled", job=job["id"], state=canceled["status"])
            time.sleep(self._rng.uniform(0, 2 * within_s / self._books))

    def look(self) -> None:
        """See how every job stands."""
        for job_id in list(self.jobs):
            state = self._insist(lambda id_=job_id: self._http.get(f"/v1/jobs/{id_}"))["status"]
            self._history.add("seen", job=job_id, state=state)
            if state in ENDED:
                self.ended.add(job_id)

    def gather(self) -> None:
        """At the end, take every event and every file into the history."""
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


def run(
    folder: Path,
    *,
    books: int,
    kills: int,
    longest_gap_s: float,
    database: str | None = None,
    seed: int = 0,
    cancel_share: float = CANCEL_SHARE,
    longest_s: float = float("inf"),
) -> dict[str, Any]:
    """Make books under fire; returns the figures, `faults` among them."""
    rng = random.Random(seed)
    history = History(folder / "history.jsonl")
    victim = Victim(folder, database=database, rng=rng)
    started = time.monotonic()
    clients = Clients(victim.port, history, books=books, cancel_share=cancel_share, rng=random.Random(seed + 1))
    submitting = threading.Thread(
        target=clients.submit_all, kwargs={"within_s": min(kills * longest_gap_s / 3, longest_s / 2)}, daemon=True
    )
    submitting.start()
    hits: Counter[str] = Counter()
    while hits.total() < kills and time.monotonic() - started < longest_s:
        time.sleep(rng.uniform(0, longest_gap_s))
        if who := victim.hit():
            hits[who] += 1
            history.add("hit", who=who)
            if hits.total() % 10 == 0:
                clients.look()
    submitting.join()
    deadline = time.monotonic() + FINISH_S
    while len(clients.ended) < books and time.monotonic() < deadline:
        clients.look()
        time.sleep(1)
    clients.gather()
    victim.stop()
    faults = check_history(history.lines)
    events = [event for line in history.lines if line["what"] == "events" for event in line["events"]]
    return {
        "books": books,
        "kills": hits.total(),
        "hits": dict(hits),
        "scenes": sum(event["type"] == "picture" for event in events),
        "taken_over": sum(event["type"] == "taken_over" for event in events),
        "states": dict(Counter(line["state"] for line in _last_seen(history.lines))),
        "seconds": round(time.monotonic() - started),
        "faults": faults,
    }


def _last_seen(lines: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    return list({line["job"]: line for line in lines if line["what"] == "seen"}.values())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_test", description=__doc__.splitlines()[0])
    parser.add_argument("--books", type=int, default=40)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="kill no more after so many")
    parser.add_argument("--longest-gap", type=float, default=10.0, help="most seconds from one kill to the next")
    parser.add_argument("--database", help="a PostgreSQL URL (default: SQLite in a temporary folder)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="the folder for history and data (default: a temporary one)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = run(
            folder,
            books=options.books,
            kills=options.kills,
            longest_gap_s=options.longest_gap,
            longest_s=60 * options.minutes,
            database=options.database,
            seed=options.seed,
        )
    figures = {"database": "postgresql" if options.database else "sqlite", "cores": os.cpu_count(), **figures}
    for name, value in figures.items():
        print(f"{name:12} {value}")
    print(json.dumps(figures))
    return 1 if figures["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
