"""Where a prompt's words are in the text that a family's transformer is given: what the families share.

A family's file says what is around the prompt: other encoders' tokens, a template, padding.
"""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

from concepts.schema import BoundPrompt, ConceptMention
from generator.errors import TokenSpanError
from generator.tokens import find_token_spans


@dataclass(frozen=True)
class TextTokens:
    """The text sequence of one prompt."""

    text_len: int
    """Its length, which token offsets must have."""
    of_concepts: dict[str, tuple[int, ...]]
    """For each concept's id, the positions of its words, as many as its direction has pieces and in their order."""


def locate(bound: BoundPrompt, tokenizer: PreTrainedTokenizerFast, *, max_sequence_length: int) -> dict[str, range]:
    """Positions of each concept's words among the tokens of one tokenizer; errors as in `find_token_spans`."""
    spans = find_token_spans(bound, tokenizer, max_sequence_length=max_sequence_length)
    return {span.concept_id: range(span.start, span.stop) for span in spans}


def inside(bound: BoundPrompt, text: str) -> BoundPrompt:
    """The mentions of a prompt in a longer text that has it once, such as a chat template filled in.

    Raises:
        TokenSpanError: The text does not have the prompt as it is, exactly once.
    """
    if text.count(bound.prompt) != 1:
        raise TokenSpanError(
            f"The model's template turns the prompt {bound.prompt!r} into {text!r}, which does not have it exactly "
            "once, so its words cannot be found. Leave out white space at the ends and words of the template."
        )
    start = text.index(bound.prompt)
    mentions = (
        ConceptMention(concept_id=mention.concept_id, start=start + mention.start, stop=start + mention.stop)
        for mention in bound.mentions
    )
    return BoundPrompt(prompt=text, mentions=tuple(mentions))
