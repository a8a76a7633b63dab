"""What keeps `transformers` generation inside a grammar, and tells of the text as it comes.

Imports torch and transformers: only `story/local_model.py` imports this, once a model is open.
"""

from typing import Any

import llguidance.torch
import torch
from llguidance import LLMatcher
from transformers import LogitsProcessor
from transformers.generation.streamers import BaseStreamer

from story.errors import LanguageModelError
from story.llm import OnText


class GrammarProcessor(LogitsProcessor):
    """Leaves only those tokens that the JSON schema allows next; for a batch of one.

    Args:
        schema: JSON Schema as text.
        num_asked: Tokens of the prompt.
    """

    def __init__(self, schema: str, tokenizer: Any, vocabulary_size: int, *, num_asked: int) -> None:
        # White space without end would be allowed between the parts of an object.
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
        self._matcher = LLMatcher(tokenizer, grammar)
        self._mask = llguidance.torch.allocate_token_bitmask(1, vocabulary_size)
        self._seen = num_asked

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for token in input_ids[0, self._seen :].tolist():
            self._matcher.consume_token(token)
        self._seen = input_ids.shape[1]
        if self._matcher.is_error():
            raise LanguageModelError(f"Constrained decoding failed: {self._matcher.get_error()}. Use another model.")
        llguidance.torch.fill_next_token_bitmask(self._matcher, self._mask, 0)
        allowed = scores.cpu().float()
        llguidance.torch.apply_token_bitmask_inplace(allowed, self._mask)
        return allowed.to(device=scores.device)


class Stream(BaseStreamer):
    """Tells of the answer so far, without the prompt that `generate` puts first."""

    def __init__(self, tokenizer: Any, on_text: OnText) -> None:
        self._tokenizer = tokenizer
        self._on_text = on_text
        self._tokens: list[int] = []
        self._is_prompt = True

    def put(self, value: torch.Tensor) -> None:
        if self._is_prompt:
            self._is_prompt = False
            return
        self._tokens += value.flatten().tolist()
        text = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        if text.endswith("}"):  # decoding at every token would take the square of the length
            self._on_text(text)

    def end(self) -> None:
        """The caller has the whole answer anyway."""
