"""Tokens are counted as the model's own tokenizer counts them, and never too few where there is none."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from api.tokens import estimate_tokens, token_counter


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A model folder whose tokenizer splits into words, ends with a mark, and is saved with truncation and padding."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "</s>": 1, "fox": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4)
    (tmp_path / "tokenizer_2").mkdir()
    tokenizer.save(str(tmp_path / "tokenizer_2" / "tokenizer.json"))
    return tmp_path


@pytest.mark.parametrize(("prompt", "count"), [("", 1), ("a fox", 3), ("a fox in the deep snow", 7)])
def test_the_models_tokenizer_counts_without_cutting_or_filling(model_dir: Path, prompt: str, count: int) -> None:
    assert token_counter(model_dir)(prompt) == count


@pytest.mark.parametrize("folder", [None, Path("no/such/folder")], ids=["hub id", "no tokenizer"])
def test_without_a_tokenizer_the_estimate_counts(folder: Path | None) -> None:
    assert token_counter(folder) is estimate_tokens


@pytest.mark.parametrize(
    ("prompt", "t5_tokens"),
    # Counted with google/t5-v1_1's vocabulary, the end token included.
    [("", 1), ("a fox", 3), ("a cat who keeps a lighthouse", 7), ("a rhinoceros wearing spectacles", 9)],
)
def test_the_estimate_is_never_below_what_t5_makes_of_it(prompt: str, t5_tokens: int) -> None:
    assert estimate_tokens(prompt) >= t5_tokens
