"""How fast the pictures of a book are drawn together, beside a plain `FluxPipeline` page by page, in one run.

    python -m benchmarks.bench_pages

A cover and eight pages with a few concepts each, whose directions are random; without guidance by concepts, and with it
where the model has it. Each round draws the whole book in each way, in turns, so that whatever else the machine does
falls on all. Prints an environment card, a table of times for the whole book, how far the pictures are from those
drawn alone, and how far the same book without concepts is from the plain pipeline's; the last line is JSON.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.bench_modulation import (
    Draw,
    draw_plain,
    measure,
    print_environment,
    print_table,
    random_bank,
    ratio,
)
from concepts.binding import bind_concepts
from concepts.schema import BoundPrompt
from generator.flux_renderer import FluxRenderer
from generator.loading import load_model
from generator.renderer import PictureOrder
from generator.settings import RenderSettings

PAGES = (
    "a fox in the snow under a lantern",
    "a fox waving in the forest",
    "a cat sitting in the town with a fox",
    "a rabbit on the beach with an umbrella",
    "a bear sleeping in the bedroom",
    "a robot jumping in the meadow, a fox beside it",
    "a child standing in the forest with a lantern",
    "a fox reading in the bedroom wearing glasses",
    "a cat in a boat on the sea at night",
)
PLAIN, ALONE, TOGETHER = "plain FluxPipeline, page by page", "with concepts, page by page", "with concepts, together"
GUIDED = "with concepts, together, as the model guides by them"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_pages", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="'pocket', a folder or a hub id (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="books drawn in each way (default: %(default)s)")
    options = parser.parse_args(argv)
    model = load_model(options.model)
    with tempfile.TemporaryDirectory() as folder:
        bank = random_bank(model, Path(folder))
        renderer = FluxRenderer(model, bank)
        orders = [
            PictureOrder(
                bound=bind_concepts(page, [each for each in bank.list() if each.word in page.replace(",", "").split()]),
                seed=index,
            )
            for index, page in enumerate(PAGES)
        ]

        def plain(seed: int) -> list[Image.Image]:
            return [draw_plain(model, order.bound, model.defaults, seed + order.seed) for order in orders]

        unguided = replace(model.defaults, concept_guidance_scale=1.0)

        def alone(seed: int) -> list[Image.Image]:
            return [renderer.render(order.bound, seed=seed + order.seed, settings=unguided) for order in orders]

        def together(seed: int, settings: RenderSettings = unguided) -> list[Image.Image]:
            moved = [replace(order, seed=seed + order.seed) for order in orders]
            return [*renderer.render_all(moved, settings=settings)]

        ways: dict[str, Draw] = {PLAIN: plain, ALONE: alone, TOGETHER: together}
        if model.defaults.concept_guidance_scale > 1:
            ways[GUIDED] = partial(together, settings=model.defaults)
        timings = measure(ways, rounds=options.rounds)
        nobody = [replace(order, bound=BoundPrompt(prompt=order.bound.prompt)) for order in orders]
        distances = {
            "largest_difference": largest_difference(alone(0), together(0)),
            "largest_difference_from_plain": largest_difference(plain(0), [*renderer.render_all(nobody)]),
        }
    card = print_environment(model)
    print(f"\n{options.rounds} books of {len(PAGES)} pictures\n")
    rows = []
    for way, timing in timings.items():
        row = {
            "way": way,
            "median_s": round(statistics.median(timing.wall_s), 2),
            "speedup": round(ratio(timings[PLAIN].wall_s, timing.wall_s), 2),
            "processor_s": round(statistics.median(timing.processor_s), 2),
            "processor_speedup": round(ratio(timings[PLAIN].processor_s, timing.processor_s), 2),
        }
        rows.append(row)
    print_table(("", "median s", "times as fast", "processor s", "times as fast"), rows)
    memory_mb = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
    of_alone, of_plain = distances.values()
    print(
        f"\nLargest difference of a colour, of 255: {of_alone} from pictures with concepts drawn alone, {of_plain} "
        f"without any from the plain pipeline's. Peak memory {memory_mb} MB"
    )
    result = {"rows": rows, **distances, "peak_memory_mb": memory_mb}
    print(json.dumps({"benchmark": "pages", "environment": card, **result}))
    return 0


def largest_difference(ones: Sequence[Image.Image], others: Sequence[Image.Image]) -> int:
    """Of any colour of any pixel of pictures that should be the same, of 255."""
    return max(
        int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())
        for one, other in zip(ones, others, strict=True)
    )


if __name__ == "__main__":
    sys.exit(main())
