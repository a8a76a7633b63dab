"""How alike two concepts are in attention, and what to tell a person about it. Without torch.

`generator/blending.py` measures it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LIKELY_BLENDING = 0.5
"""Similarity from which two concepts are likely to blend. On Pocket two words with one and the same direction have 0.52
to 0.59, and of learnt pairs those from 0.5 on keep less of their looks than others (benchmarks/blending.md)."""


@dataclass(frozen=True, order=True)
class KeySimilarity:
    """How alike the keys of two concepts of one prompt are."""

    similarity: float
    """Cosine in [-1, 1], mean over blocks and heads."""
    first: str
    second: str


def blending_warnings(similarities: Sequence[KeySimilarity]) -> tuple[str, ...]:
    """A sentence for every two concepts that are likely to blend, with the cure."""
    return tuple(
        f"{each.first} and {each.second} are likely to blend: their keys have a cosine of {each.similarity:.2f}, and "
        f"{LIKELY_BLENDING} is much. Learn the two together: fableverse learn PICTURE --caption … --also PICTURE "
        "CAPTION --joint."
        for each in similarities
        if each.similarity >= LIKELY_BLENDING
    )
