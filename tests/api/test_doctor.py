"""The doctor tries each thing itself and says on one screen what works."""

import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from api.cli import main
from api.commands.doctor import examine
from api.exit_codes import BAD_INPUT, MODEL, OK
from api.outcome import Outcome
from api.settings import SAMPLE_BANK_DIR, Settings
from tests.story.servers import serving

FABLEVERSE = Path(sys.executable).with_name("fableverse")


def diagnose(tmp_path: Path, settings: Settings, *, search_path: str = "") -> Outcome:
    return examine(settings, folder=tmp_path, environment={"PATH": search_path}, tell=lambda _: None)


def statuses(outcome: Outcome) -> dict[str, str]:
    return {name: str(found["status"]) for name, found in outcome.data.items() if isinstance(found, dict)}


def ready(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """A language model that is ready."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    content = '{"word": "ready"}' if body["model"] == "good" else "Hello!"
    for delta, reason in (({"role": "assistant", "content": content}, None), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]}
        handler.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
    handler.wfile.write(b"data: [DONE]\n\n")


def test_one_screen_says_what_works(tmp_path: Path, pocket_model_dir: Path) -> None:
    assert pocket_model_dir.is_dir()
    java = tmp_path / "java"
    java.write_text('#!/bin/sh\necho "openjdk 21" >&2\n')
    java.chmod(0o755)
    with serving(ready) as base_url:
        settings = Settings(llm="openai:good", base_url=base_url, timeout_s=60)
        outcome = diagnose(tmp_path, settings, search_path=str(tmp_path))
    found = statuses(outcome)
    assert outcome.exit_code == OK
    assert len(outcome.lines) <= 24
    assert any("quality: float32 on cpu; expected peak 0.1 GB" in line for line in outcome.lines)
    working = ("picture model", "bank", "language model", "java", "pdf", "disk")
    assert {name: found[name] for name in working} == dict.fromkeys(working, "works")
    assert found["chromium"] == found["cluster"] == found["moderation"] == "absent"
    assert any("openai:good answered in" in line for line in outcome.lines)
    assert any("openjdk 21" in line for line in outcome.lines)


def test_what_is_broken_is_named_and_decides_the_exit_code(tmp_path: Path) -> None:
    empty = tmp_path / "no-model"
    empty.mkdir()
    with serving(ready) as base_url:
        settings = Settings(
            model=str(empty), cluster="10.0.0.1:6379", llm="openai:chatty", base_url=base_url, timeout_s=60
        )
        outcome = diagnose(tmp_path, settings)
    found = statuses(outcome)
    assert (found["picture model"], found["language model"], found["java"]) == ("broken", "broken", "absent")
    assert found["cluster"] == "broken" and any("RAY_AUTH_MODE=token" in line for line in outcome.lines)
    assert outcome.exit_code == MODEL
    assert any("not in the shape" in line for line in outcome.lines)


@pytest.mark.parametrize("damage", ["damaged", "file"])
def test_a_bank_that_cannot_be_used_is_named_on_the_screen(tmp_path: Path, pocket_model_dir: Path, damage: str) -> None:
    assert pocket_model_dir.is_dir()
    bank_dir = tmp_path / "bank"
    if damage == "file":
        bank_dir.write_text("no bank")
    else:
        shutil.copytree(SAMPLE_BANK_DIR / "luna", bank_dir / "luna")
        (bank_dir / "luna" / "preview.png").unlink()
    outcome = diagnose(tmp_path, Settings(bank_dir=bank_dir))
    found = statuses(outcome)
    assert (found["picture model"], found["bank"], found["disk"]) == ("works", "broken", "works")
    named = {"damaged": "luna/preview.png' is missing", "file": "bank' is a file"}[damage]
    assert any(named in line for line in outcome.lines)
    assert outcome.exit_code == BAD_INPUT


def test_a_language_model_that_cannot_be_asked_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--llm", "nobody:at-all", "--model", str(tmp_path), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["language model"]["status"] == "broken"
    assert code == MODEL


def test_where_pdfs_cannot_be_made_the_way_to_get_them_is_told(tmp_path: Path, without_pango: dict[str, str]) -> None:
    command = [FABLEVERSE, "doctor", "--model", tmp_path, "--json"]
    done = subprocess.run(command, env=os.environ | without_pango, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["pdf"]
    assert found["status"] == "absent"
    assert "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0" in found["detail"]
