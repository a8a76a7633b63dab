"""From characters of a prompt to tokens of the text encoder, by the tokenizer's own offsets.

Knows nothing of directions or models; works with any fast (Rust-backed) tokenizer, Metaspace ones included.
"""

from dataclasses import dataclass
from itertools import takewhile

from transformers import PreTrainedTokenizerFast

from concepts.schema import BoundPrompt, ConceptMention
from generator.errors import PromptTooLong, TokenSpanError

METASPACE = "▁"


@dataclass(frozen=True)
class TokenSpan:
    """The text tokens `[start, stop)` that spell a concept's words in one prompt; never empty."""

    concept_id: str
    start: int
    stop: int

    @property
    def num_tokens(self) -> int:
        return self.stop - self.start


def find_token_spans(
    bound: BoundPrompt, tokenizer: PreTrainedTokenizerFast, *, max_sequence_length: int
) -> tuple[TokenSpan, ...]:
    """Where each mention stands among the text tokens: every piece of its words, in the order of the mentions.

    A word has the same pieces wherever it stands between spaces: a token of nothing but the space before it
    does not count.

    Args:
        bound: The prompt as it will be encoded, character for character.
        tokenizer: `pipeline.tokenizer_2`; the one whose tokens the transformer sees.
        max_sequence_length: Tokens that the encoder reads, end token included.

    Raises:
        PromptTooLong: A mention lies, partly or wholly, beyond the tokens that the encoder reads.
        TokenSpanError: The tokenizer drops all characters of a mention.
    """
    encoding = tokenizer(
        bound.prompt,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        add_special_tokens=True,
        verbose=False,
    )
    tokens = tokenizer.convert_ids_to_tokens(encoding["input_ids"])
    char_spans = [
        _trim(bound.prompt, token, start, stop)
        for token, (start, stop) in zip(tokens, encoding["offset_mapping"], strict=True)
    ]
    num_kept = len(tokens)
    if num_kept > max_sequence_length:
        num_ends = sum(1 for _ in takewhile(bool, reversed(encoding["special_tokens_mask"])))
        num_kept = max_sequence_length - num_ends
    return tuple(
        _token_span(bound.prompt, mention, char_spans, num_kept, max_sequence_length) for mention in bound.mentions
    )


def _trim(prompt: str, token: str, start: int, stop: int) -> tuple[int, int]:
    """A token's characters without the space that some tokenizers count as part of the word that follows."""
    if not token.strip(METASPACE):
        return start, start
    while start < stop and prompt[start].isspace():
        start += 1
    return start, stop


def _token_span(
    prompt: str, mention: ConceptMention, char_spans: list[tuple[int, int]], num_kept: int, max_sequence_length: int
) -> TokenSpan:
    words = prompt[mention.start : mention.stop]
    indices = [
        index for index, (start, stop) in enumerate(char_spans) if max(start, mention.start) < min(stop, mention.stop)
    ]
    if not indices:
        raise TokenSpanError(
            f"The tokenizer drops {words!r} from {prompt!r}, so concept {mention.concept_id!r} has no tokens; "
            "every concept needs one. Write its words in letters that the tokenizer knows."
        )
    if indices[-1] >= num_kept:
        raise PromptTooLong(
            f"The prompt is too long: the text encoder reads at most {max_sequence_length} tokens, and {words!r} "
            f"(concept {mention.concept_id!r}) lies beyond them in {prompt!r}. Shorten the prompt to "
            f"{max_sequence_length} tokens (it has {len(char_spans)}), or move {words!r} forward."
        )
    return TokenSpan(mention.concept_id, indices[0], indices[-1] + 1)
