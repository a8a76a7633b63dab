"""Finds the words of the concepts that are to be learnt in the captions of their pictures. Knows no model: no torch."""

from collections.abc import Sequence

from concepts.binding import bind_concepts, find_words
from concepts.errors import ConceptNotMentioned, InvalidConcept
from concepts.schema import BoundPrompt, Concept
from generator.recipe import ConceptRequest

_UNKNOWN = "not learnt yet"
_UNKNOWN_SHA256 = "0" * 64


def bind_captions(captions: Sequence[str], concepts: Sequence[ConceptRequest]) -> tuple[BoundPrompt, ...]:
    """Each caption bound to the concepts that it names, once each; every concept is named by one at least.

    A single caption names them all.

    Raises:
        InvalidConcept: There are no concepts, or two of one id.
        ConceptNotMentioned, AmbiguousMention, CollidingConcepts: A caption does not name its concepts once each.
    """
    ids = [concept.id for concept in concepts]
    if not ids or len(set(ids)) < len(ids):
        raise InvalidConcept(
            f"Cannot learn the concepts {ids!r}: learning needs at least one, and each its own id. Correct the ids."
        )
    if len(captions) == 1:
        return (_bind(captions[0], concepts),)
    bound: list[BoundPrompt] = []
    for caption in captions:
        found = find_words(caption, {concept.id: concept.word for concept in concepts})
        named = [concept for concept in concepts if found[concept.id]]
        if not named:
            raise ConceptNotMentioned(
                f"The caption {caption!r} names none of {[concept.word for concept in concepts]!r}: every picture "
                "shows a concept that is learnt, by its word. Write the word into the caption, or leave the picture "
                "out."
            )
        bound.append(_bind(caption, named))
    shown = {mention.concept_id for own in bound for mention in own.mentions}
    for concept in concepts:
        if concept.id not in shown:
            raise ConceptNotMentioned(
                f"No caption contains {concept.word!r}, the word of concept {concept.id!r}: every concept is shown by "
                "one picture at least. Write the word into a caption, or leave the concept out."
            )
    return tuple(bound)


def _bind(caption: str, concepts: Sequence[ConceptRequest]) -> BoundPrompt:
    provisional = [
        Concept(
            **concept.model_dump(),
            caption=caption or " ",
            base_model=_UNKNOWN,
            base_model_name=_UNKNOWN,
            direction_sha256=_UNKNOWN_SHA256,
            recipe={},
        )
        for concept in concepts
    ]
    return bind_concepts(caption, provisional)
