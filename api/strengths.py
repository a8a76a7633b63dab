"""Strengths of concepts: as the command line writes them, "rusty=0.8", and which of them a book has no use for."""

from collections.abc import Mapping, Sequence

from api.book_lock import BookLock
from api.errors import UsageError
from concepts.schema import check_concept_id
from generator.settings import MAX_STRENGTH


def parse_strengths(texts: Sequence[str]) -> dict[str, float]:
    """Factors on the directions of concepts, by id.

    Raises:
        UsageError: A text has another form, a number is out of range, or a concept is named twice.
        InvalidConcept: An id is none.
    """
    strengths: dict[str, float] = {}
    for text in texts:
        concept_id, separator, number = text.partition("=")
        strength = _number(number)
        if not separator or strength is None:
            raise UsageError(
                f"--strength {text!r} has no '=' and a number from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}; write "
                "ID=NUMBER, as in rusty=0.8, where 1 is as learnt."
            )
        checked = check_concept_id(concept_id.strip())
        if checked in strengths:
            raise UsageError(f"--strength names {checked!r} twice; give each concept one strength.")
        strengths[checked] = strength
    return strengths


def unused_strengths(strengths: Mapping[str, float], lock: BookLock) -> tuple[str, ...]:
    """A warning for each strength that was asked for and that no picture of the book takes."""
    return tuple(
        f"The strength of {concept_id!r} was not used: no picture of the story has it."
        for concept_id in sorted(strengths.keys() - lock.strengths.keys())
    )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if -MAX_STRENGTH <= number <= MAX_STRENGTH else None
