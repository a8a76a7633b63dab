"""How good a Pocket picture of a page is, as the shipped probe reads it.

Knows Pocket's world only; on pictures of other models the probe means nothing. Imports torch.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from api.book_lock import LockedPicture
from concepts.bank import ConceptBank
from concepts.binding import find_word
from concepts.lexicon import Lexicon
from concepts.pictures import open_picture
from concepts.schema import Concept
from pocket.probe import FIGURE_ATTRIBUTES, NOTHING, Figure, Reading, load_probe, read_pictures

_UNLIKE = 0.5
"""Distance of two colours, in the unit cube of sRGB, from which on they have nothing in common."""
_AND = re.compile(r"\band\b")


@dataclass(frozen=True)
class _Asked:
    """A figure that a prompt asks for, and the part of the prompt that is about it."""

    kind: str
    words: str


class ProbeScorer:
    """Scores pictures by how much of what their prompts ask for, and their concepts' sources show, is there."""

    def __init__(self, bank: ConceptBank, lexicon: Lexicon) -> None:
        self._bank = bank
        self._lexicon = lexicon
        self._probe = load_probe()
        self._sources: dict[str, Reading] = {}

    def score(self, image: Image.Image, picture: LockedPicture) -> float:
        """The mean of marks from 0 to 1: people counted, prompt followed, concepts there and like their sources."""
        reading = read_pictures(self._probe, [image])[0]
        asked = _asked_figures(picture.prompt)
        shown = _matched(asked, reading.figures)
        marks = [
            float(len(reading.figures) == len(asked)),
            *_figure_marks(asked, shown),
            *self._scene_marks(picture.prompt, reading),
            *self._concept_marks(picture, shown),
        ]
        return sum(marks) / len(marks)

    def _scene_marks(self, prompt: str, reading: Reading) -> Iterator[float]:
        for name, phrases in (("place", self._lexicon.places), ("light", self._lexicon.lights)):
            for key, phrase in phrases.items():
                if find_word(prompt, phrase) or find_word(prompt, key):
                    yield float(getattr(reading, name) == key)
        for thing in self._lexicon.objects:
            if find_word(prompt, thing):
                yield float(reading.object == thing)

    def _concept_marks(self, picture: LockedPicture, shown: Mapping[str, Figure]) -> Iterator[float]:
        """How like their sources' the colours of characters and clothes are; without the thing itself, not at all."""
        for concept_id in picture.concepts:
            concept = self._bank.get(concept_id)
            if concept.kind == "character":
                source = next((each for each in self._source(concept).figures if each.kind == concept.word), None)
                if source is not None:
                    figure = shown.get(concept.word)
                    yield _likeness(figure.tint, source.tint) if figure else 0.0
            elif concept.kind == "clothing":
                source = next((each for each in self._source(concept).figures if each.clothing == concept.word), None)
                if source is not None and source.clothing_tint is not None:
                    worn = [each.clothing_tint for each in shown.values() if each.clothing == concept.word]
                    yield max((_likeness(tint, source.clothing_tint) for tint in worn if tint), default=0.0)

    def _source(self, concept: Concept) -> Reading:
        if concept.id not in self._sources:
            picture = open_picture(self._bank.source_path(concept.id))
            self._sources[concept.id] = read_pictures(self._probe, [picture])[0]
        return self._sources[concept.id]


def _asked_figures(prompt: str) -> list[_Asked]:
    """Who is to be in the picture; what is said between two "and" is about the one named there."""
    kinds = [kind for kind in FIGURE_ATTRIBUTES["kind"] if kind != NOTHING]
    named = sorted((start, kind) for kind in kinds for start, _ in find_word(prompt, kind))
    starts = [0]
    for (before, _), (start, _) in zip(named, named[1:], strict=False):
        joints = [match.start() for match in _AND.finditer(prompt, before, start)]
        starts.append(joints[-1] if joints else start)
    stops = [*starts[1:], len(prompt)]
    return [_Asked(kind, prompt[start:stop]) for (_, kind), start, stop in zip(named, starts, stops, strict=False)]


def _matched(asked: Sequence[_Asked], figures: Sequence[Figure]) -> dict[str, Figure]:
    """The figure of each kind that is asked for, the first one of several."""
    return {each.kind: figure for each in reversed(asked) for figure in reversed(figures) if figure.kind == each.kind}


def _figure_marks(asked: Sequence[_Asked], shown: Mapping[str, Figure]) -> Iterator[float]:
    """Whether everybody is there, and does, wears, holds and looks what is said of them."""
    for each in asked:
        figure = shown.get(each.kind)
        yield float(figure is not None)
        for name in ("pose", "clothing", "held", "pattern"):
            for value in FIGURE_ATTRIBUTES[name]:
                if value != NOTHING and find_word(each.words, value):
                    yield float(figure is not None and getattr(figure, name) == value)
        for colour in FIGURE_ATTRIBUTES["colour"]:
            if re.search(rf"\b{colour}\s+(?:\w+\s+)?{each.kind}\b", each.words):
                yield float(figure is not None and figure.colour == colour)


def _likeness(one: Sequence[float], other: Sequence[float]) -> float:
    return max(0.0, 1.0 - math.dist(one, other) / _UNLIKE)
