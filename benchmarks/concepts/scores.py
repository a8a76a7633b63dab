"""Scores of a drawn picture: concept preservation, prompt fidelity, and what leaked, by the probe and the truth.

CP compares what the probe reads of the drawn concept with what it reads of the source picture, so a copy scores 1.
Shapes of ears and tails have no part in it: the judge itself reads them too seldom (see `judge_accuracy`).
PF counts the statements that hold: what the prompt names is there, and nothing of the sources is that it leaves open.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.concepts.cases import BenchConcept, Case
from pocket.probe import Figure, Reading
from pocket.world.schema import Scene

FAR = 0.5
"""Distance of two colours, in RGB of [0, 1], from which on they have nothing in common."""
LEFT_OPEN = ("clothing", "pattern")
"""What prompts do not speak of unless it is wanted; of all else they name another, and a leak breaks a statement."""


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Something that a source shows, that belongs to none of the concepts used, and that the wanted picture lacks."""

    source: str
    what: str
    leaked: bool
    """Whether the drawn picture shows it."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one drawn picture is worth."""

    kept: tuple[float, ...]
    """How far each of the case's concepts is preserved, in their order, 0 to 1."""
    pf: float
    leaks: tuple[Leak, ...]
    """Everything that could leak."""

    @property
    def cp(self) -> float:
        """Mean over the case's concepts, 0 to 1."""
        return float(np.mean(self.kept))


def score(case: Case, drawn: Reading, sources: Sequence[Reading]) -> Score:
    """Score a picture by what the probe reads of it and of the case's sources, in their order."""
    of_source = dict(zip((source.name for source in case.sources), sources, strict=True))
    kept = tuple(
        preservation(concept, of_source[case.source_of(concept).name], _carrier(case, carrier, drawn), drawn)
        for concept, carrier in zip(case.concepts, case.carriers, strict=True)
    )
    leaks = _leaks(case, drawn)
    statements = [*_named(case, drawn), *(not leak.leaked for leak in leaks if leak.what in LEFT_OPEN)]
    return Score(kept=kept, pf=float(np.mean(statements)), leaks=leaks)


def preservation(concept: BenchConcept, source: Reading, carrier: Figure | None, drawn: Reading) -> float:
    """How far the drawn concept looks like the source's, 0 to 1; `carrier` is the figure that should show it.

    A concept that is not there at all (no such figure, nothing worn) is worth 0.
    """
    if concept.kind == "lighting":
        same = drawn.light == source.light
        return float(np.mean([same, same * (1 - abs(drawn.light_hue - source.light_hue))]))
    if carrier is None:
        return 0.0
    original = source.figures[concept.figure]
    if concept.kind == "pose":
        return float(carrier.pose == original.pose)
    if concept.kind == "material":
        same = carrier.pattern == original.pattern
        return float(np.mean([same, same * _closeness(carrier.accent, original.accent)]))
    if concept.kind == "clothing":
        if carrier.clothing != original.clothing or carrier.clothing_tint is None or original.clothing_tint is None:
            return 0.0
        same = carrier.clothing_colour == original.clothing_colour
        return float(np.mean([same, _closeness(carrier.clothing_tint, original.clothing_tint)]))
    if carrier.kind != original.kind:
        return 0.0
    alike = [carrier.colour == original.colour, carrier.pattern == original.pattern]
    colours = [_closeness(carrier.tint, original.tint), _closeness(carrier.accent, original.accent)]
    return float(np.mean([*alike, *colours, 1 - abs(carrier.build - original.build)]))


def reads_true(scene: Scene, reading: Reading) -> bool:
    """Whether the probe sees a source picture as it is, in every attribute that a score depends on."""
    if len(reading.figures) != len(scene.characters) or (reading.place, reading.light) != (scene.place, scene.light):
        return False
    return all(
        (figure.kind, figure.pose, figure.pattern) == (character.kind, character.pose, character.look.pattern)
        and figure.clothing == (character.clothing.name if character.clothing else "none")
        and (figure.colour == character.look.colour or character.look.pattern == "golden")
        for figure, character in zip(reading.figures, scene.characters, strict=True)
    )


def _closeness(first: Sequence[float], second: Sequence[float]) -> float:
    return max(0.0, 1 - float(np.linalg.norm(np.subtract(first, second))) / FAR)


def _carrier(case: Case, index: int, drawn: Reading) -> Figure | None:
    """The drawn figure that stands for a wanted one: of its kind, else in its place."""
    return drawn.find_figure(case.wanted.characters[index].kind, index)


def _named(case: Case, drawn: Reading) -> list[bool]:
    """For everything that the prompt names, whether it is there."""
    wanted, used = case.wanted, set(zip((c.kind for c in case.concepts), case.carriers, strict=True))
    statements = [drawn.place == wanted.place, len(drawn.figures) == len(wanted.characters)]
    if not any(kind == "lighting" for kind, _ in used):
        statements.append(drawn.light == wanted.light)
    for index, character in enumerate(wanted.characters):
        figure = _carrier(case, index, drawn)
        statements.append(figure is not None and figure.kind == character.kind)
        if ("pose", index) not in used:
            statements.append(figure is not None and figure.pose == character.pose)
        if ("character", index) not in used:
            statements.append(figure is not None and figure.colour == character.look.colour)
        if character.clothing is not None:
            statements.append(figure is not None and figure.clothing == character.clothing.name)
    return statements


def _leaks(case: Case, drawn: Reading) -> tuple[Leak, ...]:
    leaks: list[Leak] = []
    for source in case.sources:
        used = {(concept.kind, concept.figure) for concept in case.concepts if concept in source.concepts}

        def add(what: str, leaked: bool, name: str = source.name) -> None:
            leaks.append(Leak(source=name, what=what, leaked=leaked))

        if source.scene.place != case.wanted.place:
            add("place", drawn.place == source.scene.place)
        if ("lighting", 0) not in used and source.scene.light != case.wanted.light:
            add("light", drawn.light == source.scene.light)
        for index in range(len(source.scene.characters)):
            for name, shown in _unused_looks(source.scene, index, used).items():
                wanted = {_look_of(case.wanted, i)[name] for i in range(len(case.wanted.characters))}
                if shown not in wanted and shown not in ("none", "plain"):
                    add(name, any(getattr(figure, name) == shown for figure in drawn.figures))
    return tuple(leaks)


def _unused_looks(scene: Scene, index: int, used: set[tuple[str, int]]) -> dict[str, str]:
    """What a source's figure looks like beside the concepts that are used of it."""
    looks = _look_of(scene, index)
    belongs: dict[str, tuple[str, ...]] = {
        "character": ("kind", "colour", "pattern"), "pose": ("pose",), "material": ("pattern",),
        "clothing": ("clothing",), "lighting": (),
    }  # fmt: skip
    taken = {name for kind, figure in used if figure == index for name in belongs[kind]}
    return {name: value for name, value in looks.items() if name not in taken}


def _look_of(scene: Scene, index: int) -> dict[str, str]:
    character = scene.characters[index]
    return {
        "kind": character.kind,
        "colour": "gold" if character.look.pattern == "golden" else character.look.colour,
        "pattern": character.look.pattern,
        "pose": character.pose,
        "clothing": character.clothing.name if character.clothing else "none",
    }


def judge_accuracy(scenes: Sequence[Scene], readings: Sequence[Reading]) -> dict[str, float]:
    """Share of attributes that the probe reads as they are on clean renders, by attribute."""
    hits: dict[str, list[bool]] = {}
    for scene, reading in zip(scenes, readings, strict=True):
        hits.setdefault("place", []).append(reading.place == scene.place)
        hits.setdefault("light", []).append(reading.light == scene.light)
        hits.setdefault("number", []).append(len(reading.figures) == len(scene.characters))
        for index, character in enumerate(scene.characters):
            truth = _look_of(scene, index) | {"ears": str(character.look.ears), "tail": str(character.look.tail)}
            figure = reading.figures[index] if index < len(reading.figures) else None
            for name, value in truth.items():
                hits.setdefault(name, []).append(figure is not None and getattr(figure, name) == value)
    return {name: float(np.mean(values)) for name, values in hits.items()}
