"""Words of the world are one token, all other text falls in pieces, and offsets tell where each stands."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from concepts.lexicon import Lexicon
from pocket.training.text import random_caption
from pocket.training.tokenizer import build_tokenizer

LEXICON = Path(__file__).parents[2] / "pocket" / "lexicon.json"
TOKENIZER = build_tokenizer(starts_with_bos=False, model_max_length=64)


def _lexicon_words() -> set[str]:
    lexicon = Lexicon.load(LEXICON)
    words = [*lexicon.characters, *lexicon.colours, *lexicon.clothing, *lexicon.held_objects, *lexicon.objects]
    phrases = [*lexicon.poses.values(), *lexicon.places.values(), *lexicon.lights.values(), *lexicon.patterns]
    return {*words, *" ".join(phrases).split()}


def _pieces(text: str, tokenizer: PreTrainedTokenizerFast = TOKENIZER) -> list[str]:
    return tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)


@pytest.mark.parametrize("word", sorted(_lexicon_words()))
def test_a_word_of_the_lexicon_is_one_piece(word: str) -> None:
    assert _pieces(word) == [f"▁{word}", "</s>"]


@pytest.mark.parametrize("two_parts", [False, True])
def test_every_word_of_captions_is_one_piece(two_parts: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        text = random_caption(rng, two_parts=two_parts).text
        spelled = text.lower().replace(".", " .").split()
        assert _pieces(text) == [*(word if word == "." else f"▁{word}" for word in spelled), "</s>"]


def test_the_token_that_names_something_ends_where_its_word_ends() -> None:
    rng = np.random.default_rng(1)
    for i in range(60):
        caption = random_caption(rng, two_parts=i % 2 == 0)
        offsets = TOKENIZER(caption.text, return_offsets_mapping=True).offset_mapping
        covered = {stop: caption.text[start:stop].strip() for start, stop in offsets if stop > start}
        for _, _, start, stop in caption.words:
            assert covered[stop] == caption.text[start:stop]


def test_unknown_words_fall_in_pieces_that_spell_them() -> None:
    assert _pieces("foxes") == ["▁fox", "es", "</s>"]
    pieces = _pieces("zebra")[:-1]
    assert len(pieces) > 1
    assert "".join(pieces) == "▁zebra"
    assert "<unk>" in _pieces("☃")


def test_case_and_accents_change_neither_tokens_nor_offsets() -> None:
    small = TOKENIZER("a cafe fox in the snow", return_offsets_mapping=True)
    for text in ("A CAFE FOX In The SNOW", "a café fox in the snow"):
        other = TOKENIZER(text, return_offsets_mapping=True)
        assert other.input_ids == small.input_ids
        assert other.offset_mapping == small.offset_mapping


def test_offsets_count_the_prompts_own_characters_where_normalising_changes_their_number() -> None:
    text = "İstanbul ﬁre fox"
    encoding = TOKENIZER(text, return_offsets_mapping=True)
    start, stop = encoding.offset_mapping[TOKENIZER.convert_ids_to_tokens(encoding.input_ids).index("▁fox")]
    assert text[start:stop].strip() == "fox"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text_goes_through(text: str) -> None:
    encoding = TOKENIZER(text, return_offsets_mapping=True, truncation=True, max_length=64)
    assert len(encoding.input_ids) <= 64
    assert encoding.input_ids[-1] == TOKENIZER.eos_token_id
    assert max(encoding.input_ids) < len(TOKENIZER)
    for start, stop in encoding.offset_mapping:
        assert 0 <= start <= stop <= len(text)


def test_only_the_clip_style_tokenizer_starts_with_a_token_and_both_share_their_ids() -> None:
    clip = build_tokenizer(starts_with_bos=True, model_max_length=64)
    assert _pieces("a fox", clip) == ["<s>", "▁a", "▁fox", "</s>"]
    assert clip.bos_token_id == clip("a fox").input_ids[0]
    assert TOKENIZER.bos_token is None
    assert clip("a fox").input_ids[1:] == TOKENIZER("a fox").input_ids


def test_padding_goes_to_the_right_with_the_pad_token() -> None:
    padded = TOKENIZER("a fox", padding="max_length", max_length=6).input_ids
    assert padded == [*TOKENIZER("a fox").input_ids, *[TOKENIZER.pad_token_id] * 3]
    assert TOKENIZER.pad_token_id == 0


def test_any_white_space_parts_words() -> None:
    tokenizer = build_tokenizer(starts_with_bos=False, model_max_length=16)
    assert tokenizer("a fox\nwaving\tin").input_ids == tokenizer("a fox waving in").input_ids
