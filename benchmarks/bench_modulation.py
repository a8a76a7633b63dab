"""What modulating tokens costs beside a plain `FluxPipeline`, in one run: time and peak of memory.

    python -m benchmarks.bench_modulation

One prompt that names sixteen concepts, drawn plainly, by the renderer with none, 1, 4 and 16 of them, and with all text
tokens modulated densely, each in its pass; with 16 once more as the model guides by concepts, if it does. Directions
are random, for every block: their values do not matter to speed. Each round draws all of these once, in another order,
so that whatever else the machine does falls on all. Ratios are medians over rounds, with an interval of 95 % for that
of processor time. Prints an environment card and a table; the last line is JSON.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import diffusers
import numpy as np
import torch
from PIL import Image

from concepts.bank import ConceptBank, hash_direction
from concepts.binding import bind_concepts
from concepts.schema import BoundPrompt, Concept
from generator.directions import Direction, place_direction, save_direction
from generator.flux_renderer import FluxRenderer
from generator.loading import FluxModel, load_model
from generator.modulation import attach
from generator.settings import RenderSettings
from generator.tokens import find_token_spans

PROMPT = (
    "a fox, a cat, a rabbit, a bear, a robot and a child with a boat, a scarf, a hat, glasses, a lantern and an "
    "umbrella in the snow, the forest, the town and the meadow"
)
WORDS = tuple("fox cat rabbit bear robot child boat scarf hat glasses lantern umbrella snow forest town meadow".split())
CONCEPT_COUNTS = (0, 1, 4, 16)
PLAIN, DENSE, GUIDED = "plain FluxPipeline", "every token, densely", "16 concepts, guided by them"
RESAMPLES = 2000
Draw = Callable[[int], object]
"""Draws one picture of a seed."""


@dataclass(frozen=True)
class Timing:
    """Of pictures of one kind, a value a round."""

    wall_s: list[float]
    processor_s: list[float]
    """Of all threads of the process: what others do on the machine is not in it."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_modulation", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pocket", help="'pocket', a folder or a hub id (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=12, help="pictures of each kind (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="denoising steps (default: the model's)")
    parser.add_argument("--peak-of", help="only draw one picture of this kind, and print the peak of memory in MB")
    options = parser.parse_args(argv)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    model = load_model(options.model)
    settings = replace(model.defaults, num_inference_steps=options.steps or model.defaults.num_inference_steps)
    with tempfile.TemporaryDirectory() as folder:
        kinds = kinds_of(FluxRenderer(model, random_bank(model, Path(folder))), settings)
        if options.peak_of:
            print(peak_memory_mb(model.pipeline.device, kinds[options.peak_of]))
            return 0
        timings = measure(kinds, rounds=options.rounds)
        peaks_mb = {kind: _peak_of_process(kind, options.model) for kind in kinds}
    report(model, settings, timings, peaks_mb)
    return 0


def kinds_of(renderer: FluxRenderer, settings: RenderSettings) -> dict[str, Draw]:
    """All that is compared, by name, in the order of the table; the renderer's bank is a `random_bank`."""
    model = renderer.model
    concepts = [renderer.bank.get(word) for word in WORDS]
    bound = {count: bind_concepts(PROMPT, concepts[:count]) for count in CONCEPT_COUNTS}
    unguided = replace(settings, concept_guidance_scale=1.0)
    kinds: dict[str, Draw] = {PLAIN: lambda seed: draw_plain(model, bound[0], settings, seed)}
    for count in CONCEPT_COUNTS:
        name = f"{count or 'no'} concept{'' if count == 1 else 's'}"
        kinds[name] = lambda seed, prompt=bound[count]: renderer.render(prompt, seed=seed, settings=unguided)
    kinds[DENSE] = lambda seed: draw_densely(model, settings, seed)
    if settings.concept_guidance_scale > 1:
        kinds[GUIDED] = lambda seed: renderer.render(bound[16], seed=seed, settings=settings)
    return kinds


def random_bank(model: FluxModel, folder: Path) -> ConceptBank:
    """A bank with one concept per word of `WORDS`, each with a random direction of its own for every block."""
    bank = ConceptBank(folder / "bank")
    direction_path, picture_path = folder / "direction.safetensors", folder / "picture.png"
    Image.new("RGB", (16, 16)).save(picture_path)
    generator = torch.Generator().manual_seed(0)
    for word in WORDS:
        alone = BoundPrompt.model_validate(
            {"prompt": f"a {word}", "mentions": [{"concept_id": word, "start": 2, "stop": 2 + len(word)}]}
        )
        (span,) = find_token_spans(alone, model.pipeline.tokenizer_2, max_sequence_length=32)
        direction = torch.randn(span.num_tokens, model.num_blocks, model.dim, generator=generator) / 10
        save_direction(Direction(direction, "activated"), direction_path)
        concept = Concept(
            id=word,
            word=word,
            kind="object",
            caption=alone.prompt,
            base_model=model.fingerprint,
            base_model_name=model.name,
            direction_sha256=hash_direction(direction_path),
            recipe={},
        )
        bank.add(concept, source=picture_path, direction=direction_path, preview=picture_path)
    return bank


def draw_plain(model: FluxModel, prompt: BoundPrompt, settings: RenderSettings, seed: int) -> Image.Image:
    """What a person without this project writes."""
    return model.pipeline(
        prompt=prompt.prompt, generator=torch.Generator("cpu").manual_seed(seed), **settings.of_pipeline
    ).images[0]


def draw_densely(model: FluxModel, settings: RenderSettings, seed: int) -> Image.Image:
    """As per-token modulation is usually written: every text token's own modulation, made in each block and step."""
    text_len = settings.max_sequence_length
    everywhere = Direction(torch.full((text_len, 1, model.dim), 0.01), "temb")
    with attach(model.pipeline.transformer, place_direction(everywhere, range(text_len), text_len=text_len)):
        return draw_plain(model, BoundPrompt(prompt=PROMPT), settings, seed)


def measure(kinds: Mapping[str, Draw], *, rounds: int) -> dict[str, Timing]:
    timings = {kind: Timing([], []) for kind in kinds}
    for round_index in range(-1, rounds):  # round -1 warms up
        turn = max(round_index, 0) % len(kinds)
        names = [*kinds]
        for kind in (*names[turn:], *names[:turn]):
            wall, processor = time.perf_counter(), time.process_time()
            kinds[kind](max(round_index, 0))
            if round_index >= 0:
                timings[kind].wall_s.append(time.perf_counter() - wall)
                timings[kind].processor_s.append(time.process_time() - processor)
    return timings


def ratio(ours: Sequence[float], plain: Sequence[float]) -> float:
    """Median over the rounds of the time of one kind to that of another."""
    return statistics.median(one / other for one, other in zip(ours, plain, strict=True))


def ratio_interval(ours: Sequence[float], plain: Sequence[float]) -> tuple[float, float]:
    """Where 95 % of that median fall when rounds are drawn anew from those that were measured (bootstrap)."""
    ratios = np.array(ours) / np.array(plain)
    medians = np.median(np.random.default_rng(0).choice(ratios, (RESAMPLES, len(ratios))), axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    return round(float(low), 3), round(float(high), 3)


def peak_memory_mb(device: torch.device, draw: Callable[[int], object]) -> float:
    """Of the GPU where one is used, else of the process so far."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        draw(0)
        return torch.cuda.max_memory_allocated(device) / 2**20
    draw(0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _peak_of_process(kind: str, model: str) -> float:
    """The peak of a process that draws one picture, as a process's own peak never falls."""
    command = [sys.executable, "-m", "benchmarks.bench_modulation", "--model", model, "--peak-of", kind]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def print_environment(model: FluxModel) -> dict[str, str | int | float]:
    """What is measured and on what, a line each; returns the same."""
    device = model.pipeline.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    card = {
        "model": model.name,
        "device": f"{device.type} ({name})",
        "dtype": str(model.pipeline.transformer.dtype).removeprefix("torch."),
        "cores": os.cpu_count() or 0,
        "torch_threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
    }
    for key, value in card.items():
        print(f"{key:14} {value}")
    return card


def print_table(header: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Rows as a table of Markdown, their values in the header's order."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header), flush=True)
    for row in rows:
        print_row([*row.values()])


def print_row(values: Sequence[object]) -> None:
    """One row of such a table, shown at once."""
    print("| " + " | ".join(str(value) for value in values) + " |", flush=True)


def report(
    model: FluxModel, settings: RenderSettings, timings: Mapping[str, Timing], peaks_mb: Mapping[str, float]
) -> None:
    first, card = next(iter(timings.values())), print_environment(model)
    print(f"\n{len(first.wall_s)} rounds, {settings.width}×{settings.height}, {settings.num_inference_steps} steps\n")
    rows = []
    for kind, timing in timings.items():
        row = {
            "kind": kind,
            "median_s": round(statistics.median(timing.wall_s), 3),
            "ratio": round(ratio(timing.wall_s, first.wall_s), 3),
            "processor_s": round(statistics.median(timing.processor_s), 3),
            "processor_ratio": round(ratio(timing.processor_s, first.processor_s), 3),
            "interval": ratio_interval(timing.processor_s, first.processor_s),
            "peak_mb": round(peaks_mb[kind]),
        }
        rows.append(row)
    print_table(("", "median s", "ratio", "processor s", "ratio", "95 %", "peak MB"), rows)
    print(json.dumps({"benchmark": "modulation", "environment": card, "settings": asdict(settings), "rows": rows}))


if __name__ == "__main__":
    sys.exit(main())
