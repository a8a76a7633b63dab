"""Asks any chat model that langchain knows by name, OpenAI-compatible servers first of all.

Every call has one deadline, its attempts and waits included, and streams its answer. langchain and its providers are
imported when the first question is asked, not before. Knows no story.
"""

import asyncio
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from queue import SimpleQueue
from typing import Any

from pydantic import BaseModel

from story.errors import LanguageModelError, LanguageModelUnreachable
from story.llm import MAX_CHARACTERS_PER_TOKEN, Answer, Completion, Message, OnText, Usage, read_answer

_ADVICE = "or leave out --llm to use the built-in storyteller."
_BUSY = frozenset({408, 409, 425, 429})
_LIMIT_NAMES = {"openai": "max_completion_tokens", "ollama": "num_predict"}
"""What the limit of an answer is called where it is not langchain's "max_tokens"."""
_REASONS = ("finish_reason", "done_reason", "stop_reason")
_CUT_OFF = frozenset({"length", "max_tokens"})
"""Why an answer ended, by provider's word in lower case, when it ended at that limit."""
_SCHEMA_TERMS = ("response_format", "json_schema", "tool_choice", "structured output")


class _SchemaRefused(Exception):
    """The endpoint takes no schema beside the question."""


@dataclass
class _Received:
    """What has come of one answer so far."""

    text: str = ""
    usage: Usage = field(default_factory=Usage)
    refusal: str = ""
    problem: str = ""


class LangchainLanguageModel:
    """A chat model named "provider:name", as langchain's `init_chat_model` takes it.

    Args:
        model: "openai:" for OpenAI and every server that speaks its protocol; any other provider of langchain's whose
            package is installed, such as "anthropic:claude-sonnet-5" or "ollama:llama3.1".
        base_url: Address of a server, "http://localhost:11434/v1"; `None` is the provider's own.
        api_key: `None` leaves it to the provider's environment variable, or sends a placeholder to `base_url`.
        temperature: `None` leaves it to the model; some take no other than their own.
        timeout_s: For one call: attempts, waits between them and the whole answer.
        max_attempts: Of one call, the first included; repeated when the server is busy, fails or cannot be reached.
        first_wait_s: Before the second attempt, where the server names no time; twice as long before each later one.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        temperature: float | None = None,
        timeout_s: float = 600.0,
        max_attempts: int = 3,
        first_wait_s: float = 0.5,
    ) -> None:
        self.provider, colon, name = model.partition(":")
        if not colon or not self.provider or not name or " " in model:
            raise LanguageModelError(
                f"{model!r} names no language model: write 'provider:name', such as 'openai:gpt-5-mini'; a server that "
                "speaks OpenAI's protocol is 'openai:' and its model's name, with the server's address."
            )
        self.model = model
        self.base_url = base_url
        self.api_key = api_key
        self.temperature = temperature
        self.timeout_s = timeout_s
        self.max_attempts = max_attempts
        self.first_wait_s = first_wait_s
        self._chat_models: dict[int, Any] = {}
        self._takes_schemas = True

    def complete(
        self, messages: Sequence[Message], schema: type[Answer], *, max_tokens: int, on_text: OnText | None = None
    ) -> Completion[Answer]:
        """The model's answer through structured output; text around or fences about the JSON are forgiven.

        What came before a stream broke off, or before the deadline, is an answer with a problem. An endpoint that
        refuses schemas is asked again, then and ever after, with the schema as part of the question.

        Raises:
            LanguageModelError: The provider is not installed, or refuses key, model or request.
            LanguageModelUnreachable: Not a word in time, no connection, or a server error after all attempts.
        """
        deadline = time.monotonic() + self.timeout_s
        try:
            received = self._ask(messages, schema, max_tokens, on_text, deadline)
        except _SchemaRefused:
            self._takes_schemas = False
            received = self._ask(messages, schema, max_tokens, on_text, deadline)
        if received.refusal:
            problem = f"the model refused: {received.refusal}"
            return Completion(value=None, raw=received.refusal, usage=received.usage, problem=problem)
        return read_answer(received.text, schema, usage=received.usage, fallback=received.problem)

    def _ask(
        self,
        messages: Sequence[Message],
        schema: type[BaseModel],
        max_tokens: int,
        on_text: OnText | None,
        deadline: float,
    ) -> _Received:
        """What comes of one question, handed to `on_text` as it streams in."""
        pieces: SimpleQueue[str | None] = SimpleQueue()
        conversation = [(message.role, message.content) for message in messages]
        if self._takes_schemas:
            runnable = self._structured(schema, max_tokens)
        else:
            runnable = self._chat_model(max_tokens)
            conversation.append(("user", _schema_in_words(schema)))
        most = max_tokens * MAX_CHARACTERS_PER_TOKEN
        answering = self._answer(runnable, conversation, pieces, max_characters=most, deadline=deadline)
        future = asyncio.run_coroutine_threadsafe(answering, _network_loop())
        future.add_done_callback(lambda _: pieces.put(None))
        try:
            while (text := pieces.get()) is not None:
                if on_text is not None:
                    on_text(text)
            return future.result()
        finally:
            future.cancel()  # also when the caller is interrupted: the connection is closed

    async def _answer(
        self, runnable: Any, conversation: Sequence[tuple[str, str]], pieces: SimpleQueue[str | None], *,
        max_characters: int, deadline: float,
    ) -> _Received:  # fmt: skip
        """One answer, asked for until it comes or the deadline or the number of attempts is reached."""
        for attempt in range(1, self.max_attempts + 1):
            received = _Received()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._receive(runnable, conversation, received, pieces, max_characters)
                return received
            except TimeoutError as error:
                if received.text:
                    received.problem = f"the answer was not complete within {self.timeout_s:g} s"
                    return received
                raise self._unreachable(f"no answer within {self.timeout_s:g} s", attempt) from error
            except Exception as error:  # each provider has errors of its own; told apart by the status they carry
                if received.text or received.problem:
                    received.problem = received.problem or "the answer broke off"
                    return received
                if self._takes_schemas and _is_about_schemas(error):
                    raise _SchemaRefused from error
                wait = self._wait_after(error, attempt)
            if time.monotonic() + wait >= deadline:
                raise self._unreachable(f"it asks to wait {wait:g} s, longer than is left", attempt)
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def _receive(
        self, runnable: Any, conversation: Sequence[tuple[str, str]], received: _Received,
        pieces: SimpleQueue[str | None], max_characters: int,
    ) -> None:  # fmt: skip
        """One answer, chunk by chunk."""
        async for chunk in runnable.astream(conversation):
            text = str(chunk.text) or "".join(call.get("args") or "" for call in getattr(chunk, "tool_call_chunks", ()))
            self._count(chunk.usage_metadata, received)
            received.refusal += chunk.additional_kwargs.get("refusal") or ""
            reason = next(filter(None, map(chunk.response_metadata.get, _REASONS)), "").lower()
            if reason in _CUT_OFF:
                received.problem = "the answer was cut off at the length limit"
            elif reason == "content_filter":
                received.problem = "the provider's filter stopped the answer"
            if not text:
                continue
            received.text += text
            pieces.put(received.text)
            if len(received.text) > max_characters:
                received.problem = "the answer did not end"
                return

    def _count(self, counted: Mapping[str, Any] | None, received: _Received) -> None:
        """Take a chunk's tokens into account: by langchain's convention they come on top of the earlier ones'.

        Servers that speak OpenAI's protocol give all tokens so far instead, once at the end or with every chunk.
        """
        if not counted:
            return
        tokens = Usage(counted.get("input_tokens", 0), counted.get("output_tokens", 0))
        received.usage = tokens if self.provider == "openai" else received.usage + tokens

    def _wait_after(self, error: Exception, attempt: int) -> float:
        """Seconds to wait before asking again.

        Raises:
            LanguageModelError: Asking again would not help.
            LanguageModelUnreachable: That was the last attempt.
        """
        status = _status_of(error)
        if status is not None and 400 <= status < 500 and status not in _BUSY:
            raise LanguageModelError(
                f"The language model {self.model!r} at {self._place} refused the request: {_first_line(error)}. "
                f"Check the model's name and the key, {_ADVICE}"
            ) from error
        if status is None and not _is_connection_error(error):
            raise LanguageModelError(
                f"The language model {self.model!r} at {self._place} could not be asked: {_first_line(error)}. "
                f"Check its name, key and address, {_ADVICE}"
            ) from error
        if attempt == self.max_attempts:
            raise self._unreachable(_first_line(error), attempt) from error
        return _retry_after(error) or self.first_wait_s * 2 ** (attempt - 1)

    def _unreachable(self, reason: str, attempts: int) -> LanguageModelUnreachable:
        return LanguageModelUnreachable(
            f"The language model {self.model!r} at {self._place} gave no answer after {attempts} "
            f"attempt{'s' if attempts > 1 else ''}: {reason}. Check the address and the network, {_ADVICE}"
        )

    @property
    def _place(self) -> str:
        return self.base_url or "its provider"

    def _structured(self, schema: type[BaseModel], max_tokens: int) -> Any:
        """The chat model bound to answer in the schema's shape, before langchain's parser, so that it streams."""
        options = {"method": "json_schema", "strict": True} if self.provider == "openai" else {}
        bound = self._chat_model(max_tokens).with_structured_output(strict_schema(schema), **options)
        return bound.first

    def _chat_model(self, max_tokens: int) -> Any:
        if max_tokens not in self._chat_models:
            self._chat_models[max_tokens] = self._new_chat_model(max_tokens)
        return self._chat_models[max_tokens]

    def _new_chat_model(self, max_tokens: int) -> Any:
        from langchain.chat_models import init_chat_model

        key = self.api_key or ("not-needed" if self.base_url else None)
        given: dict[str, Any] = {"base_url": self.base_url, "temperature": self.temperature}
        given[_LIMIT_NAMES.get(self.provider, "max_tokens")] = max_tokens
        if self.provider == "openai":
            given |= {"api_key": key, "max_retries": 0, "timeout": self.timeout_s, "stream_usage": True}
        options = {name: value for name, value in given.items() if value is not None}
        try:
            return init_chat_model(self.model, **options)
        except ImportError as error:
            raise LanguageModelError(
                f"The language model {self.model!r} needs a package that is not installed: {error} Install it beside "
                f"Fableverse, {_ADVICE}"
            ) from error
        except Exception as error:  # a missing key is an error of the provider's own class
            raise LanguageModelError(
                f"The language model {self.model!r} cannot be used: {_first_line(error)}. Check its name and key, "
                f"{_ADVICE}"
            ) from error


def _schema_in_words(schema: type[BaseModel]) -> str:
    return (
        "Answer with one JSON object and nothing else. It must follow this JSON schema: "
        f"{json.dumps(schema.model_json_schema(), ensure_ascii=False)}"
    )


def strict_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """The schema as providers take it: lengths of strings and lists are left out, which not all of them accept."""
    cleaned = _without_lengths(schema.model_json_schema())
    assert isinstance(cleaned, dict)
    return cleaned


def _without_lengths(value: Any) -> Any:
    if isinstance(value, Mapping):
        lengths = {"minLength", "maxLength", "minItems", "maxItems"}
        return {key: _without_lengths(each) for key, each in value.items() if key not in lengths}
    return [_without_lengths(each) for each in value] if isinstance(value, list) else value


@cache
def _network_loop() -> asyncio.AbstractEventLoop:
    """One event loop for all calls: providers keep connections, and a connection belongs to the loop it was made in."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="fableverse-language-model", daemon=True).start()
    return loop


def _status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of any provider carries, itself or its cause."""
    for each in (error, error.__cause__):
        for holder in (each, getattr(each, "response", None)):
            status = getattr(holder, "status_code", None)
            if isinstance(status, int):
                return status
    return None


def _is_about_schemas(error: BaseException) -> bool:
    """Whether an endpoint refuses the request for the schema that comes with it, not for anything else."""
    return _status_of(error) in {400, 422} and any(term in str(error).lower() for term in _SCHEMA_TERMS)


def _retry_after(error: BaseException) -> float | None:
    """Seconds that the server asks to wait."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _is_connection_error(error: BaseException | None) -> bool:
    """Whether the network failed, by the names that all HTTP libraries share."""
    names = {"ConnectionError", "TimeoutError", "TransportError", "APIConnectionError", "OSError", "JSONDecodeError"}
    while error is not None:
        if names & {cls.__name__ for cls in type(error).__mro__}:
            return True
        error = error.__cause__
    return False


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300].rstrip(".")
