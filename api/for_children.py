"""Keeps pictures that are not for children out: their words are judged before anything is loaded or begun."""

from collections.abc import Sequence

from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.recipe import ConceptRequest
from generator.slides import Slide
from story.safety import SafetyGate, words_of


def check_prompt(bound: BoundPrompt, slides: Sequence[Slide] = (), *, bank: ConceptBank, gate: SafetyGate) -> None:
    """Let a picture be drawn, or not.

    Args:
        bound: The prompt, with concepts of the bank.
        slides: Their phrases are judged too.
        bank: What it says of these concepts is judged as in a book.
        gate: Judges.

    Raises:
        UnsafeRequest, ModerationUnavailable: As `SafetyGate.check_words`.
    """
    words = {"The prompt": bound.prompt}
    words |= {f"Slide {number}": f"{slide.towards}. {slide.away}" for number, slide in enumerate(slides, start=1)}
    cards = [bank.get(mention.concept_id).card() for mention in bound.mentions]
    gate.check_words(words | {f"The concept {card.id!r}": words_of(card) for card in cards})


def check_captions(captions: Sequence[str], concepts: Sequence[ConceptRequest], *, gate: SafetyGate) -> None:
    """Let concepts be learnt by captions, or not.

    Raises:
        UnsafeRequest, ModerationUnavailable: As `SafetyGate.check_words`.
    """
    words = {f"Caption {number}": caption for number, caption in enumerate(captions, start=1)}
    if len(captions) == 1:
        words = {"The caption": captions[0]}
    gate.check_words(
        words | {f"The concept {each.id!r}": f"{each.id.replace('-', ' ')}. {each.word}" for each in concepts}
    )
