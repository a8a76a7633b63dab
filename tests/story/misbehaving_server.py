"""A server of OpenAI's chat-completions protocol that answers soundly or in any of the ways that real ones go wrong.

Real HTTP and real server-sent events, on loopback. What it does is decided per request by whoever starts it.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal, get_args

from story.schema import StoryRequest
from tests.story.brain import Brain, asked_numbers
from tests.story.servers import serving

Behaviour = Literal[
    "good", "fenced", "truncated", "wrong-schema", "wrong-language", "refusing", "empty", "hostile", "busy", "failing",
    "dripping", "cut", "endless",
]  # fmt: skip
BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
MOST_SECONDS = 5.0
"""After so long it gives up by itself, so that no test waits for a client that should have hung up."""
HOSTILE = {"text": '<script>alert("x")</script>', "alt": "<img src=x onerror=alert(1)>", "title": "<b>Fox</b>"}


@dataclass
class MisbehavingServer:
    """What it does next and what it was asked; `address` is set once it runs."""

    brain: Brain
    next_behaviour: Callable[[], Behaviour] = lambda: "good"
    address: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    done: list[Behaviour] = field(default_factory=list)
    hung_up: int = 0
    """How many answers the client did not wait for."""

    def answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        """One request, answered as the next behaviour wants it."""
        self.requests.append(body)
        behaviour = self.next_behaviour()
        self.done.append(behaviour)
        try:
            if behaviour == "busy":
                _send_error(handler, 429, "slow down", retry_after="0.01")
            elif behaviour == "failing":
                _send_error(handler, 500, "out of memory")
            else:
                self._stream(handler, behaviour, body)
        except OSError:
            self.hung_up += 1

    def _stream(self, handler: BaseHTTPRequestHandler, behaviour: Behaviour, body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        deadline = time.monotonic() + MOST_SECONDS
        text = self._text(behaviour, body["response_format"]["json_schema"])
        _send_delta(handler, {"role": "assistant", "content": ""})
        if behaviour == "dripping":
            while time.monotonic() < deadline:
                _write(handler, b": still here\n\n")
                time.sleep(0.02)
        elif behaviour == "endless":
            while time.monotonic() < deadline:
                _send_delta(handler, {"content": '{"pages": [' + " " * 2000})
        elif behaviour == "refusing":
            _send_delta(handler, {"refusal": "I would rather not."})
        else:
            for start in range(0, len(text), 400):
                _send_delta(handler, {"content": text[start : start + 400]})
                if behaviour == "cut":
                    return
        _send_delta(handler, {}, finish_reason="length" if behaviour == "truncated" else "stop")
        _send_usage(handler)
        _write(handler, b"data: [DONE]\n\n")

    def _text(self, behaviour: Behaviour, asked: dict[str, Any]) -> str:
        numbers = asked_numbers(asked["schema"])
        sound = self.brain.answer(asked["name"], numbers)
        if behaviour == "fenced":
            return f"Here it is:\n```json\n{sound}\n```"
        if behaviour == "truncated":
            return sound[: len(sound) // 2]
        if behaviour == "wrong-schema":
            return '{"story": "Once there was a fox.", "pages": [1, 2, "three", {"number": "x"}]}'
        if behaviour == "empty":
            return ""
        if behaviour == "wrong-language":
            other = "ko" if self.brain.request.language == "en" else "en"
            request = self.brain.request.model_copy(update={"language": other})
            return Brain(request).answer(asked["name"], numbers)
        if behaviour == "hostile":
            data = json.loads(sound)
            for item in (data, *data["pages"]):
                item |= {key: value for key, value in HOSTILE.items() if key in item}
                if "prompt" in item:
                    item["prompt"] = "a fox <svg onload=alert(1)> and a cat"
            return json.dumps(data)
        return sound


@contextmanager
def misbehaving(
    request: StoryRequest, next_behaviour: Callable[[], Behaviour] = lambda: "good"
) -> Iterator[MisbehavingServer]:
    """A running server for stories of one request."""
    server = MisbehavingServer(brain=Brain(request), next_behaviour=next_behaviour)
    with serving(server.answer) as address:
        server.address = address
        yield server


def _send_error(handler: BaseHTTPRequestHandler, status: int, message: str, *, retry_after: str = "") -> None:
    data = json.dumps({"error": {"message": message}}).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data)))
    if retry_after:
        handler.send_header("Retry-After", retry_after)
    handler.end_headers()
    handler.wfile.write(data)


def _send_delta(handler: BaseHTTPRequestHandler, delta: dict[str, Any], *, finish_reason: str | None = None) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    _send_event(handler, {"choices": [choice]})


def _send_usage(handler: BaseHTTPRequestHandler) -> None:
    usage = {"prompt_tokens": 1100, "completion_tokens": 700, "total_tokens": 1800}
    _send_event(handler, {"choices": [], "usage": usage})


def _send_event(handler: BaseHTTPRequestHandler, fields: dict[str, Any]) -> None:
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "tiny", **fields}
    _write(handler, b"data: " + json.dumps(event).encode() + b"\n\n")


def _write(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.wfile.write(data)
    handler.wfile.flush()


def threads_named(name: str) -> int:
    """How many threads of a name are alive."""
    return sum(thread.name == name for thread in threading.enumerate())
