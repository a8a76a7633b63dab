"""The adapter to real endpoints: how bad answers, errors and deadlines of a local server come out of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pydantic import BaseModel, Field

from story.costs import MeteredModel, Price, estimate_tokens
from story.errors import BudgetExceeded, LanguageModelError, LanguageModelUnreachable
from story.langchain_model import LangchainLanguageModel
from story.llm import Completion, Message, ScriptedLanguageModel, Usage, json_part
from story.schema import StoryRequest
from tests.story.builders import BANK
from tests.story.misbehaving_server import Behaviour, misbehaving
from tests.story.servers import serving

ASKED = [Message("system", "You write."), Message("user", "Write.")]
REQUEST = StoryRequest(idea="a fox", catalog=BANK, pages=4)


class TextsAnswer(BaseModel):
    """The shape that the misbehaving server answers texts in."""

    pages: list[dict[str, Any]] = Field(json_schema_extra={"maxItems": 2})


class Ready(BaseModel):
    """A shape of one word."""

    word: str


def ask(base_url: str, *, max_attempts: int = 1, texts: list[str] | None = None) -> Completion[TextsAnswer]:
    model = LangchainLanguageModel(
        "openai:tiny", base_url=base_url, timeout_s=60, max_attempts=max_attempts, first_wait_s=0.01
    )
    return model.complete(ASKED, TextsAnswer, max_tokens=500, on_text=None if texts is None else texts.append)


def ask_behaving(behaviour: Behaviour) -> Completion[TextsAnswer]:
    with misbehaving(REQUEST, lambda: behaviour) as server:
        return ask(server.address)


@contextmanager
def answering(status: int, payload: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers every question with the same status and JSON."""
    asked: list[dict[str, Any]] = []

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        asked.append(body)
        data = json.dumps(payload).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    with serving(answer) as base_url:
        yield base_url, asked


def test_the_request_is_strict_streams_and_has_a_limit() -> None:
    with misbehaving(REQUEST) as server:
        completion = ask(server.address)
    assert completion.value is not None
    body = server.requests[0]
    assert body["response_format"]["json_schema"]["strict"] is True
    assert "maxItems" not in json.dumps(body["response_format"]), "not every provider accepts it"
    assert body["stream"] is True
    assert body["max_completion_tokens"] == 500
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_an_endpoint_that_takes_no_schemas_gets_them_in_words() -> None:
    asked: list[dict[str, Any]] = []

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        asked.append(body)
        if "response_format" in body:
            data, content_type = (
                json.dumps({"error": {"message": "This response_format type is unavailable now"}}),
                "json",
            )
        else:
            chunks = [
                {
                    "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}],
                    "usage": {"prompt_tokens": 40, "completion_tokens": tokens, "total_tokens": 40 + tokens},
                }
                for text, tokens in (('{"word": ', 3), ('"ready"}', 5))
            ]
            lines = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
            data, content_type = f"{lines}data: [DONE]\n\n", "event-stream"
        handler.send_response(400 if "response_format" in body else 200)
        handler.send_header("Content-Type", f"text/{content_type}")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data.encode())

    with serving(answer) as base_url:
        model = LangchainLanguageModel("openai:tiny", base_url=base_url, timeout_s=60)
        for _ in range(2):
            completion = model.complete(ASKED, Ready, max_tokens=50)
            assert completion.value == Ready(word="ready")
            assert completion.usage == Usage(input_tokens=40, output_tokens=5), "each chunk told all tokens so far"
    assert ["response_format" in body for body in asked] == [True, False, False], "it is not tried a second time"
    assert json.dumps(Ready.model_json_schema()) in asked[1]["messages"][-1]["content"]


def test_an_answer_streams_in() -> None:
    texts: list[str] = []
    request = REQUEST.model_copy(update={"pages": 16})
    with misbehaving(request) as server:
        model = LangchainLanguageModel("openai:tiny", base_url=server.address, timeout_s=60)
        completion = model.complete(ASKED, OutlineAnswer, max_tokens=5000, on_text=texts.append)
    assert len(texts) > 3
    assert all(later.startswith(earlier) for earlier, later in zip(texts, texts[1:], strict=False))
    assert texts[-1] == completion.raw


class OutlineAnswer(BaseModel):
    """The shape that the misbehaving server answers outlines in."""

    title: str


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        ("good", ""),
        ("fenced", ""),
        ("wrong-schema", "pages.0"),
        ("refusing", "refused: I would rather not"),
        ("empty", "no JSON"),
        ("endless", "did not end"),
    ],
)
def test_a_bad_answer_is_a_value_that_says_what_is_wrong(behaviour: Behaviour, problem: str) -> None:
    completion = ask_behaving(behaviour)
    assert (completion.value is None) == bool(problem)
    assert problem in completion.problem


def test_attempts_are_counted_and_then_it_is_unreachable() -> None:
    with answering(503, {"error": {"message": "busy"}}) as (base_url, asked):
        with pytest.raises(LanguageModelUnreachable, match="tiny.*no answer after 2 attempts.*busy"):
            ask(base_url, max_attempts=2)
    assert len(asked) == 2


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_refused_request_is_an_error_that_names_the_model(status: int) -> None:
    with answering(status, {"error": {"message": "bad key"}}) as (base_url, asked):
        with pytest.raises(LanguageModelError, match="tiny.*bad key") as caught:
            ask(base_url, max_attempts=3)
    assert not isinstance(caught.value, LanguageModelUnreachable)
    assert len(asked) == 1


def test_no_server_is_unreachable() -> None:
    with answering(200, {}) as (base_url, _):
        pass
    with pytest.raises(LanguageModelUnreachable, match="built-in storyteller"):
        ask(base_url)


@pytest.mark.parametrize("name", ["gpt-5.5", "openai:", ":gpt", "openai:two words"])
def test_a_name_without_provider_is_refused(name: str) -> None:
    with pytest.raises(LanguageModelError, match="provider:name"):
        LangchainLanguageModel(name)


def test_a_provider_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(LanguageModelError, match="langchain-cohere"):
        LangchainLanguageModel("cohere:command-a").complete(ASKED, Ready, max_tokens=10)


def test_a_provider_that_does_not_exist_is_refused() -> None:
    with pytest.raises(LanguageModelError, match="nobody"):
        LangchainLanguageModel("nobody:at-all").complete(ASKED, Ready, max_tokens=10)


def test_another_provider_of_langchains_answers_in_the_shape_too() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        """Ollama's own protocol: one JSON object a line."""
        assert handler.path == "/v1/api/chat" and body["format"]["title"] == "Ready"
        assert body["options"]["num_predict"] == 100, "the budget counts on the limit"
        last = {"done": True, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7}
        send_lines(handler, ('{"word": ', {}), ('"yes"}', {}), ("", last))

    with serving(answer) as base_url:
        model = LangchainLanguageModel("ollama:tiny", base_url=base_url, timeout_s=60)
        completion = model.complete(ASKED, Ready, max_tokens=100)
    assert completion.value == Ready(word="yes")
    assert completion.usage == Usage(input_tokens=11, output_tokens=7)


def test_what_chunks_say_of_tokens_is_added_up() -> None:
    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        """Each chunk with the tokens that it took, as langchain has them of Gemini."""
        del body
        first, second = {"prompt_eval_count": 3000, "eval_count": 1400}, {"prompt_eval_count": 0, "eval_count": 3}
        send_lines(handler, ('{"word": ', first), ('"yes"}', second), ("", {"done": True, "done_reason": "length"}))

    with serving(answer) as base_url:
        model = LangchainLanguageModel("ollama:tiny", base_url=base_url, timeout_s=60)
        completion = model.complete(ASKED, Ready, max_tokens=1500)
    assert completion.usage == Usage(input_tokens=3000, output_tokens=1403)


def send_lines(handler: BaseHTTPRequestHandler, *chunks: tuple[str, dict[str, Any]]) -> None:
    """An answer in Ollama's protocol: text, and what else each line says."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-ndjson")
    handler.end_headers()
    for text, more in chunks:
        chunk = {"model": "tiny", "message": {"role": "assistant", "content": text}, "done": False, **more}
        handler.wfile.write(json.dumps(chunk).encode() + b"\n")


def test_the_schema_counts_towards_a_budget() -> None:
    price, asked = Price(input_usd=1e6, output_usd=0.0), sum(estimate_tokens(each.content) + 8 for each in ASKED)
    shape = len(json.dumps(Ready.model_json_schema())) // 3
    for budget_usd, is_kept in ((asked + shape / 2, True), (asked + 2 * shape, False)):
        model = ScriptedLanguageModel(['{"word": "ready"}'])
        meter = MeteredModel(model, price=price, budget_usd=budget_usd)
        with pytest.raises(BudgetExceeded) if is_kept else nullcontext():
            meter.ask("outline", ASKED, Ready, max_tokens=50)
        assert len(model.history) == (0 if is_kept else 1)


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ('{"a": "{x} </think> y"}', '{"a": "{x} </think> y"}'),
        ('{who} it is</think>{"a": "y"}', '{"a": "y"}'),
        ('<think>{"b": 1}</think> {"a": "y"}', '{"a": "y"}'),
    ],
)
def test_thoughts_end_before_an_answer_and_not_in_it(raw: str, part: str) -> None:
    assert json_part(raw) == part


def test_a_scripted_model_without_answers_says_so() -> None:
    model = ScriptedLanguageModel([])
    with pytest.raises(LanguageModelError, match="asked 1 times"):
        model.complete(ASKED, Ready, max_tokens=10)
    assert model.history == [tuple(ASKED)]
