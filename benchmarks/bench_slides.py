"""How far do text-driven directions move a picture? Slides of several weights, read back by the probe.

    python -m benchmarks.bench_slides

Figures in places, drawn from prompts that say nothing of colour, with a slide from one phrase to another: a colour, a
pose and a light, on the one word (M+) or on the whole picture (M). Moved are pictures of which the probe reads what
the slide leads to, whole are those that still show the prompt's kind of figure, alone, in its place. Weight 0 is the
picture without the slide. Prints a table; the last line is JSON.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np

from api.settings import SAMPLE_BANK_DIR
from benchmarks.bench_modulation import print_table
from concepts.bank import ConceptBank
from concepts.schema import BoundPrompt
from generator.flux_renderer import FluxRenderer
from generator.loading import load_model
from generator.slides import EVERYTHING, Slide
from pocket.probe import Probe, Reading, load_probe, read_pictures
from pocket.world.captions import LIGHT_PHRASES, PLACE_PHRASES
from pocket.world.schema import CHARACTERS

WEIGHTS = (0.0, 1.0, 4.0, 10.0, 100.0, 1000.0)
COLOURS, PLACES = ("red", "blue", "green", "purple"), ("meadow", "snow", "town")


@dataclass(frozen=True)
class Kind:
    """A kind of slide: its phrases for a figure and a wanted value, and what the probe reads of the value."""

    name: str
    target: Callable[[str], str]
    towards: Callable[[str, str], str]
    away: Callable[[str], str]
    values: tuple[str, ...]
    read: Callable[[Reading], str]


def _figure(name: str) -> Callable[[Reading], str]:
    return lambda reading: getattr(reading.figures[0], name) if reading.figures else ""


def _everything(figure: str) -> str:
    del figure
    return EVERYTHING


def _itself(figure: str) -> str:
    return figure


KINDS = tuple(
    Kind(f"{name}, {space}", target, towards, away, values, read)
    for name, towards, away, values, read in (
        ("colour", lambda f, v: f"a {v} {f}", lambda f: f"a {f}", COLOURS, _figure("colour")),
        ("pose", lambda f, v: f"a {f} {v}", lambda f: f"a {f} standing", ("sitting", "jumping"), _figure("pose")),
        (
            "light",
            lambda f, v: f"a {f} {LIGHT_PHRASES[v]}",
            lambda f: f"a {f} {LIGHT_PHRASES['day']}",
            ("sunset", "moonlight"),
            lambda reading: reading.light,
        ),
    )
    for space, target in (("on the word", _itself), ("on everything", _everything))
)


@dataclass(frozen=True)
class Order:
    """A picture to draw: its figure and place, and the value that a slide leads to."""

    figure: str
    place: str
    value: str

    @property
    def prompt(self) -> str:
        return f"a {self.figure} standing {PLACE_PHRASES[self.place]} {LIGHT_PHRASES['day']}"


def orders_of(kind: Kind, count: int) -> tuple[Order, ...]:
    """Figures, places and values in turn."""
    possible = [Order(f, p, kind.values[i % len(kind.values)]) for i, (p, f) in enumerate(product(PLACES, CHARACTERS))]
    return tuple(islice(possible, count))


def measure(renderer: FluxRenderer, probe: Probe, kind: Kind, weight: float, *, count: int) -> tuple[float, float]:
    """Shares of pictures that moved and that are whole."""
    orders, pictures = orders_of(kind, count), []
    for seed, order in enumerate(orders):
        slide = Slide(
            target=kind.target(order.figure),
            towards=kind.towards(order.figure, order.value),
            away=kind.away(order.figure),
            weight=weight,
        )
        pictures.append(renderer.render(BoundPrompt(prompt=order.prompt), seed=seed, slides=[slide]))
    readings = list(zip(orders, read_pictures(probe, pictures), strict=True))
    moved = [kind.read(reading) == order.value for order, reading in readings]
    whole = [
        [figure.kind for figure in reading.figures] == [order.figure] and reading.place == order.place
        for order, reading in readings
    ]
    return float(np.mean(moved)), float(np.mean(whole))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_slides", description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=12, metavar="N", help="of a kind and weight (default: 12)")
    options = parser.parse_args(argv)
    renderer, probe = FluxRenderer(load_model(), ConceptBank(SAMPLE_BANK_DIR)), load_probe()
    rows: list[dict[str, object]] = []
    for kind in KINDS:
        row: dict[str, object] = {"": kind.name}
        for weight in WEIGHTS:
            moved, whole = measure(renderer, probe, kind, weight, count=options.pictures)
            row[f"{weight:g}"] = f"{moved:.2f} ({whole:.2f})"
        rows.append(row)
    print_table(tuple(rows[0]), rows)
    print(json.dumps({"benchmark": "slides", "pictures": options.pictures, "rows": rows}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
