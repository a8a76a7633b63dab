"""Do two characters blend in one picture, do their keys tell it beforehand, and does learning them together help?

    python -m benchmarks.bench_blending

Ten figures, two of each of five kinds, are learnt from a picture each, the second of a kind under a word of its own,
by the recipe of `fableverse learn --quick`. Every two of them that differ in colour stand in four pictures. A figure is
kept when the probe reads its source's kind and colour of it; it has blended when it has the other's colour instead. The
pairs that keep least are learnt again from both pictures together (`--joint`) and drawn with the same seeds. What is
learnt is kept in a folder. Prints tables; the last line is JSON.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from api.commands.learn import recipe_of
from benchmarks.bench_modulation import print_table
from concepts.bank import ConceptBank
from concepts.binding import bind_concepts
from concepts.distinct import give_distinct_words
from concepts.schema import Concept
from generator.flux_renderer import FluxRenderer
from generator.isolation_prompts import prompts_from_lexicon
from generator.learning import learn_concepts
from generator.learnt import save_concepts
from generator.loading import FluxModel, load_model
from generator.recipe import ConceptRequest, SourcePicture
from generator.renderer import PictureOrder
from pocket.probe import Figure, Probe, Reading, load_probe, read_pictures
from pocket.world.captions import LIGHT_PHRASES, PLACE_PHRASES
from pocket.world.drawing import draw_scene
from pocket.world.schema import Character, Scene, sample_look

logger = logging.getLogger(__name__)

FIGURES = (
    ("orange", "fox"), ("blue", "cat"), ("pink", "rabbit"), ("green", "robot"), ("yellow", "bear"),
    ("purple", "fox"), ("red", "cat"), ("white", "rabbit"), ("blue", "robot"), ("green", "bear"),
)  # fmt: skip
"""Colours and kinds; no caption says the colours."""
PLACES = ("meadow", "beach")
LEVELS = (-1.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.01)
"""Between which likenesses of keys pairs are counted together."""


@dataclass(frozen=True)
class Lesson:
    """A figure that is learnt, and the picture that shows it."""

    concept: ConceptRequest
    caption: str
    colour: str
    picture: Image.Image

    @property
    def source(self) -> SourcePicture:
        return SourcePicture(picture=self.picture, caption=self.caption)


@dataclass(frozen=True)
class Met:
    """What became of two concepts that stood in pictures together."""

    ids: tuple[str, str]
    likeness: float
    """Cosine of their keys, the mean over the prompts."""
    kept: float
    """Share of figures with the kind and the colour of their source."""
    blended: float
    """Share of figures with the other's colour."""

    @property
    def is_of_one_kind(self) -> bool:
        first, second = (each.rpartition("-")[2] for each in self.ids)
        return first == second


def lessons() -> tuple[Lesson, ...]:
    """The ten figures, the second of a kind under a distinct word."""
    rng = np.random.default_rng(11)
    found: list[Lesson] = []
    for colour, kind in FIGURES:
        look = replace(sample_look(rng, colour=colour), pattern="plain")
        scene = Scene(characters=(Character(kind=kind, look=look, pose="standing"),), place="town", light="day")
        caption = f"a {kind} standing {PLACE_PHRASES['town']} {LIGHT_PHRASES['day']}"
        concept_id, taken = f"{colour}-{kind}", [lesson.concept.word for lesson in found]
        distinct = give_distinct_words([caption], {concept_id: kind}, taken=taken)
        concept = ConceptRequest(id=concept_id, word=distinct.words[concept_id], kind="character")
        found.append(Lesson(concept, distinct.captions[0], colour, Image.fromarray(draw_scene(scene))))
    return tuple(found)


def pairs_of(taught: Sequence[Lesson]) -> list[tuple[Lesson, Lesson]]:
    """Every two that differ in colour, or nobody could tell whether one has the other's."""
    return [(a, b) for a, b in combinations(taught, 2) if a.colour != b.colour]


def learn_into(model: FluxModel, bank: ConceptBank, taught: Sequence[Lesson], *, seed: int, cache_dir: Path) -> None:
    """Learn pictures together into the bank, jointly where there are several; what it has is not learnt again."""
    if {lesson.concept.id for lesson in taught} <= set(bank.ids()):
        return
    assert model.lexicon is not None, "the world's words are a lexicon's"
    logger.info("learning %s", ", ".join(lesson.concept.id for lesson in taught))
    first, *others = taught
    learnt = learn_concepts(
        model,
        first.picture,
        first.caption,
        [lesson.concept for lesson in taught],
        isolation_prompts=prompts_from_lexicon(model.lexicon),
        recipe=recipe_of(num_parameters=model.num_parameters, steps=None, seed=seed, quick=True, joint=len(taught) > 1),
        more_sources=[lesson.source for lesson in others],
        cache_dir=cache_dir,
    )
    save_concepts(bank, learnt, make_renderer=partial(FluxRenderer, model), replace=True)


def prompts_of(first: Concept, second: Concept) -> tuple[str, ...]:
    """Both orders, in each place."""
    return tuple(
        f"a {left.word} and a {right.word} {PLACE_PHRASES[place]} {LIGHT_PHRASES['day']}"
        for place in PLACES
        for left, right in ((first, second), (second, first))
    )


def meet(renderer: FluxRenderer, probe: Probe, bank: ConceptBank, ids: tuple[str, str], *, seed: int) -> Met:
    """Draw two concepts of the bank together and read what became of them."""
    concepts = {concept_id: bank.get(concept_id) for concept_id in ids}
    bound = [bind_concepts(prompt, list(concepts.values())) for prompt in prompts_of(*concepts.values())]
    orders = [PictureOrder(bound=each, seed=100 * seed + number) for number, each in enumerate(bound)]
    readings = read_pictures(probe, list(renderer.render_all(orders)))
    sources = {
        concept_id: read_pictures(probe, [Image.open(bank.source_path(concept_id))])[0].figures[0] for concept_id in ids
    }
    fates = [
        fate
        for each, reading in zip(bound, readings, strict=True)
        for fate in fates_of([mention.concept_id for mention in each.mentions], sources, reading)
    ]
    likenesses = [renderer.key_similarities(each)[0].similarity for each in bound]
    kept, blended = (float(np.mean([fate == name for fate in fates])) for name in ("kept", "blended"))
    return Met(ids, float(np.mean(likenesses)), kept, blended)


def fates_of(order: Sequence[str], sources: Mapping[str, Figure], drawn: Reading) -> tuple[str, ...]:
    """Of each of two concepts, in the order in which the prompt names them: kept, blended or lost.

    The drawn figure of a concept is the one of its source's kind, where the kinds differ and there is one; else the one
    in its place, from left to right.
    """
    first, second = (sources[concept_id] for concept_id in order)
    fates: list[str] = []
    for place, (own, other) in enumerate(((first, second), (second, first))):
        if own.kind == other.kind:
            figure = drawn.figures[place] if place < len(drawn.figures) else None
        else:
            figure = drawn.find_figure(own.kind, place)
        if figure is not None and (figure.kind, figure.colour) == (own.kind, own.colour):
            fates.append("kept")
        else:
            fates.append("blended" if figure is not None and figure.colour == other.colour else "lost")
    return tuple(fates)


def table_of(met: Sequence[Met]) -> list[dict[str, object]]:
    """Pairs counted by how alike their keys are."""
    rows: list[dict[str, object]] = []
    for low, high in zip(LEVELS, LEVELS[1:], strict=False):
        inside = [each for each in met if low <= each.likeness < high]
        if inside:
            rows.append({"keys": f"{max(low, min(m.likeness for m in met)):.2f} to {high:.2f}", **_means(inside)})
    for name, same in (("two of one kind", True), ("of two kinds", False)):
        if inside := [each for each in met if each.is_of_one_kind == same]:
            rows.append({"keys": name, **_means(inside)})
    return rows


def _means(met: Sequence[Met]) -> dict[str, object]:
    return {
        "pairs": len(met),
        "likeness": round(float(np.mean([each.likeness for each in met])), 2),
        "kept": round(float(np.mean([each.kept for each in met])), 2),
        "blended": round(float(np.mean([each.blended for each in met])), 2),
    }


def _correlation(met: Sequence[Met]) -> float:
    return round(float(np.corrcoef([each.likeness for each in met], [each.blended for each in met])[0, 1]), 2)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_blending", description=__doc__.splitlines()[0])
    parser.add_argument("--joint", type=int, default=8, metavar="N", help="pairs that are learnt jointly (default: 8)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of learning and pictures (default: 0)")
    parser.add_argument("--folder", type=Path, default=Path("out/bench-blending"), help="keeps what is learnt")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    model, probe, taught, seed = load_model(), load_probe(), lessons(), options.seed
    bank = ConceptBank(options.folder / "alone")
    for lesson in taught:
        learn_into(model, bank, [lesson], seed=seed, cache_dir=options.folder)
    renderer = FluxRenderer(model, bank)
    pairs = {(a.concept.id, b.concept.id): (a, b) for a, b in pairs_of(taught)}
    alone = [meet(renderer, probe, bank, ids, seed=seed) for ids in pairs]
    print_table(("keys alike", "pairs", "likeness", "kept", "blended"), table_of(alone))
    correlations = [_correlation(alone), _correlation([each for each in alone if not each.is_of_one_kind])]
    print("\nCorrelation of likeness and blending: {}; of two kinds alone: {}.\n".format(*correlations))
    rows: list[dict[str, object]] = []
    for worst in sorted(alone, key=lambda each: each.kept)[: options.joint]:
        joint_bank = ConceptBank(options.folder / "joint" / "+".join(worst.ids))
        learn_into(model, joint_bank, pairs[worst.ids], seed=seed, cache_dir=options.folder)
        joint = meet(FluxRenderer(model, joint_bank), probe, joint_bank, worst.ids, seed=seed)
        rows.append(
            {"pair": " and ".join(worst.ids), "likeness": round(worst.likeness, 2), "kept": worst.kept,
             "blended": worst.blended, "likeness, joint": round(joint.likeness, 2), "kept, joint": joint.kept,
             "blended, joint": joint.blended}
        )  # fmt: skip
    if rows:
        print_table(tuple(rows[0]), rows)
    figures = {"correlations": correlations, "pairs": table_of(alone), "joint": rows}
    print(json.dumps({"benchmark": "blending", "seed": seed, **figures}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
