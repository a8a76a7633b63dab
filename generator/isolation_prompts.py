"""Captions of the pictures that the concept isolation loss shows beside the source picture: data and one template.

They are generic on purpose: people, animals, things and places, so that a direction learns to leave all of these alone.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from concepts.lexicon import Lexicon

TWO_PARTS = ("A picture divided into two parts. The left part is ", ". The right part is ", ".")
"""Text before, between and after the two captions. Source: TokenVerse (arXiv:2501.12224), concept isolation loss."""

SIDE_BY_SIDE = " next to "
"""Text between two captions merged for joint learning. Source: the same, Fig. 14."""

NUM_PICTURES = 25
"""Source: the same."""

GENERAL_PROMPTS = (
    "a baker carrying loaves of bread through a narrow street",
    "a heron standing in shallow water at dawn",
    "two children flying a kite on a windy hill",
    "a red bicycle leaning against a brick wall",
    "an old sailor mending a net beside a wooden boat",
    "a hedgehog under a pile of autumn leaves",
    "a bowl of oranges on a kitchen table",
    "a woman reading a newspaper in a crowded tram",
    "a snowy mountain village at night",
    "a horse galloping along an empty beach",
    "a violin resting on a velvet chair",
    "a market stall full of flowers and pumpkins",
    "a boy feeding ducks from a stone bridge",
    "a lighthouse in a storm",
    "an astronaut planting a tree in a glass dome",
    "a turtle swimming over a coral reef",
    "a potter shaping a tall vase in a bright workshop",
    "a train crossing a viaduct above a green valley",
    "an owl on a mailbox in the rain",
    "a grandfather teaching a girl to play chess in a park",
    "a desert camp with striped tents under the stars",
    "a squirrel balancing on a garden fence",
    "a chef juggling tomatoes in a busy restaurant",
    "a field of sunflowers with a scarecrow in the middle",
    "a dog asleep on a stack of suitcases",
)
"""For models that draw anything."""


def prompts_from_lexicon(lexicon: Lexicon, *, count: int = NUM_PICTURES, seed: int = 0) -> tuple[str, ...]:
    """Captions made of what a small model can draw, spread over its characters, places and lights.

    Each word comes as often as others of its sort, and no two always go together: a character is in several places.
    """
    choices = random.Random(seed)
    characters, poses, places, lights = (
        choices.sample(words, len(words))
        for words in (
            lexicon.characters,
            tuple(lexicon.poses.values()),
            tuple(lexicon.places.values()),
            tuple(lexicon.lights.values()),
        )
    )
    return tuple(
        f"{_with_article(f'{choices.choice(lexicon.colours)} {character}')} "
        f"{pose}{_belongings(lexicon, choices)} {place} {light}"
        for character, pose, place, light in _spread((characters, poses, places, lights), count)
    )


def _spread(sorts: Sequence[Sequence[str]], count: int) -> Iterator[tuple[str, ...]]:
    """A word of each sort at a time: of those used least, the one that stood least beside the words before it."""
    used, together = Counter[str](), Counter[frozenset[str]]()
    for _ in range(count):
        chosen: list[str] = []
        for words in sorts:
            chosen.append(
                min(words, key=lambda word: (used[word], sum(together[frozenset((word, other))] for other in chosen)))
            )
        used.update(chosen)
        together.update(map(frozenset, combinations(chosen, 2)))
        yield tuple(chosen)


def _belongings(lexicon: Lexicon, choices: random.Random) -> str:
    """In every third caption or so, something standing beside the character."""
    if not lexicon.objects or choices.random() > 0.35:
        return ""
    return f" beside {_with_article(choices.choice(lexicon.objects))}"


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
