"""Where a text's words are among its tokens, by the model's own tokenizer. Knows nothing of pictures or tensors."""

from collections.abc import Sequence

from concepts.schema import BoundPrompt, ConceptMention
from generator.errors import PromptTooLong, TokenSpanError
from generator.loading import FluxModel
from generator.tokens import find_token_spans


class TextReader:
    """Reads texts as the text encoder that the transformer sees does."""

    def __init__(self, model: FluxModel, max_sequence_length: int) -> None:
        self.tokenizer = model.pipeline.tokenizer_2
        self.max_sequence_length = max_sequence_length

    def fits(self, text: str) -> bool:
        """Whether the encoder reads the text to its end."""
        return self._num_tokens(text) <= self.max_sequence_length

    def check_length(self, text: str) -> None:
        """Raises `PromptTooLong` unless the text fits."""
        if not self.fits(text):
            raise PromptTooLong(
                f"{text!r} is {self._num_tokens(text)} tokens long, but the text encoder reads at most "
                f"{self.max_sequence_length}. Shorten it."
            )

    def locate(self, text: str, start: int, stop: int) -> range:
        """Tokens that hold the characters; none for a mark that the tokenizer drops."""
        mention = ConceptMention(concept_id="words", start=start, stop=stop)
        try:
            (span,) = find_token_spans(
                BoundPrompt(prompt=text, mentions=(mention,)),
                self.tokenizer,
                max_sequence_length=self.max_sequence_length,
            )
        except TokenSpanError:
            return range(0)
        return range(span.start, span.stop)

    def check_rows(self, caption: str, mention: ConceptMention, rows: Sequence[int]) -> None:
        """A concept needs every piece of its words, and none that another word claims.

        Raises:
            TokenSpanError: It is not so.
        """
        word = caption[mention.start : mention.stop]
        num_pieces = len(self.locate(caption, mention.start, mention.stop))
        if not rows or len(rows) != num_pieces:
            raise TokenSpanError(
                f"The tokenizer does not keep {word!r} apart from its neighbours in {caption!r}, so concept "
                f"{mention.concept_id!r} cannot be learnt. Put spaces around it, or use a word it knows."
            )

    def _num_tokens(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=True, verbose=False)["input_ids"])
