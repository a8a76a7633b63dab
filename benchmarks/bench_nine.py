"""Nine concepts in one picture: how many are still themselves, read back by the probe?

    python -m benchmarks.bench_nine
    python -m benchmarks.bench_nine --searching       the other half of the prompts, to find strengths on

Twenty prompts name nine concepts each: two characters, what each wears, how each stands, what one holds, place and
light. Each of the nine is learnt from a picture of its own: characters, scarf, waving and moonlight are those of the
sample bank, the rest is learnt here, by the recipe of `fableverse learn`, into a bank that is kept. A concept is
preserved when the probe reads of it in the drawn picture what it reads in its source picture. The same prompts and
seeds without directions are the yardstick: most words say by themselves what is meant, but not colours. So they are
drawn a third time with each direction as strong as its word leaves something to say (`STRENGTHS`).
Prints a table; the last line is JSON.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from api.settings import SAMPLE_BANK_DIR
from benchmarks.bench_modulation import print_table
from concepts.bank import ConceptBank
from concepts.binding import bind_concepts
from concepts.schema import BoundPrompt
from generator.contact_sheet import Panel, contact_sheet
from generator.flux_renderer import FluxRenderer
from generator.isolation_prompts import prompts_from_lexicon
from generator.learning import learn_concepts
from generator.learnt import save_concepts
from generator.loading import FluxModel, load_model
from generator.recipe import ConceptRequest, LearningRecipe
from generator.renderer import PictureOrder
from pocket.probe import Probe, Reading, load_probe, read_pictures
from pocket.world.captions import LIGHT_PHRASES, PLACE_PHRASES
from pocket.world.drawing import draw_scene
from pocket.world.schema import Character, Scene, Thing, sample_look, tint_near

logger = logging.getLogger(__name__)

NUM_PROMPTS = 20
SHIPPED = ("luna", "pip", "clover", "rusty", "woolly", "hello", "night")
"""Concepts of the sample bank. The scarf and the fox are of one picture, so they are never in one prompt."""
FIRST, SECOND = ("luna", "pip", "clover"), ("luna", "pip", "clover", "rusty")
POSES, PLACE, LIGHT = ("hello", "sit", "jump"), "winter", "night"
ROLES = (
    "character 1", "clothing 1", "held 1", "pose 1", "character 2", "clothing 2", "pose 2", "place", "light",
)  # fmt: skip

STRENGTHS = {"character": 1.0, "clothing": 0.8, "held": 0.3, "pose": 0.3, "place": 0.3, "light": 0.3}
"""By role; found before prompts were parted, on 20 of which 7 were among the 20 of the committed table."""


@dataclass(frozen=True)
class Lesson:
    """A concept that is learnt here, and the picture that shows it: one figure, whose colour the caption names."""

    concept: ConceptRequest
    scene: Scene
    caption: str


@dataclass(frozen=True)
class NineConcepts:
    """A prompt and the ids of its concepts, in the order of `ROLES`."""

    prompt: str
    ids: tuple[str, ...]


def lessons() -> tuple[Lesson, ...]:
    """What the sample bank lacks."""
    rng = np.random.default_rng(9)
    red_hat = Thing(name="hat", colour="red", tint=tint_near("red", rng))
    lantern = Thing(name="lantern", colour="yellow", tint=tint_near("yellow", rng))
    of = partial(_lesson, rng)
    return (
        of("cap", "hat", "clothing", "yellow bear", "standing", "town", clothing=red_hat),
        of("glow", "lantern", "object", "blue bear", "standing", "bedroom", held=lantern),
        of("sit", "sitting", "pose", "white fox", "sitting", "meadow"),
        of("jump", "jumping", "pose", "orange bear", "jumping", "town"),
        of("winter", "snow", "place", "red robot", "standing", "snow"),
    )


def _lesson(
    rng: np.random.Generator,
    concept_id: str,
    word: str,
    kind: str,
    figure: str,
    pose: str,
    place: str,
    *,
    clothing: Thing | None = None,
    held: Thing | None = None,
) -> Lesson:
    colour, _, character = figure.partition(" ")
    look = sample_look(rng, colour=colour)
    shown = Character(
        kind=character,
        look=replace(look, pattern="plain"),
        pose=pose,
        clothing=clothing,
        held=held,
    )
    caption = " ".join(
        [
            "an" if figure[0] in "aeiou" else "a",
            figure,
            *([f"wearing a {clothing.name}"] if clothing else []),
            *([f"holding a {held.name}"] if held else []),
            pose,
            PLACE_PHRASES[place],
            LIGHT_PHRASES["day"],
        ]
    )
    concept = ConceptRequest.model_validate({"id": concept_id, "word": word, "kind": kind})
    return Lesson(concept, Scene(characters=(shown,), place=place, light="day"), caption)


def make_prompts(words: Mapping[str, str], *, count: int, seed: int, searching: bool) -> tuple[NineConcepts, ...]:
    """Different prompts of nine concepts, drawn from one half of all that are possible.

    Args:
        words: The concepts', by id.
        count: As many, or all of the half.
        seed: Which, and their order.
        searching: The half on which strengths are found, not the one that is reported: none is in both.
    """
    possible = [
        (first, "woolly", "glow", pose1, second, "cap", pose2, PLACE, LIGHT)
        for first, second, pose1, pose2 in product(FIRST, SECOND, POSES, POSES)
        if first != second and pose1 != pose2
    ]
    halves = np.array_split(np.random.default_rng(0).permutation(len(possible)), 2)
    chosen = np.random.default_rng(seed).permutation(halves[0 if searching else 1])[:count]
    return tuple(NineConcepts(_prompt([words[each] for each in possible[i]]), possible[i]) for i in chosen)


def _prompt(words: Sequence[str]) -> str:
    first, scarf, lantern, pose1, second, hat, pose2, place, light = words
    before = " ".join(PLACE_PHRASES[place].split()[:-1])
    at_light = next(phrase for phrase in LIGHT_PHRASES.values() if phrase.endswith(light))
    return (
        f"a {first} wearing a {scarf} holding a {lantern} {pose1} and a {second} wearing a {hat} {pose2} "
        f"{before} {place} {at_light}"
    )


def preserved(ids: Sequence[str], drawn: Reading, sources: Mapping[str, Reading]) -> tuple[bool, ...]:
    """For each role, whether the drawn picture shows of it what the concept's source picture shows.

    A character is preserved by kind and colour, clothing by what it is and its colour; a figure is the drawn one of the
    source's kind, else the one in its place.
    """
    by_role = dict(zip(ROLES, ids, strict=True))
    found: list[bool] = []
    for role, concept_id in by_role.items():
        source = sources[concept_id]
        name, _, number = role.partition(" ")
        if name in ("place", "light"):
            found.append(getattr(drawn, name) == getattr(source, name))
            continue
        wanted = sources[by_role[f"character {number}"]].figures[0].kind
        figure = drawn.find_figure(wanted, int(number) - 1)
        looks = {"character": ("kind", "colour"), "clothing": ("clothing", "clothing_colour")}.get(name, (name,))
        found.append(
            figure is not None and all(getattr(figure, look) == getattr(source.figures[0], look) for look in looks)
        )
    return tuple(found)


def prepare_bank(model: FluxModel, folder: Path, recipe: LearningRecipe) -> ConceptBank:
    """A bank with all concepts; what `folder` keeps of an earlier run is not learnt again."""
    bank, shipped = ConceptBank(folder / "bank"), ConceptBank(SAMPLE_BANK_DIR)
    kept = set(bank.ids())
    for concept_id in SHIPPED:
        if concept_id not in kept:
            bank.add_folder(shipped.folder / concept_id)
    assert model.lexicon is not None, "the world's words are a lexicon's"
    for lesson in lessons():
        if lesson.concept.id in kept:
            continue
        logger.info("learning id=%s caption=%r", lesson.concept.id, lesson.caption)
        learnt = learn_concepts(
            model,
            Image.fromarray(draw_scene(lesson.scene)),
            lesson.caption,
            [lesson.concept],
            isolation_prompts=prompts_from_lexicon(model.lexicon),
            recipe=recipe,
            cache_dir=folder,
        )
        save_concepts(bank, learnt, make_renderer=partial(FluxRenderer, model))
    return bank


@dataclass(frozen=True)
class Outcome:
    """What a run gave, a row a prompt."""

    prompts: tuple[NineConcepts, ...]
    pictures: tuple[Image.Image, ...]
    """With directions of `STRENGTHS`."""
    in_full: np.ndarray
    """Whether each role is preserved with directions in full, `(num_prompts, 9)`."""
    weighed: np.ndarray
    """The same with directions of `STRENGTHS`."""
    plain: np.ndarray
    """The same without directions."""


def measure(
    model: FluxModel, bank: ConceptBank, probe: Probe, *, count: int, seed: int, searching: bool = False
) -> Outcome:
    """Draw all prompts three times, with directions in full, of `STRENGTHS` and without, and read them."""
    concepts = {concept.id: concept for concept in bank.list()}
    words = {each.id: each.word for each in concepts.values()}
    prompts = make_prompts(words, count=count, seed=seed, searching=searching)
    readings = read_pictures(probe, [Image.open(bank.source_path(concept_id)) for concept_id in concepts])
    sources = dict(zip(concepts, readings, strict=True))
    bound = [bind_concepts(each.prompt, [concepts[concept_id] for concept_id in each.ids]) for each in prompts]
    renderer = FluxRenderer(model, bank)
    weighed = [_strengths(each) for each in prompts]
    none, without = [{} for _ in bound], [BoundPrompt(prompt=each.prompt) for each in bound]
    drawn: list[list[Image.Image]] = []
    for batch, strengths in ((bound, none), (bound, weighed), (without, none)):
        orders = [
            PictureOrder(bound=each, seed=100 * seed + number, strengths=strengths[number])
            for number, each in enumerate(batch)
        ]
        drawn.append(list(renderer.render_all(orders)))
    flags = [
        np.array([preserved(each.ids, reading, sources) for each, reading in zip(prompts, read, strict=True)])
        for read in (read_pictures(probe, pictures) for pictures in drawn)
    ]
    return Outcome(prompts, tuple(drawn[1]), *flags)


def _strengths(nine: NineConcepts) -> dict[str, float]:
    return {concept_id: STRENGTHS[role.partition(" ")[0]] for role, concept_id in zip(ROLES, nine.ids, strict=True)}


def make_sheet(outcome: Outcome, bank: ConceptBank, *, count: int = 5) -> Image.Image:
    """The first pictures, each below the sources of its two characters and labelled with what was preserved."""
    panels = [
        Panel(
            picture,
            tuple(Image.open(bank.source_path(nine.ids[role])) for role in (0, 4)),
            f"{int(flags.sum())} of 9: {nine.prompt}",
        )
        for nine, picture, flags in zip(
            outcome.prompts[:count], outcome.pictures[:count], outcome.weighed[:count], strict=True
        )
    ]
    return contact_sheet(panels)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_nine", description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=NUM_PROMPTS, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of prompts and pictures (default: 1)")
    parser.add_argument("--searching", action="store_true", help="draw the prompts that strengths are found on")
    parser.add_argument("--folder", type=Path, default=Path("out/bench-nine"), help="keeps the bank")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also write a contact sheet")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    model = load_model()
    bank = prepare_bank(model, options.folder, LearningRecipe())
    outcome = measure(model, bank, load_probe(), count=options.prompts, seed=options.seed, searching=options.searching)
    if options.sheet is not None:
        make_sheet(outcome, bank).save(options.sheet)
    columns = {"in full": outcome.in_full, "by strengths": outcome.weighed, "plain prompt": outcome.plain}
    rows = [
        {"": role, **{name: round(float(flags[:, number].mean()), 2) for name, flags in columns.items()}}
        for number, role in enumerate(ROLES)
    ]
    totals = {name: round(float(flags.sum(axis=1).mean()), 2) for name, flags in columns.items()}
    print_table(("concept", *columns), rows)
    print(f"\nPreserved of nine, on average: {totals}.")
    drawn = {"prompts": len(outcome.prompts), "searching": options.searching}
    print(json.dumps({"benchmark": "nine", **drawn, "of_nine": totals, "rows": rows}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
