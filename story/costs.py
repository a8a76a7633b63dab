"""What language models cost: prices, an estimate before a story, and a meter that stops before a budget is passed.

Knows no story. Prices come from `genai-prices`, or from whoever configures Fableverse where that knows none.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from story.errors import BudgetExceeded, LanguageModelError
from story.llm import Answer, Completion, LanguageModel, Message, OnText, Usage
from story.schema import Reply

_CHARACTERS_PER_TOKEN = 3
"""Fewer than English texts have, so that an estimate is rather too high; Korean and Arabic have about one or two."""
_TOKENS_PER_MESSAGE = 8


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars for a million tokens."""

    input_usd: float
    output_usd: float

    def of(self, usage: Usage) -> float:
        """What a call costs, in US dollars."""
        return (usage.input_tokens * self.input_usd + usage.output_tokens * self.output_usd) / 1e6


def known_price(model: str) -> Price | None:
    """The list price of a model "provider:name"; None where it is not known."""
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    provider, _, name = model.partition(":")
    try:
        million = [calc_price(PricedUsage(**{part: 1_000_000}), model_ref=name, provider_id=provider).total_price
                   for part in ("input_tokens", "output_tokens")]  # fmt: skip
    except LookupError:
        return None
    return Price(input_usd=float(million[0]), output_usd=float(million[1]))


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is, rather too many; for budgets, where no provider's tokenizer is at hand."""
    wide = sum(ord(character) > 0x2FF for character in text)
    return (len(text) - wide) // _CHARACTERS_PER_TOKEN + wide + 1


def estimate_asked(messages: Sequence[Message], schema: type[BaseModel]) -> int:
    """About how many tokens a question takes, with the schema of its answer, which providers charge for as well."""
    shape = json.dumps(schema.model_json_schema(), ensure_ascii=False)
    return sum(estimate_tokens(text) + _TOKENS_PER_MESSAGE for text in (shape, *(each.content for each in messages)))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a story will take, about."""

    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None

    def __str__(self) -> str:
        cost = "at a price that is not known" if self.cost_usd is None else f"about {self.cost_usd:.4f} USD"
        return f"{self.calls} calls, {self.input_tokens:,} tokens in and {self.output_tokens:,} out, {cost}"


class MeteredModel:
    """A language model whose every answer, whole or not, is recorded with its cost; it stops before a budget is passed.

    Args:
        price: None where it is not known; a budget then cannot be kept, and `api/` refuses one.
        budget_usd: For all calls together, `spent_usd` included.
        spent_usd: What earlier calls for the same story cost.
        on_reply: Told each answer as soon as it is there.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        price: Price | None,
        budget_usd: float | None = None,
        spent_usd: float = 0.0,
        on_reply: Callable[[Reply], None] | None = None,
    ) -> None:
        self.model = model
        self.price = price
        self.budget_usd = budget_usd
        self.spent_usd = spent_usd
        self.on_reply = on_reply
        self.replies: list[Reply] = []

    def ask(
        self,
        stage: str,
        messages: Sequence[Message],
        schema: type[Answer],
        *,
        max_tokens: int,
        on_text: OnText | None = None,
    ) -> Completion[Answer]:
        """The model's answer, recorded; what had come of one that is interrupted is recorded too.

        Raises:
            BudgetExceeded: The call could cost more than is left, so it is not made.
            LanguageModelError: As the model.
        """
        asked = estimate_asked(messages, schema)
        self._check_budget(Usage(asked, max_tokens))
        started = time.perf_counter()
        come = ""

        def take(text: str) -> None:
            nonlocal come
            come = text
            if on_text is not None:
                on_text(text)

        try:
            completion = self.model.complete(messages, schema, max_tokens=max_tokens, on_text=take)
        except BaseException as error:  # a person's Ctrl-C as well as a disk that is full
            if come or not isinstance(error, LanguageModelError):  # else the model never took the question
                usage = Usage(asked, estimate_tokens(come))
                self._record(stage, Completion(value=None, raw=come, usage=usage, problem="interrupted"), started)
            raise
        if completion.usage == Usage():
            # Not every server counts, and a stream that breaks off counts nothing: what came was paid for all the same.
            completion = replace(completion, usage=Usage(asked, estimate_tokens(completion.raw)))
        self._record(stage, completion, started)
        return completion

    def _record(self, stage: str, completion: Completion[Any], started: float) -> None:
        usage = completion.usage
        cost = self.price.of(usage) if self.price else None
        self.spent_usd += cost or 0.0
        reply = Reply(
            stage=stage,
            raw=completion.raw,
            problem=completion.problem,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=cost,
            seconds=round(time.perf_counter() - started, 3),
        )
        self.replies.append(reply)
        if self.on_reply is not None:
            self.on_reply(reply)

    def _check_budget(self, most: Usage) -> None:
        if self.budget_usd is None or self.price is None:
            return
        could_cost = self.price.of(most)
        if self.spent_usd + could_cost > self.budget_usd:
            raise BudgetExceeded(
                f"The next call to the language model could cost {could_cost:.4f} USD, and {self.spent_usd:.4f} of "
                f"{self.budget_usd:.4f} USD are spent. What is written so far is kept: the same command with a larger "
                "--budget goes on from there."
            )
