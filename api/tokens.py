"""Counts how many text tokens a prompt takes, with the `tokenizers` library alone: no torch, no transformers.

Knows nothing of what happens to the tokens; `generator/tokens.py` finds concepts among them.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from api.settings import POCKET, POCKET_DIR

TokenCounter = Callable[[str], int]

_LETTERS_PER_TOKEN = 3


def prompt_counter(model: str) -> TokenCounter:
    """Counts the tokens of prompts as that picture model does."""
    return token_counter(_model_dir(model))


def token_counter(model_dir: Path | None) -> TokenCounter:
    """Counts T5 tokens, the end token included, as the model in `model_dir` does.

    Without such a folder, or when it holds no fast tokenizer, it is `estimate_tokens`.
    """
    path = model_dir / "tokenizer_2" / "tokenizer.json" if model_dir is not None else None
    if path is None or not path.is_file():
        return estimate_tokens
    tokenizer = _tokenizer(path)

    def count(prompt: str) -> int:
        return len(tokenizer.encode(prompt).ids)

    return count


@lru_cache(maxsize=4)
def _tokenizer(path: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def estimate_tokens(prompt: str) -> int:
    """More tokens than T5 makes of English text: one for each `_LETTERS_PER_TOKEN` letters of a word, and the end."""
    return 1 + sum(math.ceil(len(word) / _LETTERS_PER_TOKEN) for word in prompt.split())


def _model_dir(model: str) -> Path | None:
    """The model's folder; None for a hub id."""
    if model == POCKET:
        return POCKET_DIR / "model"
    folder = Path(model).expanduser()
    return folder if folder.is_dir() else None
