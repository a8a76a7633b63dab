"""What clients of the service saw, as lines of JSON, and the laws that it has to obey whatever was killed meanwhile.

    python -m benchmarks.history HISTORY.jsonl

checks a history that `benchmarks.kill_test` wrote. The laws:

1. An acknowledged job is never lost, and it ends.
2. A state that ends a job never changes.
3. A job's events are numbered from 1 without gaps; one of them ends it, and it is the last.
4. Every scene of a book is drawn once: neither lost nor done twice.
5. A cancellation that was acknowledged holds.
6. Every file that the service lists has the hash that it lists.
7. A request that is repeated under its key makes one job: jobs that are listed are those that were acknowledged.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENDED = {"succeeded", "failed", "canceled"}


@dataclass
class JobHistory:
    """All that was seen of one job."""

    states: list[str] = field(default_factory=list)
    """In the order in which clients saw them."""
    canceled_as: str | None = None
    """What the answer to a cancellation said."""
    events: list[Mapping[str, Any]] | None = None
    """At the end."""
    files: list[Mapping[str, Any]] | None = None
    """At the end: name, and hashes as listed and as downloaded."""
    pictures: int = 0


def read_history(path: Path) -> list[dict[str, Any]]:
    """The lines of a history file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check_history(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """What breaks a law, in words; empty when all hold."""
    lines = list(lines)
    faults = _faults_of_keys(lines)
    for job_id, job in _by_job(lines).items():
        faults += [f"{job_id}: {fault}" for fault in _faults_of(job)]
    return faults


def _faults_of_keys(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    made: dict[str, set[str]] = {}
    for line in lines:
        if line["what"] == "acknowledged":
            made.setdefault(line["key"], set()).add(line["job"])
    faults = [f"law 7: {key} made {', '.join(sorted(ids))}" for key, ids in made.items() if len(ids) > 1]
    known = sorted(job for ids in made.values() for job in ids)
    for line in lines:
        if line["what"] == "listed" and sorted(line["jobs"]) != known:
            odd = Counter(line["jobs"])
            odd.subtract(known)
            faults.append(f"law 7: listed too often or too rarely: { {id_: n for id_, n in odd.items() if n} }")
    return faults


def _by_job(lines: Iterable[Mapping[str, Any]]) -> dict[str, JobHistory]:
    jobs: dict[str, JobHistory] = {}
    for line in lines:
        if "job" not in line:
            continue
        job = jobs.setdefault(line["job"], JobHistory())
        if line["what"] == "acknowledged":
            job.pictures = line["pictures"]
        elif line["what"] == "seen":
            job.states.append(line["state"])
        elif line["what"] == "canceled":
            job.canceled_as = line["state"]
            job.states.append(line["state"])
        elif line["what"] == "events":
            job.events = line["events"]
        elif line["what"] == "files":
            job.files = line["files"]
    return jobs


def _faults_of(job: JobHistory) -> list[str]:
    faults: list[str] = []
    last = job.states[-1] if job.states else "never seen again"
    if last not in ENDED:
        faults.append(f"law 1: it was acknowledged and is {last}")
    ends = [state for state in job.states if state in ENDED]
    if len(set(ends)) > 1 or (ends and job.states[job.states.index(ends[0]) :] != ends):
        faults.append(f"law 2: it was {' then '.join(job.states)}")
    if job.canceled_as == "canceled" and last != "canceled":
        faults.append(f"law 5: its cancellation was acknowledged, and it is {last}")
    if last == "failed":
        faults.append("law 1: it failed, though nothing was wrong with it")
    faults += _faults_of_events(job.events or [], succeeded=last == "succeeded", pictures=job.pictures)
    for file in job.files or []:
        if file["listed"] != file["downloaded"]:
            faults.append(f"law 6: {file['name']} is listed as {file['listed']} and is {file['downloaded']}")
    if last == "succeeded" and not job.files:
        faults.append("law 6: it succeeded and has no files")
    return faults


def _faults_of_events(events: Sequence[Mapping[str, Any]], *, succeeded: bool, pictures: int) -> list[str]:
    faults: list[str] = []
    numbers = [event["id"] for event in events]
    if numbers != list(range(1, len(numbers) + 1)) or not numbers:
        faults.append(f"law 3: its events are numbered {numbers}")
    ends = [index for index, event in enumerate(events) if event["type"] in ENDED]
    if ends != [len(events) - 1]:
        faults.append(f"law 3: events that end it stand at {ends} of {len(events)}")
    drawn = Counter(event["data"]["picture"] for event in events if event["type"] == "picture")
    twice = sorted(picture for picture, times in drawn.items() if times > 1)
    if twice:
        faults.append(f"law 4: pictures drawn twice: {twice}")
    if succeeded and sorted(drawn) != list(range(pictures)):
        faults.append(f"law 4: of {pictures} pictures, drawn are {sorted(drawn)}")
    return faults


def main() -> int:
    """Check the file that the command line names; the exit code is 1 when a law is broken."""
    faults = check_history(read_history(Path(sys.argv[1])))
    for fault in faults:
        print(fault)
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
