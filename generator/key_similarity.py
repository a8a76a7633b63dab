"""How alike two concepts are in attention, and what to tell a person about it. Without torch.

`generator/blending.py` measures it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LIKE_COPIES = 0.5
"""Similarity from which two concepts are as alike as copies of each other: two words with one and the same direction
have 0.52 to 0.59 on Pocket. It has not been shown that concepts blend from there on: of four learnt pairs above it, the
two without one rabbit that loses its form beside anybody keep as much of their looks as less similar ones
(benchmarks/blending.md)."""


@dataclass(frozen=True, order=True)
class KeySimilarity:
    """How alike the keys of two concepts of one prompt are."""

    similarity: float
    """Cosine in [-1, 1], mean over blocks and heads."""
    first: str
    second: str


def blending_warnings(similarities: Sequence[KeySimilarity]) -> tuple[str, ...]:
    """A sentence for every two concepts that are as alike as copies, with what a person can do."""
    return tuple(
        f"{each.first} and {each.second} are as alike as two copies of one direction (their keys have a cosine of "
        f"{each.similarity:.2f}, copies {LIKE_COPIES} and more), so they may blend. Look whether they do; if so, draw "
        "them in pictures of their own."
        for each in similarities
        if each.similarity >= LIKE_COPIES
    )
