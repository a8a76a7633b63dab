"""The real adapter against a real local server that speaks OpenAI's chat-completions protocol."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from story.errors import LanguageModelError, LanguageModelUnreachable
from story.llm import LangchainLanguageModel, Message, ScriptedLanguageModel
from story.schema import StoryRequest
from story.writer import LanguageModelWriter, StoryAnswer, story_schema
from tests.story.builders import BANK, a_page, an_answer, count_words, storyteller, writer

GOOD = an_answer([a_page(n) for n in range(1, 5)])
ASKED = [Message("system", "You write."), Message("user", "Write.")]


def chat(content: str | None, *, finish_reason: str = "stop", refusal: str | None = None) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


@contextmanager
def serving(*answers: tuple[int, dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server on loopback that gives these answers in turn, the last one again and again."""
    requests: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append({"path": self.path, "body": body})
            status, answer = answers[min(len(requests), len(answers)) - 1]
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def model_at(base_url: str, *, max_attempts: int = 1) -> LangchainLanguageModel:
    return LangchainLanguageModel("openai:tiny", base_url=base_url, timeout_s=60, max_attempts=max_attempts)


def test_a_story_is_written_through_the_real_adapter() -> None:
    scripted, _ = writer()
    with serving((200, chat(GOOD))) as (base_url, requests):
        built = LanguageModelWriter(
            model_at(base_url),
            prompts=scripted.prompts,
            storyteller=storyteller(),
            count_tokens=count_words,
            max_tokens=48,
        )
        written = built.write(StoryRequest(idea="a fox", catalog=BANK, pages=4))
    assert written.story.title == "Rusty Goes On"
    assert written.warnings == ()
    assert json.loads(written.replies[0].raw) == json.loads(GOOD)
    assert (written.replies[0].input_tokens, written.replies[0].output_tokens) == (11, 7)
    body = requests[0]["body"]
    assert requests[0]["path"] == "/v1/chat/completions"
    assert body["temperature"] == 0.8
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["strict"] is True
    page = body["response_format"]["json_schema"]["schema"]["$defs"]["PageAnswer"]
    assert page["properties"]["concepts"]["items"]["enum"] == [card.id for card in BANK]
    assert page["additionalProperties"] is False
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("answer", "is_read", "problem"),
    [
        (chat(f"```json\n{GOOD}\n```"), True, ""),
        (chat(GOOD[:300]), False, "EOF"),
        (chat(GOOD[:300], finish_reason="length"), False, "cut off"),
        (chat(None, refusal="I would rather not."), False, "refused"),
        (chat(""), False, "no JSON"),
        (chat('{"title": "A"}'), False, "cover"),
    ],
    ids=["fenced", "truncated", "length", "refusal", "empty", "wrong schema"],
)
def test_a_bad_answer_is_a_value_that_says_what_is_wrong(answer: dict[str, Any], is_read: bool, problem: str) -> None:
    with serving((200, answer)) as (base_url, _):
        completion = model_at(base_url).complete(ASKED, story_schema(BANK))
    assert (completion.value is not None) == is_read
    assert problem in completion.problem
    assert bool(completion.problem) != is_read


def test_a_server_error_is_tried_again() -> None:
    with serving((500, {"error": {"message": "busy"}}), (200, chat(GOOD))) as (base_url, requests):
        completion = model_at(base_url, max_attempts=2).complete(ASKED, StoryAnswer)
    assert completion.value is not None
    assert len(requests) == 2


def test_attempts_are_counted_and_then_it_is_unreachable() -> None:
    with serving((503, {"error": {"message": "busy"}})) as (base_url, requests):
        with pytest.raises(LanguageModelUnreachable, match="tiny.*no answer after 2 attempts"):
            model_at(base_url, max_attempts=2).complete(ASKED, StoryAnswer)
    assert len(requests) == 2


def test_a_refused_key_is_an_error_that_names_the_model() -> None:
    with serving((401, {"error": {"message": "bad key"}})) as (base_url, _):
        with pytest.raises(LanguageModelError, match="tiny.*bad key") as caught:
            model_at(base_url).complete(ASKED, StoryAnswer)
    assert not isinstance(caught.value, LanguageModelUnreachable)


def test_no_server_is_unreachable() -> None:
    with serving((200, chat(GOOD))) as (base_url, _):
        pass
    with pytest.raises(LanguageModelUnreachable, match="built-in storyteller"):
        model_at(base_url).complete(ASKED, StoryAnswer)


@pytest.mark.parametrize("name", ["gpt-5.5", "anthropic:claude", "openai:", "openai:two words"])
def test_a_model_that_is_not_openais_protocol_is_refused(name: str) -> None:
    with pytest.raises(LanguageModelError, match="openai:NAME"):
        LangchainLanguageModel(name)


def test_a_scripted_model_without_answers_says_so() -> None:
    model = ScriptedLanguageModel([])
    with pytest.raises(LanguageModelError, match="asked 1 times"):
        model.complete(ASKED, StoryAnswer)
    assert model.history == [tuple(ASKED)]
