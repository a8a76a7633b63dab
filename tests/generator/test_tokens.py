"""Characters to tokens, on tokenizers of the kinds in use: T5's own and one that counts the space before a word."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from concepts.schema import BoundPrompt, ConceptMention
from generator.errors import PromptTooLong, TokenSpanError
from generator.tokens import find_token_spans
from tests.generator.tiny import tiny_clip_tokenizer, tiny_t5_tokenizer


def bound_to(prompt: str, *words: str) -> BoundPrompt:
    """Each word bound to a concept called after it in slug's letters, at its first occurrence."""
    mentions = [
        ConceptMention(
            concept_id=word.replace(" ", "-").replace("ü", "u"),
            start=prompt.index(word),
            stop=prompt.index(word) + len(word),
        )
        for word in words
    ]
    return BoundPrompt(prompt=prompt, mentions=tuple(mentions))


def spaced_tokenizer() -> PreTrainedTokenizerFast:
    """Metaspace alone: the offsets of a word's first token include the space before it. No end token."""
    vocab = [("<unk>", 0.0), ("▁a", -1.0), ("▁fox", -1.0), ("▁um", -1.0), ("brella", -1.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def pieces_of(prompt: str, word: str) -> list[str]:
    tokenizer = tiny_t5_tokenizer()
    (span,) = find_token_spans(bound_to(prompt, word), tokenizer, max_sequence_length=32)
    return tokenizer.convert_ids_to_tokens(tokenizer(prompt)["input_ids"])[span.start : span.stop]


@pytest.mark.parametrize(
    ("prompt", "word", "pieces"),
    [
        ("a fox waves", "fox", ["▁fox"]),
        ("fox waves", "fox", ["▁fox"]),
        ("a fox, wearing a hat", "fox", ["▁fox"]),
        ("a straw hat in the snow", "straw hat", ["▁straw", "▁hat"]),
        ("under a umbrella in snow", "umbrella", ["u", "m", "brella"]),
        ("umbrella in snow", "umbrella", ["u", "m", "brella"]),
        ("the  snow", "snow", ["▁snow"]),
        ("a ürsula waves", "ürsula", ["<unk>", "r", "s", "u", "l", "a"]),
    ],
    ids=["middle", "start", "comma-after", "two-words", "pieces", "pieces-at-start", "two-spaces", "unknown-letter"],
)
def test_every_piece_of_the_word_and_no_other_token(prompt: str, word: str, pieces: list[str]) -> None:
    assert pieces_of(prompt, word) == pieces


@pytest.mark.parametrize(("word", "start", "stop"), [("fox", 1, 2), ("umbrella", 3, 5)], ids=["whole", "pieces"])
def test_the_space_before_a_word_is_not_the_words(word: str, start: int, stop: int) -> None:
    """ "▁fox" covers " fox"; a neighbour that ends where the space begins must not be taken in."""
    (span,) = find_token_spans(bound_to("a fox a umbrella", word), spaced_tokenizer(), max_sequence_length=8)
    assert (span.start, span.stop, span.num_tokens) == (start, stop, stop - start)


def test_spans_come_in_the_order_of_the_mentions_with_their_ids() -> None:
    bound = bound_to("a fox in the moonlight wearing a straw hat", "fox", "moonlight", "straw hat")
    spans = find_token_spans(bound, tiny_t5_tokenizer(), max_sequence_length=32)
    assert [(span.concept_id, span.start, span.stop) for span in spans] == [
        ("fox", 1, 2),
        ("moonlight", 4, 5),
        ("straw-hat", 7, 9),
    ]


def test_a_mention_right_before_the_cut_is_kept_and_one_beyond_it_refused() -> None:
    """With 5 tokens the encoder reads four of the words and its end token."""
    prompt = "a fox in snow under moonlight"
    (span,) = find_token_spans(bound_to(prompt, "snow"), tiny_t5_tokenizer(), max_sequence_length=5)
    assert (span.start, span.stop) == (3, 4)
    with pytest.raises(PromptTooLong, match=r"at most 5 tokens, and 'under'.*it has 7"):
        find_token_spans(bound_to(prompt, "under"), tiny_t5_tokenizer(), max_sequence_length=5)


def test_a_start_token_takes_a_place_before_the_cut_and_not_at_it() -> None:
    """Of 7 places CLIP's start and end take one each, so five letters are read."""
    tokenizer, prompt = tiny_clip_tokenizer(), "a b c d e f g"
    read = tokenizer.convert_ids_to_tokens(tokenizer(prompt, truncation=True, max_length=7)["input_ids"])
    (span,) = find_token_spans(bound_to(prompt, "e"), tokenizer, max_sequence_length=7)
    assert (span.start, span.stop) == (5, 6)
    assert read[5:] == ["e</w>", "<|endoftext|>"]
    with pytest.raises(PromptTooLong, match=r"at most 7 tokens, and 'f'.*it has 9"):
        find_token_spans(bound_to(prompt, "f"), tokenizer, max_sequence_length=7)


def test_a_prompt_that_just_fits_keeps_its_last_word() -> None:
    (span,) = find_token_spans(bound_to("a fox in snow", "snow"), tiny_t5_tokenizer(), max_sequence_length=5)
    assert (span.start, span.stop) == (3, 4)


def test_a_mention_cut_in_the_middle_is_refused() -> None:
    with pytest.raises(PromptTooLong, match="straw hat"):
        find_token_spans(bound_to("a straw hat in snow", "straw hat"), tiny_t5_tokenizer(), max_sequence_length=3)


def test_a_mention_without_tokens_is_refused() -> None:
    tokenizer = tiny_t5_tokenizer()
    blank = BoundPrompt(prompt="a  fox", mentions=(ConceptMention(concept_id="gap", start=1, stop=3),))
    with pytest.raises(TokenSpanError, match="'gap' has no tokens"):
        find_token_spans(blank, tokenizer, max_sequence_length=8)
