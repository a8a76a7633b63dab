"""Does the hero stay the same? Pages of three books drawn with and without directions, read back by the probe.

    python -m benchmarks.bench_recurrence

A page agrees with its source picture when the probe sees a figure of the hero's kind in the source's colour, and the
unlit colour that it reads in the figure's region lies near the one that it reads in the source picture. The same
prompts and seeds without directions are the yardstick. Prints a table; the last line is JSON.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from api.settings import LEXICON_PATH, SAMPLE_BANK_DIR
from api.tokens import token_counter
from concepts.bank import ConceptBank
from concepts.binding import bind_concepts
from concepts.lexicon import Lexicon
from concepts.schema import BoundPrompt
from generator.flux_renderer import FluxRenderer
from generator.loading import POCKET_FOLDER, load_model
from pocket.probe import Figure, Probe, load_probe, read_pictures
from story.schema import Scene, StoryRequest
from story.storyteller import Storyteller

BOOKS = (
    ("a cat who keeps a lighthouse and is afraid of the dark", "luna"),
    ("a fox who wants to sail around the world", "rusty"),
    ("a robot who has lost a song", "pip"),
)
NEAR = 0.25
"""Largest distance of two unlit colours, in RGB of [0, 1], that still counts as the same."""


@dataclass(frozen=True)
class Recurrence:
    """One book's agreement, as shares of its pages with the hero on stage."""

    hero: str
    pages: int
    with_directions: float
    without: float


def agrees(figures: Sequence[Figure], source: Figure) -> bool:
    """Whether one of the figures is the source's, by kind, colour class and unlit colour."""
    return any(
        figure.kind == source.kind
        and figure.colour == source.colour
        and float(np.linalg.norm(np.subtract(figure.tint, source.tint))) <= NEAR
        for figure in figures
    )


def hero_scenes(idea: str, hero: str, bank: ConceptBank, *, seed: int) -> tuple[Scene, ...]:
    """The scenes of a book that show the hero, as the built-in storyteller writes it."""
    storyteller = Storyteller(Lexicon.load(LEXICON_PATH), count_tokens=token_counter(POCKET_FOLDER), max_tokens=64)
    catalog = bank.catalog()
    cast = tuple(card for card in catalog if card.id == hero)
    story = storyteller.write(StoryRequest(idea=idea, cast=cast, catalog=catalog, seed=seed)).story
    return tuple(scene for scene in story.scenes if hero in scene.concepts)


def measure_book(
    idea: str, hero: str, *, bank: ConceptBank, renderer: FluxRenderer, probe: Probe, seed: int
) -> Recurrence:
    """Draw one book's scenes twice, with and without directions, and compare each with the source picture."""
    source_picture = Image.open(bank.source_path(hero))
    source = read_pictures(probe, [source_picture])[0].figures[0]
    scenes = hero_scenes(idea, hero, bank, seed=seed)
    shares = []
    for has_directions in (True, False):
        pictures = []
        for index, scene in enumerate(scenes):
            concepts = [bank.get(concept_id) for concept_id in scene.concepts]
            bound = bind_concepts(scene.prompt, concepts) if has_directions else BoundPrompt(prompt=scene.prompt)
            pictures.append(renderer.render(bound, seed=1000 * seed + index))
        readings = read_pictures(probe, pictures)
        shares.append(float(np.mean([agrees(reading.figures, source) for reading in readings])))
    return Recurrence(hero, len(scenes), *shares)


def measure(bank: ConceptBank, *, model: str = "pocket", seed: int = 1) -> list[Recurrence]:
    """All books."""
    renderer, probe = FluxRenderer(load_model(model), bank), load_probe()
    return [measure_book(idea, hero, bank=bank, renderer=renderer, probe=probe, seed=seed) for idea, hero in BOOKS]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_recurrence", description=__doc__.splitlines()[0])
    parser.add_argument("--bank", type=Path, default=SAMPLE_BANK_DIR)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    rows = measure(ConceptBank(options.bank), model=options.model, seed=options.seed)
    print(f"{'hero':10}{'pages':>6}{'with directions':>17}{'without':>9}")
    for row in rows:
        print(f"{row.hero:10}{row.pages:6}{row.with_directions:17.0%}{row.without:9.0%}")
    pages = sum(row.pages for row in rows)
    totals = {
        "with_directions": sum(row.with_directions * row.pages for row in rows) / pages,
        "without": sum(row.without * row.pages for row in rows) / pages,
    }
    print(f"{'all':10}{pages:6}{totals['with_directions']:17.0%}{totals['without']:9.0%}")
    print(json.dumps({"benchmark": "recurrence", "pages": pages, **{n: round(v, 3) for n, v in totals.items()}}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
