"""How good a Pocket picture of a page is, as the shipped probe reads it.

Knows Pocket's world only; on pictures of other models the probe means nothing. Imports torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from api.book_lock import LockedPicture
from concepts.bank import ConceptBank
from concepts.binding import find_word
from concepts.pictures import open_picture
from pocket.probe import FIGURE_ATTRIBUTES, NOTHING, SCENE_ATTRIBUTES, Figure, Reading, load_probe, read_pictures


@dataclass(frozen=True, kw_only=True)
class _Check:
    """One thing a picture should have, and whether it has."""

    what: str
    is_so: bool


class ProbeScorer:
    """Scores pictures by the share of what their prompts ask for, and their concepts' sources show, that is there."""

    def __init__(self, bank: ConceptBank) -> None:
        self._bank = bank
        self._probe = load_probe()

    def score(self, image: Image.Image, picture: LockedPicture) -> float:
        """From 0 to 1: people counted, prompt followed, concepts there and of their sources' kind and colour."""
        reading = read_pictures(self._probe, [image])[0]
        checks = [*_people(picture.prompt, reading), *_rest(picture.prompt, reading), *self._concepts(picture, reading)]
        return sum(check.is_so for check in checks) / len(checks)

    def _concepts(self, picture: LockedPicture, reading: Reading) -> Iterator[_Check]:
        for concept_id in picture.concepts:
            concept = self._bank.get(concept_id)
            if concept.kind != "character":
                continue
            source = read_pictures(self._probe, [open_picture(self._bank.source_path(concept_id))])[0]
            model = next((figure for figure in source.figures if figure.kind == concept.word), None)
            shown = [figure for figure in reading.figures if figure.kind == concept.word]
            if model is not None:
                is_alike = any(figure.colour == model.colour for figure in shown)
                yield _Check(what=f"{concept_id} has its source's colour", is_so=is_alike)


def _people(prompt: str, reading: Reading) -> Iterator[_Check]:
    asked = sorted((find_word(prompt, kind)[0][0], kind) for kind in _kinds() if find_word(prompt, kind))
    shown = [figure.kind for figure in reading.figures if figure.kind != NOTHING]
    yield _Check(what="people are counted", is_so=len(shown) == len(asked))
    for _, kind in asked:
        yield _Check(what=f"{kind} is there", is_so=kind in shown)


def _rest(prompt: str, reading: Reading) -> Iterator[_Check]:
    """Place, light, and what somebody does, wears or holds."""
    for name in SCENE_ATTRIBUTES:
        for value in SCENE_ATTRIBUTES[name]:
            if value != NOTHING and find_word(prompt, value):
                yield _Check(what=f"{name} is {value}", is_so=getattr(reading, name) == value)
    for name in ("pose", "clothing", "held", "pattern"):
        for value in FIGURE_ATTRIBUTES[name]:
            if value != NOTHING and find_word(prompt, value):
                figures: tuple[Figure, ...] = reading.figures
                yield _Check(what=f"{name} is {value}", is_so=any(getattr(each, name) == value for each in figures))


def _kinds() -> tuple[str, ...]:
    return tuple(kind for kind in FIGURE_ATTRIBUTES["kind"] if kind != NOTHING)
