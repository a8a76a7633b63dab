"""What a language model is here: one protocol, how an answer's text is read, and a scripted model.

Knows no story and no provider (`story/langchain_model.py` and `story/local_model.py` do). A bad answer is a value
(`Completion.value` is `None` and `problem` says why); only a model that cannot be asked at all is an error.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from story.errors import LanguageModelError

Answer = TypeVar("Answer", bound=BaseModel)
OnText = Callable[[str], None]
"""Told the answer's text so far each time that more of it has come."""

MAX_CHARACTERS_PER_TOKEN = 12
"""An answer longer than this many characters for each token it may have is cut off."""

_THOUGHT = re.compile(r".*</think(?:ing)?>|\s*<think(?:ing)?>.*", re.DOTALL | re.IGNORECASE)
"""What a model says to itself first; some servers leave out the tag that begins it."""
_OBJECT = re.compile(r'\{(?=\s*(?:["}]|\Z))')
"""Where an object begins, and not words in braces."""
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

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)


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

    def complete(
        self, messages: Sequence[Message], schema: type[Answer], *, max_tokens: int, on_text: OnText | None = None
    ) -> Completion[Answer]:
        """The model's answer to a conversation, at most `max_tokens` long.

        Raises:
            LanguageModelError: The model cannot be used as configured, or cannot be reached.
        """
        ...


def read_answer(raw: str, schema: type[Answer], *, usage: Usage = Usage(), fallback: str = "") -> Completion[Answer]:
    """An answer's text as a completion: its JSON, also after thoughts, in a code fence or between sentences.

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


def json_part(raw: str, *, is_whole: bool = True) -> str:
    """The part of an answer that is or begins a JSON object, the longest of several; empty when there is none.

    Args:
        is_whole: Whether nothing more comes, so that what stands behind the last brace is no part of the object.
    """
    thought = None if _OBJECT.match(raw.lstrip()) else _THOUGHT.match(raw)
    said = raw[thought.end() :] if thought else raw
    fenced = _FENCED.search(said)
    part = max(_objects(fenced[1] if fenced and "{" in fenced[1] else said), key=len, default="")
    return part[: part.rfind("}") + 1] or part if is_whole else part


def _objects(text: str) -> Iterator[str]:
    """The JSON objects that stand one behind the other in a text; the last goes to its end where it is no JSON."""
    at = 0
    while (start := _OBJECT.search(text, at)) is not None:
        try:
            _, at = json.JSONDecoder().raw_decode(text, start.start())
        except (ValueError, RecursionError):
            yield text[start.start() :]
            return
        yield text[start.start() : at]


class ScriptedLanguageModel:
    """Gives prepared answers in order and remembers what it was asked: for tests and for trying prompts without cost.

    An answer that is text is read as a real model's would be; one that is an error is raised; one that is a function
    is given the schema that is asked for, as JSON Schema, and returns the text or error.
    """

    def __init__(self, answers: Iterable["Scripted"]) -> None:
        self._answers = iter(answers)
        self.history: list[tuple[Message, ...]] = []

    def complete(
        self, messages: Sequence[Message], schema: type[Answer], *, max_tokens: int, on_text: OnText | None = None
    ) -> Completion[Answer]:
        """The next prepared answer, told to `on_text` in two halves.

        Raises:
            LanguageModelError: The prepared answer is one, or none is left.
        """
        self.history.append(tuple(messages))
        answer = next(self._answers, None)
        if callable(answer):
            answer = answer(schema.model_json_schema())
        if answer is None:
            raise LanguageModelError(
                f"The scripted language model was asked {len(self.history)} times and has no answer left: it needs one "
                "for each question. Script more."
            )
        if isinstance(answer, LanguageModelError):
            raise answer
        if on_text is not None:
            on_text(answer[: len(answer) // 2])
            on_text(answer)
        return read_answer(answer[: max_tokens * MAX_CHARACTERS_PER_TOKEN], schema)


Scripted = str | LanguageModelError | Callable[[dict[str, Any]], str | LanguageModelError]
"""A prepared answer."""
