"""Makes the books beside it: one by the built-in storyteller, one by a scripted stand-in for a language model.

    python examples/make.py

The stand-in is a real HTTP server of OpenAI's protocol on this machine that answers from `scripted_story.json`, written
by hand. The book goes through everything that a model's answers go through: streaming, checks, line-up, proof.
"""

import json
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from api.cli import main

HERE = Path(__file__).resolve().parent


class _Handler(BaseHTTPRequestHandler):
    """Streams the answer to whatever stage is asked for."""

    answers: Mapping[str, Any] = json.loads((HERE / "scripted_story.json").read_text(encoding="utf-8"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = json.dumps(self.answers[body["response_format"]["json_schema"]["name"]])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self._send({"role": "assistant", "content": ""})
        for start in range(0, len(text), 200):
            self._send({"content": text[start : start + 200]})
        self._send({}, finish_reason="stop")
        self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, delta: dict[str, str], *, finish_reason: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        event = {"id": "s", "object": "chat.completion.chunk", "created": 0, "model": "scripted", "choices": [choice]}
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to tell."""


def make_all() -> int:
    """Both books, each in its folder; returns the exit code of the first that fails."""
    common = ["--pages", "4", "--seed", "1", "--bank", str(HERE.parent / "pocket" / "bank")]
    told = main(["book", "a robot who has lost a song", *common, "--out", str(HERE / "storyteller")])
    if told:
        return told
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/v1"
        model = ["--llm", "openai:scripted-by-hand", "--base-url", address]
        return main(["book", "a fox who cannot sleep", *common, *model, "--out", str(HERE / "scripted-model")])


if __name__ == "__main__":
    sys.exit(make_all())
