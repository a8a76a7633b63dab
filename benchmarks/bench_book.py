"""A whole book as a person makes it: seconds from the command to `book.html`, its parts, and the peak of memory.

    python -m benchmarks.bench_book

The book is made by the `fableverse` command in a process of its own, in an empty folder. Then the same prompts are
drawn, at the same size, steps and seeds, by a plain `FluxPipeline` loop in this process, as a yardstick for the
drawing. Prints a table; the last line is JSON.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from api.book_lock import BookLock, read_lock
from benchmarks.bench_modulation import draw_plain
from generator.loading import load_model

FABLEVERSE = Path(sys.executable).with_name("fableverse")
IDEA = "a cat who keeps a lighthouse and is afraid of the dark"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_book", description=__doc__.splitlines()[0])
    parser.add_argument("--idea", default=IDEA)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--model", default="pocket", help="'pocket', a folder or a hub id (default: %(default)s)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        told = make_book(Path(folder), options.idea, seed=options.seed, model=options.model)
        total_s = time.perf_counter() - started
        memory_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
        lock, _ = read_lock(Path(folder) / told["book"].replace("book.html", "book.lock"))
    plain_s = draw_plainly(lock)
    seconds = told["seconds"]
    rows = {
        "whole command": total_s,
        **{f"  {part}": spent for part, spent in seconds.items()},
        "plain FluxPipeline loop": plain_s,
    }
    for name, spent in rows.items():
        print(f"{name:26}{spent:9.2f} s")
    print(f"{'drawing / plain':26}{seconds['drawing'] / plain_s:9.3f}")
    print(f"{'peak memory':26}{memory_mb:9.0f} MB")
    result = {
        "benchmark": "book",
        "model": lock.model.name,
        "pictures": len(lock.pictures),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "total_s": round(total_s, 2),
        "seconds": seconds,
        "plain_s": round(plain_s, 2),
        "ratio": round(seconds["drawing"] / plain_s, 4),
        "peak_memory_mb": round(memory_mb, 1),
    }
    print(json.dumps(result))
    return 0


def make_book(folder: Path, idea: str, *, seed: int, model: str) -> dict[str, Any]:
    """What `fableverse book --json` tells, run in `folder`."""
    command = [FABLEVERSE, "book", "--json", "--seed", str(seed), "--model", model, "--", idea]
    return json.loads(subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True).stdout)


def draw_plainly(lock: BookLock) -> float:
    """Seconds that a plain pipeline needs for the same prompts, without a warm-up, as the command has none."""
    model = load_model(lock.model.source)
    started = time.perf_counter()
    for picture in lock.pictures:
        draw_plain(model, picture.bound, lock.settings, picture.seed)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
