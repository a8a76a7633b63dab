"""Asks a language model for an answer of a given shape: one protocol, an adapter, and a scripted model.

Knows no story. A bad answer is a value (`Completion.value` is `None` and `problem` says why); only a model that
cannot be asked at all is an error. langchain and openai are imported when the first question is asked, not before.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from story.errors import LanguageModelError, LanguageModelUnreachable

Answer = TypeVar("Answer", bound=BaseModel)

_FENCED = re.compile(r"```(?:json)?\s*(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Usage:
    """Tokens that a call was charged for; zeros where the endpoint does not say."""

    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Completion(Generic[Answer]):
    """One answer: as asked for, or as it came with the reason why it is not that."""

    value: Answer | None
    raw: str
    """The text of the answer; for a refusal its words."""
    usage: Usage = Usage()
    problem: str = ""
    """Why there is no value; empty when there is one."""


class LanguageModel(Protocol):
    """Whoever answers questions in a given shape."""

    def complete(self, messages: Sequence[Message], schema: type[Answer]) -> Completion[Answer]:
        """The model's answer to a conversation.

        Raises:
            LanguageModelError: The model cannot be used as configured, or cannot be reached.
        """
        ...


class LangchainLanguageModel:
    """A model behind any OpenAI-compatible endpoint, through langchain's `init_chat_model`.

    Args:
        model: "openai:" and the name that the endpoint knows it by; for other makers' compatible servers, too.
        base_url: Address of such a server, "http://localhost:11434/v1"; `None` is the provider's own.
        api_key: `None` leaves it to the provider's environment variable, or sends a placeholder to `base_url`.
        temperature: `None` leaves it to the model; some take no other than their own.
        timeout_s: For one attempt.
        max_attempts: Of one call, the first included; repeated after time-outs and server errors only.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        temperature: float | None = 0.8,
        timeout_s: float = 120.0,
        max_attempts: int = 3,
    ) -> None:
        if not re.fullmatch(r"openai:\S+", model):
            raise LanguageModelError(
                f"{model!r} names no model that can be asked: only endpoints that speak OpenAI's protocol are, and "
                f"their models are written with that prefix. Write 'openai:NAME', and the server's address."
            )
        self.model = model
        self.base_url = base_url
        self.api_key = api_key
        self.temperature = temperature
        self.timeout_s = timeout_s
        self.max_attempts = max_attempts

    def complete(self, messages: Sequence[Message], schema: type[Answer]) -> Completion[Answer]:
        """The model's answer through structured output; text around or fences about the JSON are forgiven.

        Raises:
            LanguageModelError: The endpoint refuses key, model or request.
            LanguageModelUnreachable: No answer in time, no connection, or a server error after all attempts.
        """
        from openai import (
            APIConnectionError,
            ContentFilterFinishReasonError,
            InternalServerError,
            LengthFinishReasonError,
            OpenAIError,
            RateLimitError,
        )

        conversation = [(message.role, message.content) for message in messages]
        try:
            result: Any = self._chat_model(schema).invoke(conversation)
        except LengthFinishReasonError as error:
            message = error.completion.choices[0].message
            return read_answer(message.content or "", schema, fallback="the answer was cut off at the length limit")
        except ContentFilterFinishReasonError as error:
            return Completion(value=None, raw="", problem=f"the provider's filter stopped the answer: {error}")
        except (APIConnectionError, InternalServerError, RateLimitError) as error:
            raise LanguageModelUnreachable(
                f"The language model {self.model!r} at {self.base_url or 'its provider'} gave no answer after "
                f"{self.max_attempts} attempts of at most {self.timeout_s:g} s: {error}. Check the address and the "
                "network, or leave out --llm to use the built-in storyteller."
            ) from error
        except OpenAIError as error:
            raise LanguageModelError(
                f"The language model {self.model!r} at {self.base_url or 'its provider'} refused the request: {error}. "
                "Check the model's name and the key, or leave out --llm to use the built-in storyteller."
            ) from error
        return _read_result(result, schema)

    def _chat_model(self, schema: type[BaseModel]) -> Any:
        from langchain.chat_models import init_chat_model

        key = self.api_key or ("not-needed" if self.base_url else None)
        options: dict[str, Any] = {"timeout": self.timeout_s, "max_retries": self.max_attempts - 1}
        given = {"base_url": self.base_url, "api_key": key, "temperature": self.temperature}
        options |= {name: value for name, value in given.items() if value is not None}
        model = init_chat_model(self.model, **options)
        # As a dict: given the class, openai's client checks the answer itself and its error drops what came.
        return model.with_structured_output(
            schema.model_json_schema(), method="json_schema", strict=True, include_raw=True
        )


def _read_result(result: Any, schema: type[Answer]) -> Completion[Answer]:
    """What langchain's `include_raw` gives, as a completion."""
    message = result["raw"]
    counted = message.usage_metadata or {}
    usage = Usage(counted.get("input_tokens", 0), counted.get("output_tokens", 0))
    refusal = message.additional_kwargs.get("refusal")
    if refusal:
        return Completion(value=None, raw=refusal, usage=usage, problem=f"the model refused: {refusal}")
    return read_answer(str(message.text), schema, usage=usage)


def read_answer(raw: str, schema: type[Answer], *, usage: Usage = Usage(), fallback: str = "") -> Completion[Answer]:
    """An answer's text as a completion: its JSON, also in a code fence or between sentences.

    Args:
        fallback: The problem to name when the text cannot be read; otherwise the parser's own words.
    """
    text = json_part(raw)
    if not text:
        return Completion(value=None, raw=raw, usage=usage, problem=fallback or "the answer holds no JSON object")
    try:
        return Completion(value=schema.model_validate_json(text), raw=raw, usage=usage)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the JSON"
        return Completion(value=None, raw=raw, usage=usage, problem=fallback or f"{place}: {first['msg']}")


def json_part(raw: str) -> str:
    """The part of an answer that is or begins a JSON object; empty when there is none."""
    fenced = _FENCED.search(raw)
    text = fenced[1] if fenced and "{" in fenced[1] else raw
    start, stop = text.find("{"), text.rfind("}")
    return "" if start < 0 else text[start : stop + 1] if stop > start else text[start:]


class ScriptedLanguageModel:
    """Gives prepared answers in order and remembers what it was asked: for tests and for trying prompts without cost.

    An answer that is text is read as a real model's would be; one that is an error is raised.
    """

    def __init__(self, answers: Iterable[str | LanguageModelError]) -> None:
        self._answers = deque(answers)
        self.history: list[tuple[Message, ...]] = []

    def complete(self, messages: Sequence[Message], schema: type[Answer]) -> Completion[Answer]:
        """The next prepared answer.

        Raises:
            LanguageModelError: The prepared answer is one, or none is left.
        """
        self.history.append(tuple(messages))
        if not self._answers:
            raise LanguageModelError(
                f"The scripted language model was asked {len(self.history)} times and has no answer left: it needs one "
                "for each question. Script more."
            )
        answer = self._answers.popleft()
        if isinstance(answer, LanguageModelError):
            raise answer
        return read_answer(answer, schema)
