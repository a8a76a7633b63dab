"""Has a language model say the caption of a picture in other words, for learning the picture's concepts.

Of what it answers only what names the concepts as the caption does is kept. Works on text alone: knows nothing of
pictures, nor of what is learnt from them.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from concepts.binding import Span, find_words
from story.answers import paraphrases_schema, read_paraphrases
from story.checks import has_markup
from story.costs import MeteredModel, Price
from story.errors import LanguageModelError, UnsafeRequest
from story.llm import Completion, LanguageModel, Message
from story.prompts import StoryPrompts
from story.safety import SafetyGate

NUM_PARAPHRASES = 8
ENOUGH = NUM_PARAPHRASES // 2
"""Where fewer can be used, the model is asked once more."""
_TOKENS_EACH = 100
_THINKING_TOKENS = 4000
"""Some models think before they answer, and what they think counts."""

_MARKS = frozenset("<>{}[]*_`#|\\@")
_WORD = re.compile(r"\w+")

OnCaptions = Callable[[int], None]
"""Told how many captions of an answer have come; 0 as it is asked for."""


@dataclass(frozen=True, kw_only=True)
class SourceCaption:
    """A caption that a picture is learnt by."""

    text: str
    words: tuple[str, ...]
    """Of the concepts that it names, once each."""
    foreign: tuple[str, ...] = ()
    """Words that other captions say as often as this one: of other concepts, and of what else is known to be drawn."""


class Paraphraser:
    """Other captions for the pictures of one learning, by a language model.

    Args:
        count_tokens: Tokens of a caption as the picture model's text encoder counts them, its end mark included.
        max_tokens: The encoder's limit.
        price: None where it is not known.
        budget_usd: What all captions together may cost at most.
        on_captions: Told how far an answer is.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        prompts: StoryPrompts,
        gate: SafetyGate,
        count_tokens: Callable[[str], int],
        max_tokens: int,
        price: Price | None = None,
        budget_usd: float | None = None,
        on_captions: OnCaptions | None = None,
    ) -> None:
        self.meter = MeteredModel(model, price=price, budget_usd=budget_usd)
        self.prompts = prompts
        self.gate = gate
        self.count_tokens = count_tokens
        self.max_tokens = max_tokens
        self.on_captions = on_captions

    def write(self, caption: SourceCaption) -> tuple[str, ...]:
        """Up to `NUM_PARAPHRASES` other captions, none of them twice; fewer, or none, where the model does no better.

        Raises:
            UnsafeRequest: The caption is not for children, so the model is not asked.
            LanguageModelError: The model cannot be asked, or the budget is used up, before there is a single one.
        """
        if reasons := self.gate.reasons([caption.text])[0]:
            raise UnsafeRequest(
                f"The caption is not for children ({', '.join(reasons)}), so no language model is "
                "asked to reword it. Write another caption."
            )
        asked = self.prompts.for_paraphrases(caption.text, caption.words, num=NUM_PARAPHRASES)
        first = self._ask("paraphrases", asked, NUM_PARAPHRASES)
        written = read_paraphrases(first.raw)
        kept, refused = self._sifted(written, caption, kept=())
        if len(kept) >= ENOUGH:
            return kept
        missing = NUM_PARAPHRASES - len(kept)
        again = self.prompts.for_paraphrases_again(
            asked,
            written=json.dumps({"captions": written}, ensure_ascii=False) if written else "",
            refused=refused,
            problem="" if written else first.problem,
            num=missing,
        )
        try:
            second = self._ask("paraphrases again", again, missing)
            return self._sifted(read_paraphrases(second.raw), caption, kept=kept)[0]
        except LanguageModelError:
            if not kept:
                raise
            return kept

    def _ask(self, stage: str, messages: Sequence[Message], num: int) -> Completion[BaseModel]:
        """One answer, told of caption by caption."""
        told = 0

        def on_text(raw: str) -> None:
            nonlocal told
            if self.on_captions is not None and (come := len(read_paraphrases(raw, is_whole=False))) > told:
                told = come
                self.on_captions(come)

        if self.on_captions is not None:
            self.on_captions(0)
        limit = _THINKING_TOKENS + _TOKENS_EACH * num
        return self.meter.ask(stage, messages, paraphrases_schema(num), max_tokens=limit, on_text=on_text)

    def _sifted(
        self, written: Sequence[str], caption: SourceCaption, *, kept: tuple[str, ...]
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """Those kept so far with what can be used of an answer, and what is wrong with the rest."""
        texts = list(dict.fromkeys(" ".join(text.split()).rstrip(".") for text in written))
        seen = {_said(caption.text), *map(_said, kept)}
        refused: dict[str, str] = {}
        for text, reasons in zip(texts, self.gate.reasons(texts), strict=True):
            fault = find_fault(text, caption, count_tokens=self.count_tokens, max_tokens=self.max_tokens)
            if reasons:
                fault = f"it is not for children ({', '.join(reasons)})"
            elif not fault and _said(text) in seen:
                fault = "it says the same in the same words as the caption or another one"
            if fault:
                refused[text] = fault
                continue
            seen.add(_said(text))
            kept = (*kept, text)
        return kept[:NUM_PARAPHRASES], refused


def find_fault(text: str, caption: SourceCaption, *, count_tokens: Callable[[str], int], max_tokens: int) -> str:
    """Why a text cannot stand in for a caption, worded so that whoever wrote it can mend it; empty when it can.

    It names each of the caption's concepts once, written as the caption writes it, and of what else is known what the
    caption names and no more; it has no markup and fits the encoder.

    Args:
        count_tokens: As in `Paraphraser`.
        max_tokens: The encoder's limit.
    """
    if not _WORD.search(text):
        return "it is empty"
    if has_markup(text) or not text.isprintable() or set(text) & _MARKS - set(caption.text):
        return "it contains markup; write plain words"
    own = {word.casefold(): word for word in caption.words}
    before, after = find_words(caption.text, own), find_words(text, own)
    for key, word in own.items():
        if len(after[key]) != 1:
            return f"it says {word!r} {len(after[key])} times; say it exactly once"
        theirs, ours = _cut(text, after[key][0]), _cut(caption.text, before[key][0])
        if theirs != ours:
            return f"it writes {theirs!r} where the caption has {ours!r}; write it in the same way"
    foreign = {word.casefold(): word for word in caption.foreign if word.casefold() not in own}
    before, after = find_words(caption.text, foreign | own), find_words(text, foreign | own)
    if added := [word for key, word in foreign.items() if len(after[key]) > len(before[key])]:
        return f"it adds {', '.join(map(repr, added))}, which the caption does not say; leave that out"
    if dropped := [word for key, word in foreign.items() if len(after[key]) < len(before[key])]:
        return f"it leaves out {', '.join(map(repr, dropped))}, which the caption says; say it too"
    num_tokens = count_tokens(text)
    if num_tokens > max_tokens:
        return f"it has {num_tokens} tokens and {max_tokens} fit; shorten it"
    return ""


def _cut(text: str, span: Span) -> str:
    return " ".join(text[slice(*span)].split())


def _said(text: str) -> tuple[str, ...]:
    """A text's words, whatever their case and what stands between them."""
    return tuple(_WORD.findall(text.casefold()))
