"""How quick and how small the service's server stays while a book is drawn on the other core.

    python -m benchmarks.bench_service

Starts a real `fableverse serve` with SQLite and the shipped model, and asks for books of sixteen pages. While they are
drawn, one after the other: reads come at a steady rate; books are asked for, and called off again; 500 clients follow a
book, and reads come beside them. Each time is counted from when a request was due, so that one that had to wait for
another counts whole. Every follower must see every event in order to the end. Prints the figures; the last line is
JSON.
"""

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from api.settings import SAMPLE_BANK_DIR
from concepts.bank import seed_bank

FABLEVERSE: Final = Path(sys.executable).with_name("fableverse")
PAGES: Final = 16


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """The address and the process of a service that is ready, until the end of the body."""
    seed_bank(folder / "bank", SAMPLE_BANK_DIR)
    command = [FABLEVERSE, "serve", "--port", "0", "--data", folder / "data", "--bank", folder / "bank"]
    with (folder / "log").open("wb") as log:
        # One thread for the renderer, so that it keeps to one core.
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([*map(str, command)], stdout=log, stderr=log, cwd=folder, env=env)
    try:
        while (found := re.search(rb"http://\S+:\d+", (folder / "log").read_bytes())) is None:
            time.sleep(0.1)
        url = found.group().decode()
        while httpx.get(f"{url}/readyz").status_code != 200:
            time.sleep(0.2)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


async def at_a_rate(ask: Callable[[int], Awaitable[httpx.Response]], *, per_second: float, number: int) -> list[float]:
    """Milliseconds from when each request was due to its whole answer, in the order in which they were due."""
    began = time.perf_counter()

    async def one(index: int) -> float:
        due = began + index / per_second
        await asyncio.sleep(due - time.perf_counter())
        (await ask(index)).raise_for_status()
        return 1000 * (time.perf_counter() - due)

    return await asyncio.gather(*(one(index) for index in range(number)))


class Follower:
    """A client of an event stream that keeps the numbers of the events and nothing else."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.status = 0

    async def follow(self, url: httpx.URL) -> None:
        """Read the stream to its end."""
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        self.status = int((await reader.readline()).split()[1])
        async for line in reader:
            if line.startswith(b"id: "):
                self.numbers.append(int(line[4:]))
        writer.close()


def figures_of(times_ms: Sequence[float]) -> dict[str, float]:
    """What is told of a series of times."""
    ordered = sorted(times_ms)
    return {
        "requests": len(ordered),
        "median_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[int(0.99 * (len(ordered) - 1))], 1),
        "max_ms": round(ordered[-1], 1),
    }


def memory_of(pid: int) -> dict[str, Any]:
    """A process's peak of resident memory, and whether torch is loaded in it."""
    status = Path(f"/proc/{pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    return {"peak_mb": round(int(peak[1]) / 1024), "has_torch": "libtorch" in Path(f"/proc/{pid}/maps").read_text()}


async def measure(
    url: str, pid: int, *, seconds: float, rate: float, followers: int, num_submits: int
) -> dict[str, Any]:
    """All figures of a service that is ready."""
    limits = httpx.Limits(max_connections=100, keepalive_expiry=2)  # the server gives up idle connections after 5 s
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        wait = {"Prefer": "wait=100"}
        scene = (await client.post("/v1/scenes", json={"prompt": "a @rusty waving"}, headers=wait)).json()
        wish = {"idea": "a fox who cannot sleep", "pages": PAGES}
        books = [(await client.post("/v1/books", json=wish | {"seed": seed})).json() for seed in range(3)]
        followed = books[-1]["links"]
        places = (followed["self"], followed["book"], "/v1/jobs", f"{scene['links']['scene']}/picture")

        async def is_drawing() -> bool:
            running = (await client.get("/v1/jobs", params={"status": "running"})).json()["data"]
            return any(job["progress"]["stage"] == "drawing" for job in running)

        async def read(index: int) -> httpx.Response:
            return await client.get(places[index % len(places)])

        async def submit(index: int) -> httpx.Response:
            headers = {"Idempotency-Key": f"bench-{index}"}
            asked.append(await client.post("/v1/books", json=wish | {"seed": index}, headers=headers))
            return asked[-1]

        while not await is_drawing():
            await asyncio.sleep(0.1)
        drawing: list[bool] = []
        reads = await at_a_rate(read, per_second=rate, number=int(seconds * rate))
        drawing.append(await is_drawing())
        asked: list[httpx.Response] = []
        submits = await at_a_rate(submit, per_second=5, number=num_submits)
        drawing.append(await is_drawing())
        for answer in asked:
            await client.post(answer.json()["links"]["cancel"])
        alone = memory_of(pid)

        all_followers = [Follower() for _ in range(followers)]
        stream = httpx.URL(url).join(followed["events"])
        following = [asyncio.create_task(follower.follow(stream)) for follower in all_followers]
        while not all(follower.numbers for follower in all_followers):
            await asyncio.sleep(0.1)
        beside = await at_a_rate(read, per_second=rate, number=int(seconds * rate / 2))
        drawing.append(await is_drawing())
        await asyncio.gather(*following)
        last = len([line for line in (await client.get(str(stream))).text.splitlines() if line.startswith("id: ")])
    return {
        "reads": figures_of(reads),
        "submits": figures_of(submits),
        "reads_beside_followers": figures_of(beside),
        "drawing_after_each": drawing,
        "followers": followers,
        "events": last,
        "followers_who_saw_all_in_order": sum(
            follower.status == 200 and follower.numbers == list(range(1, last + 1)) for follower in all_followers
        ),
        "server_before_followers": alone,
        "server": memory_of(pid),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_service")
    parser.add_argument("--seconds", type=float, default=10, help="of reads (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=50, help="reads a second (default: %(default)s)")
    parser.add_argument("--followers", type=int, default=500, help="of one book's events (default: %(default)s)")
    parser.add_argument("--submits", type=int, default=60, help="books asked for, five a second (default: %(default)s)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name, server(Path(name)) as (url, pid):
        load = os.getloadavg()[0]
        figures = asyncio.run(
            measure(url, pid, seconds=options.seconds, rate=options.rate, followers=options.followers,
                    num_submits=options.submits)
        )  # fmt: skip
    card = {"python": platform.python_version(), "cores": os.cpu_count(), "load_before": round(load, 1)}
    for key, value in {**card, **figures}.items():
        print(f"{key:32} {value}")
    print(json.dumps({**card, **figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
