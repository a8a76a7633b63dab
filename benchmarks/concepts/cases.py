"""The benchmark's questions: source pictures with their concepts, and what is to be drawn with these.

Everything is drawn from the world by a seed. First figures are of combinations that training leaves out (the shipped
model saw them as second figures, see docs/LOG.md), and what is learnt has no word of its own: a character's caption
leaves out its colour, and pose, light and material are called by adjectives that mean nothing to the model. A case is
known as a scene, so the truth of each picture is known too.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

from concepts.binding import find_word
from concepts.schema import BoundPrompt, ConceptKind, ConceptMention
from pocket.world import captions, drawing, schema
from pocket.world.schema import Character, Look, Scene, Thing

Task = Literal["composition", "decomposition", "full"]
TASKS: tuple[Task, ...] = ("composition", "decomposition", "full")
POSE_WORD, MATERIAL_WORD, LIGHT_WORD = "curious", "old", "lovely"
"""Words of the training captions that no picture depends on."""

SINGLE: tuple[tuple[ConceptKind, ...], ...] = (
    ("character",), ("pose",), ("character",), ("lighting",),
    ("character",), ("clothing",), ("character",), ("material",),
)  # fmt: skip
MULTI: tuple[tuple[ConceptKind, ...], ...] = (
    ("character", "clothing"), ("character", "lighting"), ("material", "pose"), ("character", "character"),
    ("clothing", "pose"), ("character", "pose"), ("material", "lighting"), ("clothing", "lighting"),
)  # fmt: skip
"""Kinds of the concepts of one picture, taken in turn."""

Accept = Callable[[Scene], bool]
"""Whether the judge reads a source picture as it was drawn, so that what is compared with it means something."""


def accept_all(scene: Scene) -> bool:
    del scene
    return True


@dataclass(frozen=True, kw_only=True)
class BenchConcept:
    """One concept of a source picture."""

    id: str
    word: str
    kind: ConceptKind
    figure: int
    """Which figure of the scene shows it, from left to right; 0 for the light too."""


@dataclass(frozen=True, kw_only=True)
class BenchSource:
    """A picture to learn from."""

    name: str
    scene: Scene
    caption: str
    concepts: tuple[BenchConcept, ...]

    def picture(self) -> Image.Image:
        return Image.fromarray(drawing.draw_scene(self.scene))


@dataclass(frozen=True, kw_only=True)
class Case:
    """Two concepts in a new scene."""

    name: str
    task: Task
    sources: tuple[BenchSource, ...]
    """One for decomposition, else two."""
    concepts: tuple[BenchConcept, ...]
    prompt: BoundPrompt
    wanted: Scene
    """What a perfect method draws: the concepts with their looks in the scene that the prompt tells."""
    carriers: tuple[int, ...]
    """For each concept, the figure of the wanted scene that shows it."""

    def source_of(self, concept: BenchConcept) -> BenchSource:
        return next(source for source in self.sources if concept in source.concepts)


_Chosen = tuple[tuple[BenchSource, ...], tuple[BenchConcept, ...]]
"""A case's pictures, and the concepts that it takes from them."""


def make_sources(count: int, *, multi: bool, seed: int, accept: Accept = accept_all) -> tuple[BenchSource, ...]:
    """Source pictures with one concept each, or with several, of kinds in turn; equal arguments give equal ones."""
    kinds = MULTI if multi else SINGLE
    name = "multi" if multi else "single"
    rng = np.random.default_rng((seed, 41 if multi else 40))
    return tuple(_source(f"{name}{i:02}", kinds[i % len(kinds)], rng, accept) for i in range(count))


def make_cases(
    single: Sequence[BenchSource], multi: Sequence[BenchSource], *, seed: int, tasks: Sequence[Task] = TASKS
) -> tuple[Case, ...]:
    """The cases of each task: about as many as there are pictures.

    Composition takes a concept from each of two pictures that show one, decomposition both concepts of one picture,
    the full task one concept from each of two pictures that show several. Each picture is in two pairs, because
    learning one costs far more than drawing a case; joint methods learn each pair. More pictures add cases, and keep
    nearly all of those of fewer.
    """
    cases: list[Case] = []
    for number, task in enumerate(TASKS):
        if task == "decomposition":
            rounds: list[list[_Chosen]] = [[((source,), source.concepts) for source in multi]]
        else:
            rounds = _rounds_of_pairs(single if task == "composition" else multi)
        for turn, chosen in enumerate(rounds if task in tasks else ()):
            for i, (sources, concepts) in enumerate(chosen):
                rng = np.random.default_rng((seed, 42 + turn, number, i))
                name = f"{task}{i:02}{'' if turn == 0 else 'b'}"
                cases.append(_case(name, task, sources, concepts, rng))
    return tuple(cases)


def describe(scene: Scene) -> str:
    """A prompt that says everything of a scene that there is a word for."""
    figures = [_described(character) for character in scene.characters]
    phrases = captions.PLACE_PHRASES[scene.place], captions.LIGHT_PHRASES[scene.light]
    return " ".join([" and ".join(figures), *phrases])


def _described(character: Character) -> str:
    words = [*_named_looks(character, has_material=False), character.kind]
    worn = character.clothing
    wearing = f" wearing a {worn.colour} {worn.name}" if worn else ""
    return f"{'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)}{wearing} {character.pose}"


def _rounds_of_pairs(sources: Sequence[BenchSource]) -> list[list[_Chosen]]:
    """Two ways to pair pictures, which share no pair."""
    first = _pairs(sources)
    return [first, _pairs(sources, made={frozenset(each.name for each in pair) for pair, _ in first})]


def _pairs(sources: Sequence[BenchSource], *, made: Collection[frozenset[str]] = ()) -> list[_Chosen]:
    """Each picture with the next one that has a concept of another word; each picture in one pair where possible.

    No caption of a pair says the word of a concept that is the other picture's, or it would name that one too. Pairs
    that are `made` already, by the names of both, are not made again.
    """
    left, pairs = list(sources), []
    while len(left) > 1:
        first = left.pop(0)
        for second in left:
            concepts = _from_both(first, second)
            if concepts is not None and frozenset((first.name, second.name)) not in made:
                left.remove(second)
                pairs.append(((first, second), concepts))
                break
    return pairs


def _from_both(first: BenchSource, second: BenchSource) -> tuple[BenchConcept, BenchConcept] | None:
    """A concept of each that a picture can show together; None where there are none."""
    if _names_of(first, second) or _names_of(second, first):
        return None
    return next(((a, b) for a in first.concepts for b in reversed(second.concepts) if _go_together(a, b)), None)


def _names_of(source: BenchSource, other: BenchSource) -> bool:
    return any(find_word(other.caption, concept.word) for concept in source.concepts)


def _go_together(first: BenchConcept, second: BenchConcept) -> bool:
    return first.word != second.word and (first.kind != second.kind or first.kind == "character")


def _source(name: str, kinds: tuple[ConceptKind, ...], rng: np.random.Generator, accept: Accept) -> BenchSource:
    while True:
        scene = schema.sample_scene(rng, num_characters=max(1, kinds.count("character")))
        scene = _suited(scene, kinds, rng)
        if schema.combination_is_held_out(scene) and accept(scene):
            break
    concepts: list[BenchConcept] = []
    for kind in kinds:
        figure = sum(other.kind == "character" for other in concepts) if kind == "character" else 0
        word = _word(scene, kind, figure)
        concepts.append(BenchConcept(id=f"{name}-{word}", word=word, kind=kind, figure=figure))
    return BenchSource(name=name, scene=scene, caption=_text(scene, concepts)[0], concepts=tuple(concepts))


def _word(scene: Scene, kind: ConceptKind, figure: int) -> str:
    character = scene.characters[figure]
    if kind == "clothing":
        assert character.clothing is not None
        return character.clothing.name
    words = {"character": character.kind, "pose": POSE_WORD, "material": MATERIAL_WORD, "lighting": LIGHT_WORD}
    return words[kind]


def _suited(scene: Scene, kinds: tuple[ConceptKind, ...], rng: np.random.Generator) -> Scene:
    """The scene changed so that it shows concepts of these kinds clearly."""
    first, *rest = (replace(character, held=None) for character in scene.characters)
    rest = [replace(character, clothing=None) for character in rest]
    colour = str(rng.choice(schema.COLOURS))
    worn = Thing(name=str(rng.choice(("scarf", "hat"))), colour=colour, tint=schema.tint_near(colour, rng))
    pattern = str(rng.choice(("striped", "spotted"))) if "material" in kinds else "plain"
    if "character" in kinds and "material" not in kinds:
        pattern = first.look.pattern
    first = replace(
        first,
        look=replace(first.look, pattern=pattern),
        clothing=worn if "clothing" in kinds else None,
        pose=str(rng.choice([p for p in schema.POSES if p != "standing"])) if "pose" in kinds else first.pose,
    )
    light = str(rng.choice(schema.LIGHTS[1:])) if "lighting" in kinds else "day"
    return replace(scene, characters=(first, *rest), light=light, standing_object=None)


def _case(
    name: str,
    task: Task,
    sources: tuple[BenchSource, ...],
    concepts: tuple[BenchConcept, ...],
    rng: np.random.Generator,
) -> Case:
    looks_of = {concept.id: next(s for s in sources if concept in s.concepts) for concept in concepts}
    figures, carriers = _figures(concepts, looks_of, sources, rng)
    seen = [source.scene for source in sources]
    light_source = next((looks_of[c.id].scene for c in concepts if c.kind == "lighting"), None)
    unseen_lights = [light for light in schema.LIGHTS if light not in {scene.light for scene in seen}]
    scene = Scene(
        characters=figures,
        place=_unlike(schema.PLACES, [scene.place for scene in seen], rng),
        light=str(rng.choice(unseen_lights)) if light_source is None else light_source.light,
        light_hue=0.0 if light_source is None else light_source.light_hue,
        layout=int(rng.integers(3)),
    )
    placed = [replace(c, figure=figure) for c, figure in zip(concepts, carriers, strict=True)]
    text, mentions = _text(scene, placed)
    prompt = BoundPrompt(prompt=text, mentions=mentions)
    return Case(
        name=name, task=task, sources=sources, concepts=concepts, prompt=prompt, wanted=scene, carriers=carriers
    )


def _figures(
    concepts: tuple[BenchConcept, ...],
    source_of: dict[str, BenchSource],
    sources: tuple[BenchSource, ...],
    rng: np.random.Generator,
) -> tuple[tuple[Character, ...], tuple[int, ...]]:
    """The figures of the wanted scene, and which of them shows each concept.

    A material that comes with a character goes onto a figure of its own, because a look cannot be kept and replaced.
    """
    shown = {c.id: source_of[c.id].scene.characters[c.figure] for c in concepts}
    characters = [c for c in concepts if c.kind == "character"]
    poses = [figure.pose for source in sources for figure in source.scene.characters]
    figures = [
        Character(kind=c.word, look=shown[c.id].look, pose=_unlike(schema.POSES, poses, rng)) for c in characters
    ]
    if not characters or any(c.kind == "material" for c in concepts):
        known = [figure for source in sources for figure in source.scene.characters]
        kind = _unlike(schema.CHARACTERS, [figure.kind for figure in known], rng)
        colour = _unlike(schema.COLOURS, [figure.look.colour for figure in known], rng)
        look = replace(schema.sample_look(rng, colour=colour), pattern="plain")
        figures.append(Character(kind=kind, look=look, pose=_unlike(schema.POSES, poses, rng)))
    carriers: list[int] = []
    for concept in concepts:
        where = characters.index(concept) if concept in characters else 0
        model = shown[concept.id]
        if concept.kind == "clothing":
            figures[0] = replace(figures[0], clothing=model.clothing)
        elif concept.kind == "pose":
            figures[0] = replace(figures[0], pose=model.pose)
        elif concept.kind == "material":
            where = len(figures) - 1
            look: Look = replace(figures[where].look, pattern=model.look.pattern, accent=model.look.accent)
            figures[where] = replace(figures[where], look=look)
        carriers.append(where)
    if len(figures) == 2:
        figures = [replace(f, x=x, scale=0.9) for f, x in zip(figures, (0.26, 0.74), strict=True)]
    return tuple(figures), tuple(carriers)


def _unlike(options: Sequence[str], taken: Sequence[str], rng: np.random.Generator) -> str:
    return str(rng.choice([option for option in options if option not in taken]))


class _Caption:
    """A caption that is being written: its text, and where it names concepts."""

    def __init__(self, concepts: Sequence[BenchConcept]) -> None:
        self.concepts = concepts
        self.text = ""
        self.mentions: list[ConceptMention] = []

    def add(self, word: str, concept: BenchConcept | None = None) -> None:
        self.text += " " if self.text else ""
        start = len(self.text)
        self.text += word
        if concept is not None:
            self.mentions.append(ConceptMention(concept_id=concept.id, start=start, stop=len(self.text)))

    def concept(self, kind: ConceptKind, figure: int) -> BenchConcept | None:
        return next((c for c in self.concepts if c.kind == kind and c.figure == figure), None)

    def add_figure(self, character: Character, index: int) -> None:
        itself, pose = self.concept("character", index), self.concept("pose", index)
        material, worn = self.concept("material", index), self.concept("clothing", index)
        words: list[tuple[str, BenchConcept | None]] = [(c.word, c) for c in (pose, material) if c is not None]
        if itself is None:
            words += [(word, None) for word in _named_looks(character, has_material=material is not None)]
        words.append((character.kind, itself))
        self.add("an" if words[0][0][0] in "aeiou" else "a")
        for word, concept in words:
            self.add(word, concept)
        if worn is not None:
            self.add("wearing a")
            self.add(worn.word, worn)
        if pose is None:
            self.add(character.pose)


def _named_looks(character: Character, *, has_material: bool) -> list[str]:
    colour, pattern = character.look.colour, character.look.pattern
    return [
        *([colour] if pattern != "golden" else []),
        *([pattern] if pattern != "plain" and not has_material else []),
    ]


def _text(scene: Scene, concepts: Sequence[BenchConcept]) -> tuple[str, tuple[ConceptMention, ...]]:
    """A caption that names what the concepts do not say, and the concepts by their words, and where it does."""
    caption = _Caption(concepts)
    for index, character in enumerate(scene.characters):
        if index:
            caption.add("and")
        caption.add_figure(character, index)
    light = caption.concept("lighting", 0)
    *before, place = captions.PLACE_PHRASES[scene.place].split()
    caption.add(" ".join(before))
    if light is not None:
        caption.add(light.word, light)
    caption.add(place)
    if light is None:
        caption.add(captions.LIGHT_PHRASES[scene.light])
    return caption.text, tuple(caption.mentions)
