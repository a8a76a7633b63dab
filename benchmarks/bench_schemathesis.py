"""Lets Schemathesis ask the service for whatever its OpenAPI document allows and forbids, with and without API keys.

    python -m benchmarks.bench_schemathesis --max-examples 20

The service is `benchmarks/flat_service.py`: everything but the picture model. First a scene, a story, a book and a
webhook are made, which requests are about; then `schemathesis run` goes through all of its phases, stateful testing
among them, with all of its checks: once where no key is asked for, once with a key. Prints what it says; the last line
is JSON, and the exit code is 1 when anything failed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from api.service.keys import SCOPES, KeyStore
from api.service.settings import ServiceSettings
from api.settings import SAMPLE_BANK_DIR, Settings
from benchmarks.flat_service import FlatService, flat_service
from concepts.bank import seed_bank

SCHEMATHESIS: Final = Path(sys.executable).with_name("schemathesis")
OWNER: Final = "tester"
CONFIG: Final = """
hooks = "benchmarks.schemathesis_checks"

[checks]
# 412 and 422 also tell of what is well-formed and cannot be done: an edit of another version, a concept that the bank
# lacks, an upload that is no picture. The check `schema_tells_all` sees to it that no 422 is about the form.
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 422, 429]
# RFC 6585: 428 is the answer to an edit without If-Match.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 415, 422, 428, 429]
missing_required_header.expected-statuses = [400, 401, 403, 406, 415, 422, 428]

[parameters]
"""


def run(folder: Path, *, with_keys: bool, max_examples: int, seed: int) -> dict[str, Any]:
    """One round; returns how many cases there were and what failed."""
    seed_bank(folder / "bank", SAMPLE_BANK_DIR)
    settings = ServiceSettings(
        data_dir=folder / "data", ask_keys=with_keys, most_open_jobs=1_000_000,
        base=Settings(bank_dir=folder / "bank"),
    )  # fmt: skip
    if with_keys:
        seed_bank(settings.bank_dir_of(OWNER), SAMPLE_BANK_DIR)
    started = time.monotonic()
    with flat_service(settings) as service:
        headers: dict[str, str] = {}
        if with_keys:
            key, _ = KeyStore(service.database).create(OWNER, scopes=SCOPES)
            headers["Authorization"] = f"Bearer {key}"
        parameters = _make_something(service, headers)
        config, report = folder / "schemathesis.toml", folder / "report.json"
        config.write_text(CONFIG + "".join(f"{name} = {json.dumps(value)}\n" for name, value in parameters.items()))
        command = [
            str(SCHEMATHESIS), "--config-file", str(config), "run", f"{service.url}/openapi.json", "--checks", "all",
            "--max-examples", str(max_examples), "--seed", str(seed), "--continue-on-failure", "--no-color",
            "--generation-database", "none", "--request-timeout", "60", "--rate-limit", "auto",
            "--report", "json", "--report-json-path", str(report),
            *(part for name, value in headers.items() for part in ("--header", f"{name}: {value}")),
        ]  # fmt: skip
        path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
        code = subprocess.run(command, check=False, cwd=folder, env={**os.environ, "PYTHONPATH": path}).returncode
    told = json.loads(report.read_text(encoding="utf-8"))
    return {
        "keys": with_keys,
        "exit_code": code,
        "seconds": round(time.monotonic() - started),
        "operations": told["operations"]["tested"],
        "phases": {name: phase["status"] for name, phase in told["phases"].items()},
        "cases": told["test_cases"]["generated"],
        "failures": told["test_cases"]["unique_failures"],
        "errors": told["errors"],
    }


def _make_something(service: FlatService, headers: Mapping[str, str]) -> dict[str, str]:
    """One of everything; returns the parameters of addresses that lead there."""
    wait = {**headers, "Prefer": "wait=120"}
    ids: dict[str, str] = {"concept_id": "rusty", "name": "page-1"}
    with httpx.Client(base_url=service.url, timeout=150) as client:
        for place, body in (
            ("scenes", {"prompt": "a @rusty waving"}),
            ("stories", {"idea": "a fox who cannot sleep", "pages": 4}),
            ("books", {"idea": "a rabbit by the sea", "pages": 4}),
        ):
            job = client.post(f"/v1/{place}", json=body, headers=wait).raise_for_status().json()
            if job["status"] != "succeeded":
                raise RuntimeError(f"{place}: {job['error']}")
            ids |= {f"{kind}_id": id_ for kind, id_ in job["result"].items()} | {"job_id": job["id"]}
        book = client.get(f"/v1/books/{ids['book_id']}", headers=headers).raise_for_status().json()
        ids["sha256"] = book["files"]["page-1"]["sha256"]
    return ids


def main(argv: Sequence[str] | None = None) -> int:
    """Run both rounds as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_schemathesis")
    parser.add_argument("--max-examples", type=int, default=40, help="cases of each operation in each phase, at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    rounds: list[dict[str, Any]] = []
    for with_keys in (False, True):
        with tempfile.TemporaryDirectory() as name:
            rounds.append(run(Path(name), with_keys=with_keys, max_examples=options.max_examples, seed=options.seed))
    print(json.dumps(rounds))
    return 1 if any(each["exit_code"] for each in rounds) else 0


if __name__ == "__main__":
    sys.exit(main())
