"""A causal model with random weights, in this process: whatever it says is of the asked shape."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from api.settings import Settings
from api.writers import open_language_model
from story.answers import outline_schema, scenes_schema
from story.errors import LanguageModelError
from story.llm import Message
from story.local_model import TransformersLanguageModel
from story.schema import StoryRequest
from tests.story.builders import BANK, assert_is_proven, writer_with

REQUEST = StoryRequest(idea="a fox", catalog=BANK[:2], pages=4, age=3)
ASKED = [Message("system", "You write."), Message("user", "Write.")]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of one tiny layer and a tokenizer of bytes."""
    folder = tmp_path_factory.mktemp("model")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate(letters)} | {"</s>": len(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["</s>"])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=40_000,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_weights_answer_in_the_asked_shape(model_dir: Path, seed: int) -> None:
    model = TransformersLanguageModel(str(model_dir), seed=seed)
    schema = scenes_schema(REQUEST, [0, 2])
    completion = model.complete(ASKED, schema, max_tokens=10)
    assert completion.problem == ""
    pages = json.loads(completion.raw)["pages"]
    assert len(pages) == 2
    for page in pages:
        assert set(page) == {"number", "prompt", "concepts"}
        assert page["number"] in (0, 2)
        assert set(page["concepts"]) <= {"rusty", "luna"}
        assert len(page["prompt"]) <= 300
    assert completion.usage.output_tokens > 10


def test_the_same_seed_says_the_same_and_another_something_else(model_dir: Path) -> None:
    said = [
        TransformersLanguageModel(str(model_dir), seed=seed).complete(ASKED, Word, max_tokens=10).raw
        for seed in (0, 0, 1)
    ]
    assert said[0] == said[1] != said[2]


class Word(BaseModel):
    """A shape with an endless string, which random weights never end."""

    words: list[int]


def test_a_deadline_ends_an_answer_that_the_schema_does_not(model_dir: Path) -> None:
    completion = TransformersLanguageModel(str(model_dir), timeout_s=0.2).complete(ASKED, Word, max_tokens=10)
    assert completion.value is not None or completion.problem


def test_a_local_model_is_opened_by_its_name_and_streams(model_dir: Path) -> None:
    model = open_language_model(Settings(llm=f"local:{model_dir}"))
    assert isinstance(model, TransformersLanguageModel)
    texts: list[str] = []
    outline = model.complete(ASKED, outline_schema(REQUEST), max_tokens=10, on_text=texts.append)
    assert outline.problem == "" and texts[-1] == outline.raw
    assert len(json.loads(outline.raw)["pages"]) == 4


def test_random_weights_make_a_proven_story_all_the_same(model_dir: Path) -> None:
    request = REQUEST.model_copy(update={"age": 3})
    written = writer_with(TransformersLanguageModel(str(model_dir), timeout_s=2)).write(request)
    assert_is_proven(written, request)
    assert written.warnings


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LanguageModelError, match="cannot be loaded as a language model"):
        TransformersLanguageModel(str(tmp_path))
